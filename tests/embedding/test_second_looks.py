"""Second looks at a picture: pictures in it, the picture unstretched, its negative; never in place of others."""

import cv2
import numpy as np
import pytest
from detailed import detailed
from drawn import encoded
from opening import views_of, wanted
from PIL import Image

from embedding.choose import choose
from embedding.local.keypoints import MIN_KEYPOINTS, detect
from embedding.look import look, look_closely
from embedding.pdq import Pdq
from embedding.picture import WHOLE, Needs
from embedding.views import look_into

CORNERS = Needs(keypoints=True)
ALL = Needs(keypoints=True, hash=True, pixels=True, mirror=True)
ON_IT = (90, 60, 330, 240)  # left, top, right, bottom: a quarter of the picture


def with_a_picture_on_it(seed):
    whole = cv2.resize(detailed(100 + seed), (480, 360))
    left, top, right, bottom = ON_IT
    whole[top:bottom, left:right] = cv2.resize(detailed(seed), (right - left, bottom - top))
    return whole


def file(*frames, **options):
    first, *rest = (Image.fromarray(frame) for frame in frames)
    if not rest:
        return encoded(first, "PNG", **options)
    return encoded(first, "WEBP", save_all=True, append_images=rest, lossless=True, method=0, **options)


def readings(found):
    return [seen.reading for seen in found.views if seen.second]


def wide(seed, width, height):
    return cv2.resize(detailed(seed), (width, height))


def test_a_picture_on_another_one_is_a_view_with_all_that_is_needed_of_it():
    whole = with_a_picture_on_it(3)
    found = views_of(file(whole), needs=ALL)
    first, inset, negative = found.views
    assert (first.box, first.second) == (WHOLE, False)
    assert (inset.reading, inset.second, inset.frame) == ("plain", True, 0)
    left, top, right, bottom = (round(edge * side) for edge, side in zip(inset.box, (480, 360, 480, 360), strict=True))
    assert np.abs(np.array([left, top, right, bottom]) - ON_IT).max() <= 2
    assert np.array_equal(inset.own.pixels, whole[top:bottom, left:right])
    assert np.array_equal(inset.mirror.pixels, whole[top:bottom, left:right][:, ::-1])
    assert inset.own.has(ALL)
    assert inset.mirror.has(ALL)
    assert np.array_equal(inset.own.keypoints.points, detect(inset.own.pixels).points)
    assert (negative.reading, negative.box, negative.second) == ("negative", WHOLE, True)


def test_of_a_negative_there_are_only_coarse_corners_of_the_whole_picture():
    found = views_of(file(detailed(1)), needs=ALL)
    whole, negative = found.views
    assert (negative.own.hash, negative.own.pixels, negative.mirror) == (None, None, None)
    assert MIN_KEYPOINTS < len(negative.own.keypoints) < len(whole.own.keypoints)
    assert negative.own.keypoints.scales.min() > np.median(whole.own.keypoints.scales)


@pytest.mark.parametrize(
    ("width", "height", "is_long"),
    [(480, 360, False), (480, 270, False), (500, 260, True), (260, 500, True), (600, 250, True), (300, 300, False)],
)
def test_only_a_long_picture_is_looked_at_unstretched(width, height, is_long):
    found = views_of(file(wide(1, width, height)), needs=ALL)
    assert readings(found) == ["unstretched"] * is_long + ["negative"]
    if is_long:
        unstretched = found.views[-2].own
        assert (unstretched.hash, unstretched.pixels, unstretched.size) == (None, None, (height, width))
        shape = unstretched.keypoints.width / unstretched.keypoints.height
        assert shape == pytest.approx(width / height * (1 / 2.2 if width > height else 2.2), rel=0.01)


def test_in_a_picture_with_windows_no_pictures_are_looked_for():
    found = views_of(file(wide(1, 900, 200)), needs=ALL)
    assert len(found.views) > 4
    assert readings(found) == ["unstretched", "negative"]


@pytest.mark.parametrize(
    "needs",
    [Needs(pixels=True), Needs(pixels=True, least_side=256), Needs(hash=True), Needs(hash=True, pixels=True)],
    ids=str,
)
def test_networks_and_hashes_alone_get_no_second_looks(needs):
    """Their false alarms would be more, and so would their work."""
    assert len(views_of(file(with_a_picture_on_it(1)), needs=needs).views) == 1


def test_a_reference_has_no_second_looks():
    found = views_of(file(with_a_picture_on_it(1)), 1, needs=ALL)
    assert [(seen.box, seen.reading, seen.second) for seen in found.views] == [(WHOLE, "plain", False)]


@pytest.mark.parametrize("most", [1, 2, 3, 4, 12])
def test_views_are_never_more_than_the_limit_and_pictures_in_the_picture_come_first(most):
    cells = [cv2.resize(detailed(seed), (240, 180)) for seed in range(9)]
    framed = [np.pad(cell, ((5, 5), (5, 5), (0, 0)), constant_values=255) for cell in cells]
    sheet = np.concatenate([np.concatenate(framed[row : row + 3], 1) for row in (0, 3, 6)])
    found = views_of(file(sheet), most, needs=CORNERS)
    assert len(found.views) == min(most, 11)
    assert found.views[0].box == WHOLE
    assert readings(found) == (["plain"] * 9 + ["negative"])[: most - 1]
    assert found.unseen_windows == 0  # nothing is left out that no other view shows


@pytest.mark.parametrize("most", [2, 3, 4, 5, 12])
def test_of_an_animation_the_frames_come_first_and_second_looks_are_at_the_first_one(most):
    frames = [with_a_picture_on_it(seed) for seed in (1, 2, 3)]
    found = views_of(file(*frames), most, needs=ALL)
    assert [seen.frame for seen in found.views if not seen.second] == {2: [0, 2]}.get(most, [0, 1, 2])
    again = [seen for seen in found.views if seen.second]
    assert [(seen.frame, seen.reading) for seen in again] == [(0, "plain"), (0, "negative")][: max(0, most - 3)]
    if again:
        only = views_of(file(frames[0]), needs=ALL)
        assert np.array_equal(again[0].own.pixels, only.views[1].own.pixels)
        assert np.array_equal(again[-1].own.keypoints.points, only.views[len(again)].own.keypoints.points)


def test_second_looks_are_at_the_first_frame_on_which_something_is_to_be_seen():
    plain = np.full((360, 480, 3), 90, np.uint8)
    found = views_of(file(plain, with_a_picture_on_it(1)), needs=ALL)
    assert [(seen.frame, seen.reading) for seen in found.views] == [(1, "plain"), (1, "plain"), (1, "negative")]


def test_a_readings_picture_has_second_looks_of_its_plain_reading_only():
    transparent = Image.fromarray(with_a_picture_on_it(1))
    transparent.putalpha(Image.fromarray(cv2.resize(detailed(5)[..., 0], (480, 360))))
    found = views_of(encoded(transparent, "PNG"), needs=CORNERS)
    assert [seen.reading for seen in found.views if not seen.second] == ["plain", "on_black"]
    assert readings(found).count("negative") == 1


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_of_a_picture_that_was_decoded_to_a_smaller_size_the_place_and_size_are_those_in_the_file(form):
    large = cv2.resize(with_a_picture_on_it(3), (1_920, 1_440), interpolation=cv2.INTER_CUBIC)
    data = encoded(Image.fromarray(large), form)
    small = views_of(data, needs=CORNERS, max_pixels=1_000_000 if form == "JPEG" else 64_000_000)
    inset = next(seen for seen in small.views if seen.second)
    assert inset.box == pytest.approx([edge / side for edge, side in zip(ON_IT, (480, 360) * 2, strict=True)], abs=0.01)
    assert inset.own.size == pytest.approx((720, 960), abs=20)


def test_a_picture_without_corners_is_no_error():
    for pixels in (np.full((300, 300, 3), 90, np.uint8), np.zeros((1, 1, 3), np.uint8), np.zeros((2, 4, 3), np.uint8)):
        found = look_into(encoded(Image.fromarray(pixels), "PNG"), wanted(needs=CORNERS))
        assert readings(found)[-1] == "negative"
        assert all(len(seen.own.keypoints) < MIN_KEYPOINTS for seen in found.views)


def test_encoders_make_vectors_only_of_views_that_have_what_they_need():
    words, pdq = choose("words"), Pdq()
    looks = look_closely([words, pdq], with_a_picture_on_it(1), Needs(keypoints=True, mirror=True))
    assert [(each.reading, each.second, sorted(each.view.vectors)) for each in looks] == [
        ("plain", False, sorted([words.fingerprint, pdq.fingerprint])),
        ("plain", True, sorted([words.fingerprint, pdq.fingerprint])),
        ("negative", True, [words.fingerprint]),
    ]
    assert [each.mirror is None for each in looks] == [False, False, True]
    assert len(look([words, pdq], [with_a_picture_on_it(1)], CORNERS)) == 1
    assert len(look_closely([pdq], with_a_picture_on_it(1), Needs(hash=True))) == 1


def test_an_inverted_picture_is_near_the_original_in_its_negative():
    words = choose("words")
    known = [look([words], [detailed(seed)], CORNERS)[0].view.vectors[words.fingerprint] for seed in range(40)]
    for seed in (3, 7, 11):
        looks = look_closely([words], 255 - detailed(seed), CORNERS)
        (negative,) = [each.view.vectors[words.fingerprint] for each in looks if each.reading == "negative"]
        assert int((np.stack(known) @ negative).argmax()) == seed
