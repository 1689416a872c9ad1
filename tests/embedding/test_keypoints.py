"""Local features: spread over the picture, bounded in number, repeatable, and small when stored."""

import hashlib

import numpy as np
import pytest
from detailed import chequered, detailed

from embedding.local.features import FeaturesError, pack, unpack
from embedding.local.keypoints import (
    FACTOR,
    MAX_KEYPOINTS,
    MIN_KEYPOINTS,
    NEGATIVE_FROM,
    PATCH,
    SIDE,
    Detected,
    _corners,
    _described,
    _directions,
    _pyramid,
    _spread,
    detect,
    working_copy,
)

CORNERS = "78f27f602f293a42"  # of blocks(0) to blocks(7)


def blocks(seed):
    """A picture whose corners do not depend on how a machine rounds: blocks of random grey levels."""
    levels = np.random.default_rng((79, seed)).integers(0, 256, (30, 40), dtype=np.uint8)
    return levels.repeat(10, 0).repeat(10, 1)[..., None].repeat(3, 2)


def test_stored_references_have_the_corners_that_are_detected_now():
    """They are not detected again: other corners would need another version of all sets."""
    digest = hashlib.sha256()
    for seed in range(8):
        found = detect(blocks(seed))
        digest.update(np.round(np.column_stack([found.points, found.scales]) * 10_000).astype(np.int32).tobytes())
    assert digest.hexdigest()[:16] == CORNERS


@pytest.mark.parametrize("seed", range(8))
def test_the_picture_s_descriptors_are_those_that_it_has_without_the_negative(seed):
    """One call describes both; each corner by itself."""
    grey = working_copy(detailed(seed))
    found, pyramid = Detected(grey), _pyramid(grey)
    corners = _spread(_corners(pyramid), *grey.shape)
    angles = _directions(pyramid, corners)
    assert np.array_equal(found.keypoints.angles, angles)
    assert np.array_equal(found.keypoints.descriptors, _described(grey, corners, angles))
    assert pack(detect(detailed(seed))) == pack(found.keypoints)


def test_the_negative_has_the_coarse_corners_of_the_picture():
    found = Detected(working_copy(detailed(1)))
    coarse = found.keypoints.scales > PATCH * FACTOR ** (NEGATIVE_FROM - 0.5) / SIDE
    assert MIN_KEYPOINTS < coarse.sum() < len(found.keypoints)
    assert np.array_equal(found.negative.points, found.keypoints.points[coarse])
    assert np.array_equal(found.negative.scales, found.keypoints.scales[coarse])


def test_the_negative_s_keypoints_are_nearly_those_that_are_detected_in_the_inverted_picture():
    """Where two places are equally bright, a comparison is 0 in both pictures: so some bits differ."""
    same_place, bits = [], []
    for seed in range(20):
        grey = working_copy(detailed(seed))
        derived, real = Detected(grey).negative, Detected(255 - grey).keypoints
        apart = np.abs(derived.points[:, None] - real.points[None]).max(2)
        apart += np.abs(derived.scales[:, None] - real.scales[None])
        nearest = apart.argmin(1)
        turned = np.abs((derived.angles - real.angles[nearest] + 180) % 360 - 180)
        same_place += ((apart.min(1) < 1e-4) & (turned < 1)).tolist()
        bits += np.unpackbits(derived.descriptors ^ real.descriptors[nearest], axis=1).sum(1).tolist()
    assert len(bits) > 1_000
    assert np.mean(same_place) > 0.95
    assert np.median(bits) <= 8
    assert np.mean(np.array(bits) <= 20) > 0.9  # of 256; pairs of the check differ in up to 40


def test_the_same_pixels_give_the_same_keypoints():
    assert pack(detect(detailed(1))) == pack(detect(detailed(1).copy()))


def test_positions_are_in_the_picture_in_units_of_its_longest_side():
    found = detect(detailed(2)[:240])
    assert len(found) > MIN_KEYPOINTS
    assert (found.points >= 0).all()
    assert (found.points < (found.width, found.height)).all()
    assert max(found.width, found.height) == 1


def test_a_busy_corner_does_not_take_the_keypoints_of_the_rest():
    quiet = detailed(3).astype(np.float32) * 0.3 + 90
    busy = quiet.copy()
    busy[:120, :160] = np.random.default_rng(5).integers(0, 2, (120, 160, 1)) * 255.0
    found = detect(busy.astype(np.uint8))
    height, width = busy.shape[:2]
    longest = max(height, width)
    inside = (found.points * longest < (160, 120)).all(1).sum()
    assert inside < 0.4 * len(found)


def test_a_picture_at_twice_the_size_has_the_same_keypoints():
    small = detailed(4)
    large = np.repeat(np.repeat(small, 2, 0), 2, 1)
    first, second = detect(small), detect(large)
    distance = np.abs(first.points[:, None] - second.points[None]).max(2).min(1)
    assert (distance < 0.005).mean() > 0.8


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((300, 400, 3), 90, np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((3, 9000, 3), np.uint8),
        np.random.default_rng(0).normal(100, 2, (300, 400, 1)).clip(0, 255).astype(np.uint8).repeat(3, 2),
    ],
    ids=["one colour", "one pixel", "a line", "sensor noise"],
)
def test_a_picture_without_corners_has_no_keypoints(pixels):
    assert len(detect(pixels)) < MIN_KEYPOINTS


def test_thousands_of_repeated_corners_give_no_more_than_the_usual_number_of_keypoints():
    assert MIN_KEYPOINTS < len(detect(chequered())) <= MAX_KEYPOINTS


def test_unpacked_features_equal_the_packed_ones_within_the_documented_rounding():
    found = detect(detailed(6))
    back = unpack(pack(found))
    assert len(pack(found)) <= 20_000
    assert (back.descriptors == found.descriptors).all()
    np.testing.assert_allclose(back.points, found.points, atol=1 / 65_535)
    np.testing.assert_allclose(back.scales, found.scales, rtol=0.012)
    apart = np.abs(back.angles - found.angles)
    assert np.minimum(apart, 360 - apart).max() <= 0.71


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda data: data[:-1], "damaged"),
        (lambda data: data[:3], "no features"),
        (lambda data: b"\x09" + data[1:], "version 9"),
        (lambda data: data[:2] + b"\xff\xff" + data[4:], "damaged"),
    ],
)
def test_features_that_cannot_be_read_say_why(damage, why):
    with pytest.raises(FeaturesError, match=why):
        unpack(damage(pack(detect(detailed(7)))))
