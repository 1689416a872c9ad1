"""Pictures in a picture are found where they are; photographs and pages have none; any picture takes little time."""

import time
from functools import cache

import cv2
import numpy as np
import pytest
from detailed import captioned, chequered, detailed

from embedding.insets import MOST, insets
from embedding.local.keypoints import working_copy
from harness.documents import chat, drawing, form, letter, logo

CELL = (240, 180)  # width and height in a collage


@cache
def photograph(seed):
    """Something like one; not to be changed."""
    return detailed(seed)


def found_in(pixels):
    return insets(working_copy(np.ascontiguousarray(pixels)))


def shrunk(pixels, size):
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def overlap(one, other):
    """Intersection over union."""
    wide = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    high = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return wide * high / (areas - wide * high)


def is_among(box, boxes):
    return any(overlap(box, other) > 0.75 for other in boxes)


def pasted(seed, share):
    """A picture on a part of another one, and where it is."""
    ground, on_it = photograph(100 + seed).copy(), photograph(seed)
    (height, width), factor = ground.shape[:2], (share * ground.size / on_it.size) ** 0.5
    on_it = shrunk(on_it, (round(on_it.shape[1] * factor), round(on_it.shape[0] * factor)))
    rng, (high, wide) = np.random.default_rng((81, seed)), on_it.shape[:2]
    top, left = int(rng.integers(4, height - high - 4)), int(rng.integers(4, width - wide - 4))
    ground[top : top + high, left : left + wide] = on_it
    return ground, (left / width, top / height, (left + wide) / width, (top + high) / height)


def collage(seed, side, gap):
    """side x side pictures with white between and around them, and where they are."""
    width, height = CELL
    sheet = np.full((side * (height + gap) + gap, side * (width + gap) + gap, 3), 255, np.uint8)
    boxes = []
    for cell in range(side * side):
        top, left = gap + cell // side * (height + gap), gap + cell % side * (width + gap)
        sheet[top : top + height, left : left + width] = shrunk(photograph(9 * seed + cell), CELL)
        edges = np.array([left, top, left + width, top + height])
        boxes.append(tuple(edges / [*sheet.shape[1::-1], *sheet.shape[1::-1]]))
    return sheet, boxes


@pytest.mark.parametrize(("share", "least"), [(0.25, 0.9), (0.12, 0.7), (0.06, 0.25)])
def test_a_picture_on_another_one_is_found(share, least):
    """Of 20 each, 19 at 25 %, 16 at 12 % and 6 at 6 % of the area."""
    hits = [is_among(box, found_in(pixels)) for pixels, box in (pasted(seed, share) for seed in range(20))]
    assert np.mean(hits) >= least


@pytest.mark.parametrize("side", [2, 3])
@pytest.mark.parametrize("gap", [4, 10])
def test_each_picture_of_a_collage_is_found(side, gap):
    for seed in range(8):
        sheet, boxes = collage(seed, side, gap)
        found = found_in(sheet)
        assert len(found) == side * side
        assert all(is_among(box, found) for box in boxes)


@pytest.mark.parametrize(("side", "least"), [(2, 0.4), (3, 0.25)])
def test_of_a_collage_without_a_line_between_its_pictures_some_are_found(side, least):
    """60 % of the pictures of 2 x 2, and 34 % of those of 3 x 3."""
    hits = []
    for seed in range(12):
        sheet, boxes = collage(seed, side, 0)
        found = found_in(sheet)
        hits += [is_among(box, found) for box in boxes]
    assert np.mean(hits) >= least


def test_the_picture_below_a_caption_is_found_without_it():
    for seed in range(20):
        whole, bar = captioned(photograph(seed), seed), 130
        both = np.concatenate([whole[:bar], whole])
        assert found_in(both) == [pytest.approx((0, 2 * bar / len(both), 1, 1), abs=0.01)]


@pytest.mark.parametrize("make", [chat, letter, form, logo], ids=lambda make: make.__name__)
def test_pages_and_logos_have_none(make):
    assert [number for number in range(16) if found_in(np.asarray(make(number).convert("RGB")))] == []


def test_drawings_have_hardly_any():
    """One of 24."""
    assert sum(bool(found_in(np.asarray(drawing(number).convert("RGB")))) for number in range(24)) <= 2


def test_photographs_have_none():
    assert sum(bool(found_in(photograph(seed))) for seed in range(60)) <= 2


def noise(height, width, seed=0):
    return np.random.default_rng((82, seed)).integers(0, 256, (height, width, 3), dtype=np.uint8)


def stripes(period):
    lines = (np.arange(400) // period % 2 * 255).astype(np.uint8)
    return np.broadcast_to(lines[None, :, None], (400, 400, 3))


def nested(number):
    """Frames in frames, each with sharp edges."""
    sheet = noise(400, 400)
    for step in range(number):
        start, end = 4 * step, 400 - 4 * step
        sheet[start:end, start:end] = sheet[start:end, start:end] // 2 + 127 * (step % 2)
    return sheet


HOSTILE = {
    "noise": noise(400, 400),
    "noise in large pixels": noise(25, 25).repeat(16, 0).repeat(16, 1),
    "noise in cells of a ninth": noise(9, 9).repeat(44, 0).repeat(44, 1),
    "checkerboard": chequered(400, 1),
    "large checkerboard": chequered(400, 40),
    "stripes of one pixel": stripes(1),
    "lying stripes": stripes(1).transpose(1, 0, 2),
    "wide stripes": stripes(50),
    "frames in frames": nested(40),
    "many small pictures": collage(1, 3, 2)[0][::2, ::2].repeat(2, 0),
    "a line": noise(1, 20_000),
    "an upright line": noise(20_000, 1),
    "a thin strip": noise(60, 20_000),
    **{f"{height} x {width}": noise(height, width) for height in (1, 2, 7, 16, 17, 40) for width in (1, 3, 17, 18)},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_any_picture_gives_a_bounded_number_in_bounded_time(name):
    """The slowest of them takes 3 ms."""
    grey = working_copy(np.ascontiguousarray(HOSTILE[name]))
    started = time.process_time()
    found = insets(grey)
    assert time.process_time() - started < 0.25
    assert_places(found)


@pytest.mark.parametrize("height", [1, 2, 3, 5, 6, 7, 8, 16, 17, 18, 19, 23])
def test_working_copies_of_any_shape_are_accepted(height):
    for seed in range(5):
        for width in (1, 2, 6, 7, 17, 18, 30, 400):
            assert_places(insets(noise(height, width, seed)[..., 0]))
            assert_places(insets(np.ascontiguousarray(noise(height, width, seed)[..., 0].T)))


def assert_places(found):
    assert len(found) <= MOST
    for left, top, right, bottom in found:
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1
        assert 0.02 < (right - left) * (bottom - top) < 0.8
    for number, one in enumerate(found):
        assert all(overlap(one, other) <= 0.5 + 1e-6 for other in found[:number])
