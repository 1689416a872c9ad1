"""Allowed and harmful references in one picture, with real corners: where they lie, and what tells them apart."""

import numpy as np
import pytest
from deciding import NOW, known
from detailed import cropped, detailed, tilted
from PIL import Image, ImageDraw, ImageFont

from embedding.local.keypoints import detect
from embedding.look import Look, View
from matcher.candidates import candidates
from matcher.decide import decide
from matcher.keypoint_cache import Stored
from matcher.levels import Compared
from matcher.search import Near
from reference_sets.model import Kind, Neighbour, Verify

BAD, GOOD, OTHER = detailed(11), detailed(12), detailed(13)
TURNED = (False, True)


def decision(pixels, harmful, allowed):
    """The decision on a picture that is near all references, and near their mirror images."""
    near = []
    for name, kind, pictures in (("bad", Kind.HARMFUL, harmful), ("good", Kind.ALLOW, allowed)):
        rules = known(name, kind, verify=Verify.REQUIRED)
        neighbours = [
            Neighbour(f"id{number}", "", 0.95, turned) for number in range(len(pictures)) for turned in TURNED
        ]
        both = (each[:, ::-1] if turned else each for each in pictures for turned in TURNED)
        stored = {
            (one.id, one.mirrored): Stored(detect(np.ascontiguousarray(each)))
            for one, each in zip(neighbours, both, strict=True)
        }
        near.append(Near(rules, (neighbours, []), stored))
    found = candidates(Look(View({"pdq:0": np.zeros(2, np.float32)}, detect(pixels))), near)
    compared = [Compared(each.set, listed) for each, listed in zip(near, found, strict=True)]
    return decide(compared, judged_at=NOW)


def marked(pixels, at=(120, 200), side=28):
    made = pixels.copy()
    top, left = at
    made[top : top + side, left : left + side] = 0
    made[top + side // 4 : top + side // 2, left + side // 4 : left + 3 * side // 4] = 255
    return made


def beside(left, right):
    height = min(left.shape[0], right.shape[0])
    return np.concatenate([left[:height], right[:height]], 1)


def inset(large, small, top, left):
    made = np.repeat(np.repeat(large, 2, 0), 2, 1)
    made[top : top + small.shape[0], left : left + small.shape[1]] = small
    return made


@pytest.mark.parametrize(
    "picture",
    [
        beside(GOOD, BAD),
        beside(BAD, GOOD),
        beside(np.repeat(np.repeat(GOOD, 2, 0), 2, 1)[:360], BAD),
        inset(GOOD, BAD, 100, 150),
    ],
    ids=["allowed left", "allowed right", "allowed larger", "on an allowed one"],
)
def test_an_allowed_picture_beside_or_below_a_harmful_one_does_not_veto_it(picture):
    assert decision(picture, [BAD], [GOOD]).decision in ("block", "review")


@pytest.mark.parametrize("edit", [lambda it: it, lambda it: it[::2, ::2], lambda it: cropped(it, 0.1, 0.0, 1.0, 0.9)])
def test_a_small_mark_tells_a_harmful_picture_from_its_allowed_twin(edit):
    with_mark, without = np.ascontiguousarray(edit(marked(BAD))), np.ascontiguousarray(edit(BAD))
    assert decision(with_mark, [marked(BAD)], [BAD]).decision in ("block", "review")
    assert decision(without, [marked(BAD)], [BAD]).decision == "allow"
    # and the other way round: here the plain one is harmful, and the marked one allowed
    assert decision(with_mark, [BAD], [marked(BAD)]).decision == "allow"
    assert decision(without, [BAD], [marked(BAD)]).decision in ("block", "review")


@pytest.mark.parametrize("share", [0.2, 0.3, 0.4])
@pytest.mark.parametrize("seed", [11, 31])
def test_a_small_mark_tells_a_tilted_harmful_picture_from_its_allowed_twin(share, seed):
    plain, with_mark = detailed(seed), marked(detailed(seed), side=36)
    assert decision(tilted(with_mark, share)[0], [with_mark], [plain]).decision == "block"
    assert decision(tilted(plain, share)[0], [with_mark], [plain]).decision == "allow"


def card():
    """Lettering in a frame, which looks the same in a mirror."""
    image = Image.new("RGB", (900, 600), (200, 230, 210))
    draw = ImageDraw.Draw(image)
    for line, text in enumerate(("Garden club", "meets on Tuesdays", "bring a spade")):
        draw.text((80, 80 + 150 * line), text, "darkgreen", ImageFont.load_default(70 - 10 * line))
    draw.rectangle((20, 20, 880, 580), outline="darkgreen", width=4)
    return np.asarray(image)


def test_an_allowed_picture_is_told_apart_as_it_lies_there_although_its_mirror_image_lies_there_too():
    harmful = marked(card(), (400, 600), 60)
    assert decision(card(), [harmful], [card()]).decision == "allow"
    assert decision(harmful, [harmful], [card()]).decision == "block"


def test_one_harmful_twin_that_an_allowed_picture_vetoes_does_not_hide_the_next():
    places = [(40, 60), (120, 200), (220, 330), (60, 380), (250, 90)]
    twins = [marked(BAD, at) for at in places]
    for twin in twins:
        assert decision(twin, twins, [OTHER, BAD]).decision == "block"
    assert decision(BAD, twins, [OTHER, BAD]).decision == "allow"


def test_the_same_picture_in_both_sets_is_for_a_person():
    outcome = decision(BAD, [BAD], [BAD])
    assert (outcome.decision, outcome.matches[0].capped_by) == ("review", ("allowed",))


def test_an_allowed_picture_that_contains_a_harmful_one_vetoes_it_there_and_nowhere_else():
    page = beside(GOOD, BAD)
    assert decision(page, [BAD], [page]).decision in ("allow", "review")
    assert decision(BAD, [BAD], [page]).decision in ("block", "review")
    assert decision(beside(OTHER, BAD), [BAD], [page]).decision in ("block", "review")
