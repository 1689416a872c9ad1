"""The edits that people make to pictures, and generated documents."""

from random import Random

import numpy as np
import pytest
from detailed import detailed
from PIL import Image, ImageChops
from run import SEED

from benchmarks.copies_documents import EDITS as OF_DOCUMENTS
from benchmarks.copies_documents import KINDS
from embedding.local.keypoints import detect
from harness.edits import FAMILIES, HARD, OTHERS, PHONE
from harness.screens import tilted
from matcher.check.common import check

ALL = list(dict.fromkeys(edit for family in (*FAMILIES.values(), *OF_DOCUMENTS.values()) for edit in family))


def mosaic(seed):
    """A picture full of corners that is quick to make."""
    tiles = np.random.default_rng((79, seed)).integers(0, 256, (18, 24, 3), dtype=np.uint8)
    return Image.fromarray(tiles).resize((288, 216), Image.Resampling.NEAREST)


OTHER = [mosaic(SEED + number) for number in range(OTHERS)]


@pytest.mark.parametrize("edit", ALL, ids=lambda edit: edit.name)
def test_an_edit_depends_on_its_seed_only_and_does_not_change_the_original(edit):
    original = Image.fromarray(detailed(1))
    before = original.tobytes()
    edited, again = (edit.apply(original, SEED, *OTHER) for _ in range(2))
    assert edited.mode == "RGB"
    assert edited.size == again.size
    assert edited.tobytes() == again.tobytes()
    assert edited.tobytes() != before
    assert original.tobytes() == before


@pytest.mark.parametrize("edit", ALL, ids=lambda edit: edit.name)
@pytest.mark.parametrize("size", [(64, 1024), (1024, 64), (64, 64)])
def test_an_edit_works_on_the_smallest_and_the_longest_pictures(edit, size):
    others = [each.resize(size[::-1]) for each in OTHER]
    assert min(edit.apply(mosaic(1).resize(size), SEED, *others).size) >= 8


def test_the_hard_edits_are_the_same_as_for_the_figures_in_the_docs():
    page, other = Image.new("RGB", (400, 300)), Image.new("RGB", (320, 320))
    sizes = {edit.name: [edit.apply(page, seed, other).size for seed in (0, 1, 2)] for edit in HARD}
    same = {name for name, of in sizes.items() if set(of) == {page.size}}
    assert same == {"recompressed", "mirrored", "colours", "grey", "blurred", "noise", "text over it", "sticker"}
    assert {name: of for name, of in sizes.items() if name not in same} == {
        "shrunk": [(91, 68), (123, 92), (95, 71)],
        "stretched": [(570, 300), (247, 300), (280, 300)],
        "cropped": [(354, 266), (333, 250), (290, 217)],
        "hard crop": [(185, 139), (232, 174), (225, 169)],
        "quarter turn": [(300, 400)] * 3,
        "small turn": [(456, 380), (470, 404), (452, 372)],
        "caption": [(400, 412), (400, 396), (400, 386)],
        "padding": [(467, 382), (601, 458), (582, 439)],
        "pasted in": [(640, 480)] * 3,
        "screenshot": [(540, 805)] * 3,
        "combination": [(316, 237), (309, 232), (306, 230)],
    }


@pytest.mark.parametrize(
    ("name", "share"), [("in a picture, 25 %", 0.25), ("in a picture, 6 %", 0.06), ("desktop, 16 %", 0.16)]
)
def test_a_picture_on_another_one_has_the_share_of_it_that_the_name_says(name, share):
    (edit,) = (each for each in PHONE if each.name == name)
    edited = edit.apply(Image.new("RGB", (400, 300), (254, 2, 3)), SEED, *OTHER)
    covered = (np.asarray(edited) == (254, 2, 3)).all(-1)
    assert covered.mean() == pytest.approx(share, rel=0.03)


def test_a_tilted_picture_lies_where_its_corners_were_moved_and_not_mirrored():
    original = Image.fromarray(detailed(2))
    for seed in range(6):  # from all sides
        edited = tilted((0.1, 0.1))(original, Random(seed))
        (found,) = check(detect(np.array(edited)), [detect(np.array(original))])
        assert found is not None
        assert found.score > 0.6


def test_a_mottle_changes_brightness_by_about_the_grey_levels_that_its_name_says():
    (edit,) = (each for each in FAMILIES["everyday"] if each.name == "mottle of 14")
    grey = Image.new("RGB", (480, 360), (128, 128, 128))
    values = np.asarray(edit.apply(grey, SEED), np.float32) - 128
    assert (values == values[..., :1]).all()
    assert 10 < values.std() < 15
    assert np.abs(values.mean()) < 2


@pytest.mark.parametrize("kind", KINDS)
def test_documents_of_a_kind_depend_on_their_number_and_share_a_look(kind):
    first, again, other = (KINDS[kind](number) for number in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert first.size == other.size
    assert ImageChops.difference(first, other).getbbox() is not None
    assert len(detect(np.array(first))) >= 12
