"""Pictures in pictures, from file to verdict: where they lie, which of them are allowed, and what is searched."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from detailed import detailed
from judging import image, judge
from ready import Ready

from embedding.choose import choose
from embedding.local.features import pack
from embedding.look import look, look_closely
from embedding.picture import Needs
from embedding.probe import probe_vector
from harness.documents import chat, letter
from matcher.search import Searcher
from reference_sets.in_force import SetsInForce, fits
from reference_sets.model import Kind, Mirrored, Part, Reference, ReferenceSet, Thresholds, Verify
from reference_sets.restrict import set_state
from reference_sets.store import Store

WORDS = choose("words")
SEEDS = range(200, 212)
STORED, QUERIED, SUPPORTS, OFF = "stored", "queried", "supports", "off"
PAGES, FRAMES, WRITTEN = "pages", "frames", "written"


def flipped(pixels):
    return np.ascontiguousarray(pixels[:, ::-1])


def sized(pixels, width, height):
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)


def page(ground, inset=None):
    """A picture of 1,000 x 750 on which another one of 450 x 340 lies."""
    made = cv2.resize(detailed(ground), (1000, 750), interpolation=cv2.INTER_CUBIC)
    if inset is not None:
        made[250:590, 300:750] = sized(inset, 450, 340)
    return made


def with_picture(written, inset):
    """A page of text with the middle of a picture on a small part of it."""
    made = np.array(written(1).convert("RGB"))
    height, width = made.shape[:2]
    wide = width * 3 // 10
    high, left, top = wide * 3 // 4, (width - wide) // 2, height // 3
    made[top : top + high, left : left + wide] = sized(inset, wide, high * 4 // 3)[high // 6 :][:high]
    return made


REGION = np.array([(0.3, 250 / 750), (0.75, 250 / 750), (0.75, 590 / 750), (0.3, 590 / 750)])


def part(pixels):
    (made,) = look([WORDS], [pixels], Needs(keypoints=True))
    return Part(tuple(made.view.vectors[WORDS.fingerprint].tolist()), pack(made.view.keypoints))


def add(store, name, pictures, **rules):
    verify, mirrored = rules.pop("verify", Verify.REQUIRED), rules.get("mirrored", Mirrored.OFF)
    kind = rules.pop("kind", Kind.HARMFUL)
    limits = Thresholds(-1.0, -1.0) if verify is Verify.REQUIRED else Thresholds(0.98, 0.99)
    probe = tuple(probe_vector(WORDS).tolist())
    given = (name, kind, "test", 50, limits, WORDS.fingerprint, WORDS.dimension, 1, probe)
    store.create(ReferenceSet(*given, verify=verify, **rules))
    for id_, pixels in pictures.items():
        own, turned = part(pixels), part(flipped(pixels)) if mirrored is Mirrored.STORED else None
        store.upsert(name, [Reference(id_, id_, own.vector, own.features, turned)])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    known = {f"id-{seed}": detailed(seed) for seed in SEEDS}
    with Store(str(tmp_path_factory.mktemp("second") / "sets.db")) as opened:
        add(opened, STORED, known, mirrored=Mirrored.STORED)
        add(opened, QUERIED, known, mirrored=Mirrored.QUERIED)
        add(opened, SUPPORTS, known, verify=Verify.SUPPORTS)
        add(opened, OFF, known, verify=Verify.OFF)
        add(opened, PAGES, {"page": page(700, detailed(200))}, kind=Kind.ALLOW)
        for mirrored in (Mirrored.STORED, Mirrored.QUERIED):
            shown = {"page": page(700, detailed(200))}
            add(opened, f"{PAGES}_{mirrored.value}", shown, kind=Kind.ALLOW, mirrored=mirrored)
        pages = {made.__name__: with_picture(made, detailed(700)) for made in (chat, letter)}
        add(opened, WRITTEN, pages, kind=Kind.ALLOW, altered="block")
        add(opened, FRAMES, {"frame": page(700, detailed(701))}, kind=Kind.ALLOW)
        yield opened


def verdict(store, pixels, *use):
    sets = SetsInForce(store, use, fits(Ready(WORDS)), 60)
    (one,) = judge(store, sets, encoder=WORDS).judge([image(pixels)]).verdicts
    return one


@pytest.mark.parametrize("name", [STORED, QUERIED])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_picture_in_a_picture_blocks_and_its_region_lies_in_the_whole(store, name, mirrored):
    inset = flipped(detailed(200)) if mirrored else detailed(200)
    found = verdict(store, page(703, inset), name)
    (match,) = found.matches
    assert (found.decision, match.reference.id, match.check.mirrored) == ("block", "id-200", mirrored)
    corners = REGION[[1, 0, 3, 2]] if mirrored else REGION
    np.testing.assert_allclose(match.check.region, corners, atol=0.02)
    assert found.views[match.view].box != (0, 0, 1, 1)


def test_all_known_pictures_of_a_collage_are_named_with_their_own_regions(store):
    rows = [[sized(detailed(200 + 3 * row + column), 320, 240) for column in range(3)] for row in range(3)]
    found = verdict(store, np.concatenate([np.concatenate(row, 1) for row in rows]), STORED)
    (match,) = found.matches
    regions = {match.reference.id: match.check.region} | {each.id: each.region for each in match.others}
    assert len(regions) >= 7
    for id_, region in regions.items():
        row, column = divmod(int(id_.removeprefix("id-")) - 200, 3)
        np.testing.assert_allclose(region[0], (column / 3, row / 3), atol=0.03)
        np.testing.assert_allclose(region[2], ((column + 1) / 3, (row + 1) / 3), atol=0.03)


def test_an_allowed_picture_that_contains_a_harmful_one_is_allowed(store):
    assert verdict(store, page(700, detailed(200)), STORED).decision == "block"
    found = verdict(store, page(700, detailed(200)), STORED, PAGES)
    assert found.decision == "allow"
    assert {match.vetoed_by for match in found.matches if match.kind == "harmful"} == {PAGES}


@pytest.mark.parametrize("name", [STORED, QUERIED])
def test_the_mirror_image_of_an_allowed_picture_that_contains_a_harmful_one_is_allowed(store, name):
    picture = flipped(page(700, detailed(200)))
    assert verdict(store, picture, name).decision == "block"
    assert verdict(store, picture, name, f"{PAGES}_{name}").decision == "allow"
    assert verdict(store, picture, name, PAGES).decision == "block"  # this set does not know mirror images
    # Corners of a picture and of its mirror image cannot be compared.
    other = QUERIED if name == STORED else STORED
    assert verdict(store, picture, name, f"{PAGES}_{other}").decision == "review"


@pytest.mark.parametrize(("allowed", "inset"), [(FRAMES, 204), (PAGES, 204), (FRAMES, 200)])
def test_another_harmful_picture_in_the_frame_of_an_allowed_one_is_found(store, allowed, inset):
    found = verdict(store, page(700, detailed(inset)), STORED, allowed)
    assert (found.decision, found.matches[0].reference.id) == ("block", f"id-{inset}")


@pytest.mark.parametrize("seed", [201, 204, 207, 210])
@pytest.mark.parametrize("written", [chat, letter])
def test_a_harmful_picture_in_place_of_the_one_on_an_allowed_page_is_found(store, written, seed):
    known, shown = with_picture(written, detailed(700)), with_picture(written, detailed(seed))
    assert verdict(store, known, STORED, WRITTEN).decision == "allow"
    found = verdict(store, shown, STORED, WRITTEN)
    assert {match.set: match.level for match in found.matches} == {STORED: "block", WRITTEN: "block"}
    assert (found.decision, found.matches[0].reference.id) == ("block", f"id-{seed}")


def test_an_allowed_picture_elsewhere_says_nothing_about_a_picture_in_a_picture(store):
    assert verdict(store, page(703, detailed(200)), STORED, PAGES).decision == "block"


@pytest.mark.parametrize("name", [STORED, SUPPORTS])
@pytest.mark.parametrize(
    ("edit", "reading"),
    [(lambda pixels: 255 - pixels, "negative"), (lambda pixels: sized(pixels, 960, 240), "unstretched")],
)
def test_negatives_and_strongly_stretched_copies_are_found_by_sets_that_check(store, name, edit, reading):
    found = verdict(store, edit(detailed(200)), name)
    (match,) = found.matches
    assert (found.decision, match.reference.id, found.views[match.view].reading) == ("block", "id-200", reading)
    np.testing.assert_allclose(match.check.region, [(0, 0), (1, 0), (1, 1), (0, 1)], atol=0.02)


class Asked:
    """A store that notes how many vectors each set is searched by."""

    def __init__(self, store):
        self.store, self.vectors = store, {}

    def __getattr__(self, name):
        return getattr(self.store, name)

    def search(self, name, vectors, *given, **named):
        self.vectors[name] = len(vectors)
        return self.store.search(name, vectors, *given, **named)


def test_only_sets_that_require_the_check_are_searched_by_parts_and_only_by_those_of_the_whole(store):
    asked = Asked(store)
    searcher = Searcher(asked, top_k=5, shortlist=20, keep_bytes=1 << 24)
    looks = look_closely([WORDS], page(702, detailed(203)), Needs(keypoints=True, mirror=True))
    for name in (STORED, QUERIED, SUPPORTS, OFF):
        assert len(searcher.search(store.describe(name), looks)) == len(looks)
    parts = len(looks[0].view.parts[WORDS.fingerprint])
    turned = sum(each.mirror is not None for each in looks)
    assert parts > 0
    assert asked.vectors[STORED] == len(looks) + parts
    assert asked.vectors[QUERIED] == len(looks) + turned + parts + len(looks[0].mirror.parts[WORDS.fingerprint])
    assert asked.vectors[SUPPORTS] == asked.vectors[OFF] == len(looks)


def test_parts_are_not_searched_if_the_settings_forbid_it(store):
    asked = Asked(store)
    looks = look_closely([WORDS], page(702, detailed(203)), Needs(keypoints=True, mirror=True))
    Searcher(asked, top_k=5, shortlist=20, keep_bytes=1 << 24, parts=False).search(store.describe(STORED), looks)
    assert asked.vectors[STORED] == len(looks)


def test_a_disabled_reference_does_not_match_in_a_second_look(store):
    picture = page(702, detailed(206))
    store.create(replace(store.describe(STORED), name="disabled", version=1))
    for seed in SEEDS:
        own, turned = part(detailed(seed)), part(flipped(detailed(seed)))
        store.upsert("disabled", [Reference(f"id-{seed}", f"id-{seed}", own.vector, own.features, turned)])
    assert verdict(store, picture, "disabled").decision == "block"
    set_state(store, "disabled", ["id-206"], "disabled")
    assert verdict(store, picture, "disabled").decision == "allow"
