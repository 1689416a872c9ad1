"""The evidence by places: spread evenly or not, against chance, and for identical pictures."""

import time

import cv2
import numpy as np
import pytest
from detailed import captioned, chequered, detailed

from embedding.local.features import pack, unpack
from embedding.local.keypoints import MIN_KEYPOINTS, detect
from harness.documents import chat, logo
from matcher.check.cells import Cells
from matcher.check.common import check
from matcher.check.weigh import score_of
from reference_sets.model import CHECK

ALL = np.ones((8, 8), np.bool_)
# The cells of an 8 x 8 grid in an order in which each beginning is spread as evenly as it can be: for each scale from
# coarse to fine, one of four (Bayer's matrix).
_BAYER = np.array([[0, 2], [3, 1]])
_BAYER = np.block([[4 * _BAYER, 4 * _BAYER + 2], [4 * _BAYER + 3, 4 * _BAYER + 1]])
EVENLY = np.argsort(np.block([[4 * _BAYER, 4 * _BAYER + 2], [4 * _BAYER + 3, 4 * _BAYER + 1]]).ravel())
STRIP = np.arange(64)


def seen(agreeing, own=ALL, distinctive=None):
    """Cells of which those with these numbers agree."""
    agree = np.zeros(64, np.bool_)
    agree[list(agreeing)] = True
    agree = agree.reshape(8, 8) & own
    return Cells(own, own, agree, agree if distinctive is None else agree & distinctive)


def lettered(text, size=1.4):
    made = np.full((600, 800, 3), 255, np.uint8)
    for line in range(8):
        place = 20, 60 + 70 * line
        cv2.putText(made, (text * 26)[:26], place, cv2.FONT_HERSHEY_DUPLEX, size, (0, 0, 0), 2, cv2.LINE_AA)
    return made


def word(text):
    made = np.full((400, 600, 3), 255, np.uint8)
    cv2.putText(made, text, (80, 220), cv2.FONT_HERSHEY_DUPLEX, 3, (0, 0, 0), 4, cv2.LINE_AA)
    return made


def bricks(height):
    made = np.full((600, 800, 3), (170, 70, 60), np.uint8)
    for row, top in enumerate(range(0, 600, height)):
        cv2.line(made, (0, top), (800, top), (200, 200, 200), 3)
        for left in range(row % 2 * height, 800, 2 * height):
            cv2.line(made, (left, top), (left, top + height), (200, 200, 200), 3)
    return made


@pytest.mark.parametrize("number", [12, 16, 24, 32])
def test_evenly_spread_cells_are_worth_more_than_the_same_number_in_one_strip(number):
    evenly, strip = seen(EVENLY[:number]), seen(STRIP[:number])
    assert evenly.share == strip.share
    assert score_of(evenly.evidence) > score_of(strip.evidence) + 0.1


def test_one_and_a_half_rows_of_cells_are_no_copy_and_two_rows_evenly_spread_are_one():
    assert score_of(seen(STRIP[:12]).evidence) < CHECK.review
    assert score_of(seen(EVENLY[:16]).evidence) >= CHECK.block


@pytest.mark.parametrize("agreeing", [EVENLY, STRIP])
def test_no_more_agreeing_cells_than_by_chance_are_no_evidence(agreeing):
    assert seen(agreeing[:4]).evidence == 0
    assert seen(()).evidence == 0
    assert seen((), np.zeros((8, 8), np.bool_)).evidence == 0


def test_nothing_contradicts_and_all_agrees_is_the_most():
    assert seen(range(64)).evidence == 60
    assert score_of(60.0, 1.0) == 1.0


@pytest.mark.parametrize("order", [EVENLY, EVENLY[::-1], STRIP])
def test_one_more_agreeing_cell_never_lowers_the_score_if_all_are_spread_as_before(order):
    scores = [score_of(seen(order[:number]).evidence) for number in range(65)]
    # Not all numbers of cells can be spread equally evenly: that costs up to 0.02.
    assert all(score >= max(scores[:number], default=0) - 0.02 for number, score in enumerate(scores))
    assert scores[-1] == max(scores)


@pytest.mark.parametrize("seed", range(20))
def test_one_more_distinctive_cell_never_lowers_the_evidence_and_scores_are_0_to_1(seed):
    rng = np.random.default_rng(seed)
    own, agreeing = rng.random((8, 8)) < rng.uniform(0.3, 1), np.flatnonzero(rng.random(64) < rng.random())
    distinctive = np.zeros(64, np.bool_)
    less = 0.0
    for cell in rng.permutation(64):
        distinctive[cell] = True
        evidence = seen(agreeing, own, distinctive.reshape(8, 8)).evidence
        assert 0 <= less <= evidence <= 60
        assert 0 <= score_of(less) <= score_of(evidence) <= score_of(evidence, 0.5) <= score_of(evidence, 1.0) <= 1
        less = evidence


@pytest.mark.parametrize("text", range(2, 8))
def test_a_caption_on_a_plain_ground_has_a_score_below_that_of_what_can_be_no_frame(text):
    frame = np.full((260, 480, 3), 128, np.uint8)
    (found,) = check(detect(captioned(frame, text)), [detect(captioned(detailed(90), text))])
    assert found is None or found.score < 0.55


@pytest.mark.parametrize(
    "picture",
    [
        *(detailed(seed) for seed in range(500, 506)),
        lettered("A"),
        lettered("AB"),
        lettered("LOREM IPSUM "),
        word("Hi"),
        word("HELLO"),
        bricks(30),
        chequered(),
        np.asarray(chat(3)),
        np.asarray(logo(3)),
    ],
    ids=[*"abcdef", "one letter", "two letters", "text", "short word", "word", "bricks", "squares", "chat", "logo"],
)
def test_identical_pictures_have_the_score_1_however_poor_they_are(picture):
    corners = detect(picture)
    assert len(corners) >= MIN_KEYPOINTS
    (found,) = check(corners, [unpack(pack(corners))])  # as it is stored
    assert found.score == 1.0


def test_the_same_pictures_have_the_same_score_each_time():
    known = [detect(detailed(seed)) for seed in range(510, 516)]
    picture = captioned(detailed(512), 1)
    scores = [[one and one.score for one in check(detect(picture), known)] for _ in range(3)]
    assert scores[0] == scores[1] == scores[2]


@pytest.mark.parametrize(
    "pictures",
    [
        [lettered(chr(65 + number) + "O", 1.4 + number / 200) for number in range(100)],
        [bricks(24 + number // 4) for number in range(100)],
    ],
    ids=["text", "bricks"],
)
def test_a_picture_of_repeated_corners_takes_no_longer_among_100_like_it_than_a_second(pictures):
    known = [detect(each) for each in pictures]
    started = time.process_time()
    check(detect(pictures[50]), known)
    assert time.process_time() - started < 1.0
