"""What a picture shares with references that contradict it elsewhere is no evidence: chats of one app, frames."""

import time

import cv2
import numpy as np
import pytest
from detailed import captioned, detailed

from embedding.local.keypoints import detect
from harness.documents import chat, letter
from matcher.check.common import check, without_common
from matcher.check.weigh import place
from reference_sets.model import CHECK

KNOWN = 12


def corners(page):
    return detect(np.asarray(page))


def scores(picture, references):
    return [0.0 if found is None else found.score for found in check(picture, references)]


def recompressed(page):
    return cv2.imdecode(cv2.imencode(".jpg", np.asarray(page), [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR)


def grainy(pixels, seed, grain):
    noise = np.random.default_rng(seed).normal(0, 1.6 * grain, pixels.shape[:2])
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) + cv2.GaussianBlur(noise, (0, 0), 0.8)
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, 2)


@pytest.fixture(scope="module", params=[chat, letter], ids=["chats", "letters"])
def pages(request):
    """Draws pages with one frame; and the corners of those that are known."""
    return request.param, [corners(request.param(number)) for number in range(KNOWN)]


@pytest.mark.parametrize("stranger", range(50, 60))
def test_a_strangers_page_is_no_match_among_pages_of_the_same_kind(pages, stranger):
    draw, known = pages
    assert max(scores(corners(draw(stranger)), known)) < CHECK.review


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("edit", [np.asarray, recompressed, lambda page: np.asarray(page.resize((360, 640)))])
def test_a_copy_of_a_page_is_a_match_among_pages_of_the_same_kind(pages, number, edit):
    draw, known = pages
    found = scores(detect(np.ascontiguousarray(edit(draw(number)))), known)
    assert found[number] == max(found) >= CHECK.block


def test_two_versions_of_a_picture_in_a_set_do_not_cancel_each_other():
    picture = detailed(520)
    height, width = picture.shape[:2]
    over = picture.copy()
    over[: height // 2, : width // 2] = cv2.resize(detailed(521), (width // 2, height // 2))
    versions = [picture, over, captioned(picture, 3), recompressed(picture)]
    half = detect(np.ascontiguousarray(picture[:, : 2 * width // 3]))
    alone = scores(half, [detect(picture)])[0]
    assert scores(half, [detect(each) for each in versions])[0] == pytest.approx(alone, abs=0.02)


@pytest.mark.parametrize(("seed", "grain"), [(521, 60), (522, 60), (522, 80)])
def test_grainy_versions_of_a_picture_in_a_set_do_not_hide_a_further_one(seed, grain):
    picture = detailed(seed)
    copy = detect(grainy(picture, 1, grain))
    versions = [detect(picture), *(detect(grainy(picture, other, grain)) for other in (2, 3, 4))]
    found, alone = scores(copy, versions), [scores(copy, [each])[0] for each in versions]
    assert found[:2] == pytest.approx(alone[:2], abs=0.02)


def test_the_time_grows_with_the_number_of_sets_and_not_with_its_square():
    picture, known = corners(chat(60)), [corners(chat(number)) for number in range(8)]

    def seconds(sets):
        placed = [place(picture, dict(enumerate(known)))] * sets
        started = time.process_time()
        without_common(picture, placed)
        return time.process_time() - started

    few, many = min(seconds(2) for _ in range(3)), seconds(16)
    assert many < 24 * few  # 8 times as many sets; 64 times as many pairs of references


def test_the_order_of_sets_and_references_does_not_matter():
    picture = detect(captioned(detailed(530), 1))
    frames = [detect(captioned(detailed(seed), 1)) for seed in range(531, 537)]
    sets = [dict(enumerate(frames[:3])), dict(enumerate(frames[3:]))]
    first, second = without_common(picture, [place(picture, each) for each in sets])
    turned_second, turned_first = without_common(picture, [place(picture, each) for each in reversed(sets)])
    for one, other in ((first, turned_first), (second, turned_second)):
        assert {index: found.score for index, found in one.items()} == {
            index: found.score for index, found in other.items()
        }
    assert scores(picture, frames) == scores(picture, frames[::-1])[::-1]
