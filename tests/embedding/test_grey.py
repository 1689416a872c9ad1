"""JPEGs of which only corners are needed: decoded in grey and reduced, and the same corners are found."""

import io

import cv2
import numpy as np
import pytest
import simplejpeg
from detailed import detailed
from hostile import hostile_inputs
from hostile_made import saved
from opening import wanted
from PIL import Image
from profiles import gamma_profile

from embedding.choose import choose
from embedding.decode.decoder import opened
from embedding.decode.jpeg import decode_grey, decode_jpeg
from embedding.decode.limits import Limits
from embedding.local.keypoints import DECODED_SIDE, SIDE, detect, working_copy
from embedding.picture import Needs
from embedding.second_looks import cropped
from embedding.views import look_into

MAX = 20_000_000
CORNERS = Needs(keypoints=True)
LARGE = Image.fromarray(cv2.resize(detailed(1), (1600, 1200), interpolation=cv2.INTER_CUBIC))


def grey(data, longest=DECODED_SIDE, max_pixels=MAX):
    with Image.open(io.BytesIO(data)) as image:
        return decode_grey(image, data, longest, max_pixels)


def shown(data, corners_side):
    with opened(data, Limits(MAX, None, corners_side)) as file:
        return [(each.pixels, each.size) for each in file.show(0)]


@pytest.mark.parametrize(
    ("size", "reduced"),
    [
        ((3200, 2400), (800, 600)),
        ((1602, 1200), (801, 600)),
        ((640, 480), (640, 480)),
        ((3207, 15), (3207, 15)),
        ((15, 3207), (15, 3207)),
        ((3200, 1600), (1600, 800)),  # also looked at with half of its width
        ((1598, 800), (1598, 800)),
    ],
)
def test_it_is_reduced_to_no_less_than_what_the_corners_of_all_looks_need(size, reduced):
    data = simplejpeg.encode_jpeg(cv2.resize(detailed(1), size), quality=80)
    assert grey(data).shape[::-1] == reduced
    assert grey(data, max(size)).shape[::-1] == size


def test_the_cap_on_pixels_holds():
    data = saved(LARGE, format="JPEG")
    assert grey(data, 1600, 500_000).shape == (600, 800)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_it_is_upright_and_shows_the_brightness(mode, orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    data = saved(LARGE.convert(mode), format="JPEG", exif=tags, quality=90)
    ((whole, size),) = shown(data, None)
    ((reduced, same_size),) = shown(data, DECODED_SIDE)
    assert size == same_size
    assert max(reduced.shape) == DECODED_SIDE
    assert np.abs(working_copy(whole).astype(int) - working_copy(reduced)).mean() < 3


def test_a_file_with_a_profile_or_in_other_colours_is_decoded_whole():
    for mode, extra in (("RGB", {"icc_profile": gamma_profile("RGB")}), ("CMYK", {})):
        data = saved(LARGE.convert(mode), format="JPEG", **extra)
        assert np.array_equal(shown(data, DECODED_SIDE)[0][0], shown(data, None)[0][0])


def test_what_the_usual_decoder_leaves_to_pillow_is_left_to_it_too():
    taken = {True: 0, False: 0}
    for data in hostile_inputs().values():
        try:
            image = Image.open(io.BytesIO(data), formats=["JPEG"])
        except Exception:  # noqa: BLE001, S112 (it is refused before)
            continue
        left = decode_jpeg(image, data, None, MAX) is None
        assert (decode_grey(image, data, DECODED_SIDE, MAX) is None) == left
        taken[not left] += 1
    assert min(taken.values()) > 1


@pytest.mark.parametrize("needs", [CORNERS, Needs(keypoints=True, mirror=True)])
def test_the_vectors_of_all_looks_are_nearly_those_of_the_whole_file(needs):
    """The picture on it has a third of its width, so it is decoded again as large as it needs."""
    pixels = np.array(LARGE)
    pixels[300:700, 500:1033] = cv2.resize(detailed(2), (533, 400))
    words, image = choose("words"), Image.fromarray(pixels)
    data = saved(image, format="JPEG", quality=90, subsampling=0)
    reduced, whole = (look_into(data, wanted(6, needs=needs, reduce=each)).views for each in (True, False))
    assert len(reduced) == len(whole) == 3
    assert np.allclose(*([seen.box for seen in views] for views in (reduced, whole)), atol=2 / SIDE)
    for one, other in zip(reduced, whole, strict=True):
        sides = [(one.own, other.own), *([(one.mirror, other.mirror)] if one.mirror else [])]
        for pair in sides:
            first, second = words.encode(pair).vectors
            assert float(first @ second) > 0.8
    part, _ = cropped(grey(data, 1600), (1200, 1600), reduced[1].box)
    assert max(part.shape) > SIDE
    assert np.array_equal(reduced[1].own.keypoints.descriptors, detect(part).descriptors)
