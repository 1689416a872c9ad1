"""The geometric check on drawn pictures: copies are found and located, and shared frames are not copies."""

import numpy as np
import pytest
from detailed import captioned, chequered, cropped, detailed, turned

from embedding.local.keypoints import DESCRIPTOR_BYTES, MAX_KEYPOINTS, Keypoints, detect
from matcher.check.align import align
from matcher.check.common import check
from matcher.check.propose import MOST_ALIGNED, alike, promising
from matcher.check.weigh import evidence_of, score_of
from matcher.evidence import WHOLE, visible
from reference_sets.model import CHECK


def only(picture, reference):
    return check(detect(picture), [detect(reference)])[0]


@pytest.mark.parametrize(
    "edit",
    [
        lambda pixels: pixels,
        lambda pixels: pixels[::2, ::2],
        lambda pixels: cropped(pixels, 0.2, 0.1, 0.9, 0.8),
        np.rot90,
        lambda pixels: turned(pixels, 17),
        lambda pixels: np.pad(pixels, ((80, 80), (120, 30), (0, 0)), constant_values=200),
        lambda pixels: (pixels * 0.5 + 30).astype(np.uint8),
        lambda pixels: np.repeat(pixels.mean(2, keepdims=True).astype(np.uint8), 3, 2),
    ],
    ids=["the same", "half the size", "crop", "quarter turn", "turn", "padding", "dimmer", "grey"],
)
def test_an_edited_copy_reaches_the_block_threshold(edit):
    original = detailed(11)
    found = only(np.ascontiguousarray(edit(original)), original)
    assert found.score >= CHECK.block
    assert found.share > 0.5


def test_unrelated_pictures_stay_below_the_review_threshold():
    queries = [detect(detailed(seed)) for seed in range(20, 40)]
    known = [detect(detailed(seed)) for seed in range(40, 70)]
    scores = [found.score for query in queries for found in check(query, known) if found]
    assert max(scores, default=0) < CHECK.review


def test_the_region_is_where_the_known_picture_is():
    original = detailed(12)
    height, width = original.shape[:2]
    canvas = detailed(13)[:, :]
    canvas = np.repeat(np.repeat(canvas, 2, 0), 2, 1)
    canvas[100 : 100 + height, 60 : 60 + width] = original
    found = only(canvas, original)
    expected = np.array([(60, 100), (60 + width, 100), (60 + width, 100 + height), (60, 100 + height)])
    np.testing.assert_allclose(np.array(found.region) * (canvas.shape[1], canvas.shape[0]), expected, atol=6)
    assert found.coverage > 0.98


def test_a_reference_that_fills_the_picture_almost_exactly_is_visible():
    # Of an exact copy, for which cv2.intersectConvexConvex finds nothing in common.
    almost = (
        (1.3113021850585938e-06, 2.2564615522112168e-06),
        (1.0000007152557373, 9.60333587889701e-07),
        (0.9999988675117493, 0.9999900204794748),
        (-4.5555373162642354e-07, 0.9999913828713554),
    )
    assert visible(almost) > 0.9999
    assert visible(WHOLE) == 1.0
    assert visible(tuple((x + 0.5, 1 - y / 2) for x, y in WHOLE)) == pytest.approx(0.5)
    assert visible(tuple((x + 2, y) for x, y in WHOLE)) == 0.0
    assert visible(((0, 0), (1, 1), (1, 1), (0, 0))) == 0.0


def test_the_coverage_of_a_crop_is_the_share_of_the_reference_that_it_shows():
    original = detailed(14)
    found = only(cropped(original, 0.0, 0.0, 0.5, 1.0), original)
    assert found.coverage == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(found.back, ((0, 0), (0.5, 0), (0.5, 1), (0, 1)), atol=0.03)


def test_matched_points_lie_where_the_map_puts_them():
    original = detailed(15)
    found = only(original, original)
    np.testing.assert_allclose(found.pairs[:, :2], found.pairs[:, 2:], atol=0.02)
    assert len(found.pairs) == found.inliers


def test_a_mirrored_copy_is_refused_unless_the_reference_is_mirrored():
    original = detailed(16)
    mirrored = np.ascontiguousarray(original[:, ::-1])
    straight = only(mirrored, original)
    assert straight is None or straight.score < CHECK.review
    assert only(mirrored, mirrored).score >= CHECK.block


def test_two_pictures_with_the_same_caption_share_corners_but_are_not_copies():
    first, second = captioned(detailed(17), 1), captioned(detailed(18), 1)
    found = only(first, second)
    assert found.inliers >= 10  # enough to be mistaken for copies
    assert found.score < CHECK.review
    assert found.share < 0.5


def test_a_copy_below_a_shared_caption_is_still_found():
    original = detailed(17)
    others = [captioned(detailed(seed), 1) for seed in range(80, 84)]
    found = check(detect(captioned(original, 1)), [detect(one) for one in (*others, original)])
    assert found[-1].score >= CHECK.block
    assert found[-1].distinctive > 0.9
    assert all(one is None or one.score < CHECK.review for one in found[:-1])


@pytest.mark.parametrize("text", range(2, 8))
def test_a_caption_on_a_plain_ground_is_never_a_block_although_nothing_contradicts_it(text):
    frame = np.full((260, 480, 3), 128, np.uint8)
    found = only(captioned(frame, text), captioned(detailed(90), text))
    assert CHECK.review < found.score < CHECK.block


def test_corners_that_several_references_share_do_not_count():
    query = detect(captioned(detailed(17), 1))
    frames = [detect(captioned(detailed(seed), 1)) for seed in range(90, 94)]
    alone = check(query, frames[:1])[0]
    together = check(query, frames)[0]
    assert alone.distinctive > 0.9  # nothing is shared with another reference; few letters recur
    assert together.distinctive < 0.3
    assert together.score < 0.3 * alone.score


@pytest.mark.parametrize("evidence", [0.0, 1.0, 4.0, 60.0])
def test_the_evidence_can_be_computed_from_the_score(evidence):
    assert evidence_of(score_of(evidence)) == pytest.approx(evidence)
    assert score_of(4.0) == 0.5


def test_the_work_on_repeated_corners_is_bounded():
    board = detect(chequered())
    many = [detect(chequered(800, square)) for square in range(7, 17)] * 5
    descriptors = np.concatenate([one.descriptors for one in many])
    owners = np.repeat(np.arange(len(many)), [len(one) for one in many])
    ours, theirs = alike(board.descriptors, descriptors, owners)
    assert len(np.unique(theirs)) == len(theirs) <= len(descriptors)  # a corner of a reference is proposed once
    pairs = np.unique(owners[theirs] * MAX_KEYPOINTS + ours)
    assert len(pairs) == len(ours)  # a corner of the picture is proposed once per reference
    assert len(promising(board, many)) <= MOST_ALIGNED
    assert len(check(board, many)) == len(many)


def test_only_the_references_with_the_most_agreeing_pairs_are_aligned():
    picture = detect(detailed(19))
    some = Keypoints(  # a quarter of its corners
        *(values[::4] for values in (picture.points, picture.descriptors, picture.angles, picture.scales)), 1.0, 0.75
    )
    proposed = promising(picture, [some] * MOST_ALIGNED + [picture] * 2)
    assert len(proposed) == MOST_ALIGNED
    assert proposed[:2] == [MOST_ALIGNED, MOST_ALIGNED + 1]
    found = check(picture, [some] * (2 * MOST_ALIGNED))
    assert sum(one is not None for one in found) <= MOST_ALIGNED


def test_identical_descriptors_everywhere_do_not_match():
    rng = np.random.default_rng(3)
    same = np.tile(rng.integers(0, 256, DESCRIPTOR_BYTES, np.uint8), (MAX_KEYPOINTS, 1))

    def scattered():
        points = rng.random((MAX_KEYPOINTS, 2), np.float32) * np.float32(0.99)
        return Keypoints(
            points, same, rng.random(MAX_KEYPOINTS, np.float32) * 360, np.full(MAX_KEYPOINTS, 0.1, np.float32), 1.0, 1.0
        )

    found = check(scattered(), [scattered() for _ in range(50)])
    assert all(one is None or one.score < CHECK.review for one in found)


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_references_with_hardly_any_corners_raise_no_error(number):
    full = detect(detailed(19))
    few = Keypoints(
        full.points[:number], full.descriptors[:number], full.angles[:number], full.scales[:number], 1.0, full.height
    )
    assert check(full, [few]) == [None]
    assert check(few, [full]) == [None]
    assert check(full, []) == []


def test_an_implausible_map_is_refused():
    full = detect(detailed(19))
    flattened = Keypoints(
        full.points * np.float32((1.0, 0.05)), full.descriptors, full.angles, full.scales, 1.0, full.height
    )
    assert align(flattened, full) is None
