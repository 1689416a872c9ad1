"""The fast JPEG decoder gives the same as Pillow, and leaves unusual or damaged files to it."""

import io
import warnings

import numpy as np
import pytest
import simplejpeg
from detailed import detailed
from hostile import hostile_inputs
from hostile_made import exif, jpeg_sized, jpeg_with, picture, sample, saved, segment
from PIL import Image
from profiles import gamma_profile

from embedding.decode.colour import upright_srgb
from embedding.decode.decoder import decode
from embedding.decode.jpeg import decode_jpeg
from embedding.image import Reason
from embedding.picture import Picture

MAX = 20_000_000
HOSTILE = {name: data for name, data in hostile_inputs().items() if data[:3] == b"\xff\xd8\xff"}
SUBSAMPLINGS = ("444", "422", "420", "440", "411", "Gray")


def by_pillow(data):
    """Pixels as Pillow decodes them; None if it cannot."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            image.load()
            return upright_srgb(image)
    except Exception:  # noqa: BLE001 (any error means that the file is not readable)
        return None


def fast(data, least_side=None):
    with Image.open(io.BytesIO(data)) as image:
        return decode_jpeg(image, data, least_side)


def same(data):
    assert fast(data) is not None, "the fast decoder did not take it"
    return np.array_equal(decode(data, MAX).pixels, by_pillow(data))


@pytest.mark.parametrize("size", [(480, 360), (333, 217), (17, 33), (9, 7), (1, 1)])
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_pixels_are_the_same_as_pillows(subsampling, size):
    pixels = np.asarray(Image.fromarray(detailed(1)).resize(size))
    for quality in (30, 85, 100):
        assert same(simplejpeg.encode_jpeg(pixels, quality=quality, colorsubsampling=subsampling))


@pytest.mark.parametrize("options", [{"progressive": True}, {"restart_marker_blocks": 3}, {"optimize": True}])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_progressive_files_and_restart_markers_give_the_same_as_pillow_too(mode, options):
    image = Image.fromarray(detailed(2)).convert(mode)
    assert all(same(saved(image, format="JPEG", subsampling=each, **options)) for each in (0, 1, 2))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("profile", [False, True])
def test_orientation_and_profile_are_applied_as_to_pixels_from_pillow(mode, profile, orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    extra = {"icc_profile": gamma_profile(mode)} if profile else {}
    image = Image.fromarray(detailed(3)).convert(mode)
    data = saved(image, format="JPEG", exif=tags, subsampling=0, **extra)
    assert same(data)
    plain = decode(saved(image, format="JPEG", exif=tags, subsampling=0), MAX)
    assert np.array_equal(decode(data, MAX).pixels, plain.pixels) == (not profile)
    half = decode(data, MAX, 100)
    assert all(side % 2 == 0 for side in plain.size), "otherwise it is not reduced in all orientations"
    assert half.size == plain.size == plain.pixels.shape[:2]
    assert half.pixels.shape == (*(-(-side // 2) for side in plain.size), 3)
    assert half.pixels.flags.c_contiguous
    shrunk = np.asarray(
        Image.fromarray(decode(data, MAX).pixels).resize(half.pixels.shape[1::-1], Image.Resampling.BOX)
    )
    assert np.abs(shrunk.astype(int) - half.pixels).mean() < 3


@pytest.mark.parametrize("name", HOSTILE)
def test_files_that_pillow_reads_are_read_and_files_that_it_refuses_are_refused(name):
    expected = by_pillow(HOSTILE[name])
    for least_side in (None, 16):
        result = decode(HOSTILE[name], MAX, least_side)
        if not name.startswith("bomb_"):
            assert isinstance(result, Picture) == (expected is not None)
        if isinstance(result, Picture):
            assert result.size == expected.shape[:2]
            assert least_side or np.array_equal(result.pixels, expected)


def test_unusual_and_damaged_files_are_left_to_pillow():
    good = saved(picture(), format="JPEG")
    assert fast(good) is not None
    assert fast(good[:-200]) is None
    assert fast(saved(picture("CMYK"), format="JPEG")) is None
    assert fast(saved(picture(), format="JPEG", keep_rgb=True)) is None
    assert fast(jpeg_sized(4_000, 4_000)) is None
    broken = bytearray(good)
    broken[-900:-890] = b"\xff\x01" * 5
    assert fast(bytes(broken)) is None
    assert np.array_equal(decode(bytes(broken), MAX).pixels, by_pillow(bytes(broken)))


@pytest.mark.parametrize(
    ("size", "least_side", "expected"),
    [
        ((1_280, 960), None, (960, 1_280)),
        ((1_280, 960), 448, (480, 640)),
        ((1_280, 960), 480, (480, 640)),
        ((1_280, 960), 481, (960, 1_280)),
        ((1_283, 967), 484, (484, 642)),
        ((967, 1_283), 484, (642, 484)),
        ((1_280, 960), 100, (120, 160)),
        ((1_280, 960), 1, (120, 160)),
        ((640, 480), 2_000, (480, 640)),
        ((700, 9), 1, (2, 88)),
    ],
)
def test_a_picture_is_reduced_to_the_smallest_of_an_eighth_a_quarter_and_a_half_that_is_enough(
    size, least_side, expected
):
    result = decode(saved(Image.new("RGB", size), format="JPEG", subsampling=0), MAX, least_side)
    assert result.pixels.shape[:2] == expected
    assert result.size == (size[1], size[0])


@pytest.mark.parametrize(
    ("subsampling", "least_side", "expected"),
    [("Gray", 240, 240), ("444", 240, 240), ("420", 240, 480), ("420", 160, 240), ("420", 120, 120)]
    + [(each, least, 480) for each in ("422", "440", "411") for least in (240, 8)],
)
def test_a_picture_is_not_reduced_below_the_resolution_of_its_colours(subsampling, least_side, expected):
    data = simplejpeg.encode_jpeg(np.zeros((480, 640, 3), np.uint8), colorsubsampling=subsampling)
    assert decode(data, MAX, least_side).pixels.shape[0] == expected


def test_other_formats_are_not_reduced():
    for form in ("PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"):
        assert decode(saved(picture(), format=form), MAX, 16).pixels.shape == sample().shape


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(("times", "eighths"), [(1, 8), (1.1, 4), (4, 4), (16, 2), (17, 1), (64, 1)])
def test_a_jpeg_above_the_cap_on_pixels_is_decoded_to_a_smaller_size(times, eighths, progressive):
    data = saved(picture(), format="JPEG", progressive=progressive)
    result = decode(data, int(96 * 64 / times))
    assert result.size == (64, 96)
    assert result.pixels.shape[:2] == (8 * eighths, 12 * eighths)


def test_a_jpeg_that_is_too_large_even_at_an_eighth_is_refused():
    data = saved(picture(), format="JPEG")
    assert decode(data, 96 * 64 // 64 - 1).reason is Reason.TOO_MANY_PIXELS
    assert decode(saved(picture("CMYK"), format="JPEG"), 96 * 64 // 4).pixels.shape[:2] == (32, 48)


def test_a_thumbnail_in_the_exif_is_not_taken_for_the_picture():
    data = jpeg_with(segment(0xE1, exif(1) + saved(picture(width=16, height=16), format="JPEG")))
    assert decode(data, MAX).size == (64, 96)
    assert same(data)
