"""Where a copy differs from its reference, and what collages with parts of a reference do to its copies."""

import cv2
import numpy as np
import pytest
from detailed import captioned, cropped, detailed, turned

from embedding.local.keypoints import detect
from matcher.check.common import check
from reference_sets.model import CHECK

WORDS = ("LAMP", "RIVER", "SEVEN", "NORTH", "CLOUD", "PAPER", "STONE", "GREEN", "MUSIC", "TRAIN", "HOUSE", "WINTER")


def entries(seed):
    """A form with a letterhead and labels, the same for each seed, and entries of its own."""
    rng = np.random.default_rng(seed)
    made = np.full((900, 700, 3), 248, np.uint8)
    made[:110] = (30, 90, 60)
    cv2.putText(made, "NORTHERN TRANSIT", (40, 75), cv2.FONT_HERSHEY_DUPLEX, 1.8, (255, 255, 255), 2, cv2.LINE_AA)
    for line in range(8):
        written(
            made, ("NAME", "STREET", "ROUTE", "ISSUED", "CARD", "PAID", "NUMBER", "STATE")[line], 40, 180 + 85 * line
        )
        text = f"{rng.choice(WORDS)} {rng.choice(WORDS)} {rng.integers(10, 999)}"
        written(made, text, 260, 180 + 85 * line)
    return made


def invoice(seed):
    """An invoice of which half differs from seed to seed: a letterhead, lines, and eight rows of entries."""
    rng = np.random.default_rng(seed)
    made = np.full((1100, 850, 3), 255, np.uint8)
    cv2.putText(made, "NORTHWIND SUPPLIES", (50, 80), cv2.FONT_HERSHEY_DUPLEX, 1.6, (140, 70, 0), 3, cv2.LINE_AA)
    written(made, f"{rng.choice(WORDS)} {rng.choice(WORDS)} {rng.integers(1000, 99999)}", 50, 200)
    made[250:300, 50:800] = (140, 70, 0)
    for row in range(8):
        down = 360 + 80 * row
        written(made, f"{rng.choice(WORDS)} {rng.choice(WORDS)}", 60, down)
        written(made, f"{rng.integers(1, 20)}", 430, down)
        written(made, f"{rng.integers(2, 300)}.{rng.integers(10, 99)}", 520, down)
        written(made, f"{rng.integers(2, 6000)}.00", 680, down)
        cv2.line(made, (50, down + 25), (800, down + 25), (210, 210, 210), 2)
    written(made, "Payable within 30 days. Thank you.", 50, 1050)
    return made


def lettered(pixels, seed):
    """The picture with words over it that depend on the seed."""
    rng = np.random.default_rng(seed)
    made = pixels.copy()
    for down in (0.14, 0.95):
        text = " ".join(rng.choice(WORDS, 3, replace=False))
        size = 0.9 * made.shape[1] / cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, 1, 4)[0][0]
        place = round(0.04 * made.shape[1]), round(down * made.shape[0])
        cv2.putText(made, text, place, cv2.FONT_HERSHEY_DUPLEX, size, (0, 0, 0), 10, cv2.LINE_AA)
        cv2.putText(made, text, place, cv2.FONT_HERSHEY_DUPLEX, size, (255, 255, 255), 3, cv2.LINE_AA)
    return made


def written(pixels, text, left, down):
    cv2.putText(pixels, text, (left, down), cv2.FONT_HERSHEY_DUPLEX, 1.1, (20, 20, 20), 2, cv2.LINE_AA)


def recompressed(pixels):
    coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 70])[1]
    return cv2.imdecode(coded, cv2.IMREAD_COLOR)


def only(picture, reference):
    return check(detect(np.ascontiguousarray(picture)), [detect(reference)])[0]


@pytest.mark.parametrize("seed", range(4))
def test_another_persons_form_differs_and_a_copy_of_the_form_does_not(seed):
    for other in range(13, 16):
        found = only(entries(other), entries(seed))
        assert found.score >= CHECK.block  # as high as a copy's: only the differences tell
        assert found.differs
        assert all(left >= 0.2 for left, *_ in found.differs)  # the labels are the same
    copy = only(recompressed(entries(seed)), entries(seed))
    assert (copy.score >= CHECK.block, copy.differs) == (True, ())


@pytest.mark.parametrize("other", range(20, 32))
def test_a_form_of_which_half_differs_differs(other):
    found = only(invoice(other), invoice(7))
    assert found is None or found.score < CHECK.block or found.differs
    copy = only(recompressed(invoice(other)), invoice(other))
    assert (copy.score >= CHECK.block, copy.differs) == (True, ())


@pytest.mark.parametrize("seed", range(300, 304))
def test_other_words_on_the_same_picture_differ_where_the_words_are(seed):
    picture = detailed(seed)
    found = only(lettered(picture, 2), lettered(picture, 1))
    assert found.score >= CHECK.review
    assert found.differs
    for _, top, _, bottom in found.differs:
        assert bottom < 0.4 or top > 0.6
    assert only(recompressed(lettered(picture, 1)), lettered(picture, 1)).differs == ()


@pytest.mark.parametrize(
    "edit",
    [
        recompressed,
        lambda pixels: pixels[::2, ::2],
        lambda pixels: cropped(pixels, 0.2, 0.1, 0.9, 0.8),
        np.rot90,
        lambda pixels: turned(pixels, 17),
        lambda pixels: captioned(pixels, 3),
        lambda pixels: np.pad(pixels, ((80, 80), (120, 30), (0, 0)), constant_values=200),
        lambda pixels: (pixels * 0.5 + 30).astype(np.uint8),
    ],
    ids=["recompressed", "half the size", "crop", "quarter turn", "turn", "caption", "padding", "dimmer"],
)
def test_an_edit_of_the_whole_picture_leaves_no_part_that_differs(edit):
    for seed in range(310, 314):
        assert only(edit(detailed(seed)), detailed(seed)).differs == ()


def test_a_picture_over_a_known_one_differs_there():
    original, other = detailed(320), detailed(321)
    height, width = original.shape[:2]
    original[: height // 2, : width // 2] = cv2.resize(other, (width // 2, height // 2))
    found = only(original, detailed(320))
    left, top, right, bottom = found.differs[0]
    assert (left + right) / 2 < 0.5
    assert (top + bottom) / 2 < 0.5
    assert found.score >= CHECK.review


@pytest.mark.parametrize("halves", [2, 4])
def test_collages_with_halves_of_a_picture_do_not_hide_its_crops(halves):
    original = detailed(330)
    height, width = original.shape[:2]
    places = (np.s_[:, : width // 2], np.s_[:, width // 2 :], np.s_[: height // 2], np.s_[height // 2 :])
    collages = []
    for number, place in enumerate(places[:halves]):
        made = cv2.resize(detailed(331 + number), (width, height))
        made[place] = original[place]
        collages.append(made)
    for left, top in ((0, 0), (0.2, 0.2), (0.1, 0.0)):
        crop = detect(cropped(original, left, top, left + 0.78, top + 0.78))
        found = check(crop, [detect(one) for one in (*collages, original)])
        assert found[-1].score >= CHECK.block
        assert found[-1].distinctive == check(crop, [detect(original)])[0].distinctive
