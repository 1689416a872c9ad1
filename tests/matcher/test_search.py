"""Search and check together, on a real Milvus Lite file: each set finds copies by its own rules."""

from dataclasses import replace

import numpy as np
import pytest
from deciding import match
from detailed import cropped, detailed

from embedding.choose import choose
from embedding.local.features import pack
from embedding.look import look
from embedding.picture import Needs
from embedding.probe import probe_vector
from matcher.candidates import candidates
from matcher.compose import best
from matcher.demand import demand_of
from matcher.depth import depth
from matcher.evidence import Candidate, Evidence
from matcher.search import Near, Searcher
from reference_sets.model import NO_FACTS, Kind, Mirrored, Neighbour, Part, Reference, ReferenceSet, Thresholds, Verify
from reference_sets.restrict import set_state
from reference_sets.store import Store

SEEDS = range(200, 212)


@pytest.fixture(scope="module")
def words():
    return choose("words")


@pytest.fixture(scope="module")
def store(tmp_path_factory, words):
    """Sets of a dozen pictures each that differ in how they handle mirror images."""
    with Store(str(tmp_path_factory.mktemp("examine") / "sets.db")) as opened:
        for mirrored in (Mirrored.STORED, Mirrored.QUERIED, Mirrored.OFF):
            described = ReferenceSet(
                f"mirrored_{mirrored.value}",
                Kind.HARMFUL,
                "test",
                50,
                Thresholds(-1.0, -1.0),
                words.fingerprint,
                words.dimension,
                1,
                tuple(probe_vector(words).tolist()),
                verify=Verify.REQUIRED,
                mirrored=mirrored,
            )
            opened.create(described)
            opened.upsert(described.name, [reference(words, seed, mirrored) for seed in SEEDS])
        yield opened


def flipped(pixels):
    return np.ascontiguousarray(pixels[:, ::-1])


def reference(words, seed, mirrored):
    looks = look([words], [detailed(seed), flipped(detailed(seed))], Needs(keypoints=True))
    own, mirror = (
        Part(tuple(each.view.vectors[words.fingerprint].tolist()), pack(each.view.keypoints)) for each in looks
    )
    stored = mirror if mirrored is Mirrored.STORED else None
    return Reference(f"id-{seed}", f"label {seed}", own.vector, own.features, stored)


def checked_candidates(store, words, name, pixels):
    """The candidates for one picture, with its mirror image if the set needs it."""
    searcher = Searcher(store, top_k=5, shortlist=20, keep_bytes=1 << 24)
    known = store.describe(name)
    looks = look([words], [pixels], demand_of([known]).needs)
    found = searcher.search(known, looks)
    (listed,) = candidates(looks[0], [Near(known, found[0], searcher.read_keypoints(known, found))])
    return known, listed


def test_an_edited_copy_is_verified_and_unrelated_references_are_not(store, words):
    query = cropped(detailed(203), 0.2, 0.0, 1.0, 0.8)
    known, checked = checked_candidates(store, words, "mirrored_off", query)
    assert checked[0].neighbour.id == "id-203"
    assert checked[0].score > known.check.block
    assert all(one.checked and one.score < known.check.review for one in checked[1:])
    assert match(known, checked).passed_check is True


def test_an_unrelated_picture_matches_nothing_if_the_check_is_required(store, words):
    known, checked = checked_candidates(store, words, "mirrored_off", detailed(999))
    assert len(checked) == len(SEEDS)
    assert match(known, checked) is None


@pytest.mark.parametrize(
    ("name", "found"), [("mirrored_stored", True), ("mirrored_queried", True), ("mirrored_off", False)]
)
def test_a_mirrored_copy_is_found_if_the_set_stores_or_queries_mirror_images(store, words, name, found):
    original = detailed(205)
    known, checked = checked_candidates(store, words, name, flipped(cropped(original, 0.0, 0.0, 0.6, 1.0)))
    reached = match(known, checked)
    assert (reached is not None) == found
    if not found:
        return
    best = checked[0]
    assert (best.neighbour.id, best.neighbour.mirrored, best.evidence.mirrored) == ("id-205", True, True)
    assert best.evidence.coverage == pytest.approx(0.6, abs=0.05)
    # The reference's left edge is at the right edge of what the image shows.
    upper_left, upper_right, *_ = best.evidence.region
    assert upper_left == pytest.approx((1.0, 0.0), abs=0.03)
    assert upper_right == pytest.approx((1.0 - 1 / 0.6, 0.0), abs=0.06)


def test_each_reference_is_one_candidate_even_if_its_mirror_image_was_found_too(store, words):
    _, checked = checked_candidates(store, words, "mirrored_stored", detailed(206))
    ids = [one.neighbour.id for one in checked]
    assert len(ids) == len(set(ids))


def test_a_reference_that_is_removed_before_its_features_are_read_stays_a_candidate_without_a_check(store, words):
    known = store.describe("mirrored_off")
    searcher = Searcher(store, top_k=5, shortlist=20, keep_bytes=1 << 24)
    looks = look([words], [detailed(207)], demand_of([known]).needs)
    gone = Neighbour("id-gone", "gone", 0.99)
    found = ([gone], [])
    (checked,) = candidates(looks[0], [Near(known, found, searcher.read_keypoints(known, [found]))])
    assert [(one.neighbour, one.checked, one.evidence) for one in checked] == [(gone, False, None)]


@pytest.mark.parametrize("damaged", [b"wrong", b""])
def test_a_damaged_reference_is_left_out_counted_and_reported_once_and_its_neighbours_are_found(
    store, words, caplog, damaged
):
    known, name = store.describe("mirrored_off"), "mirrored_off"

    class Damaging:
        """The store, in which the features of one row are damaged or missing."""

        def search(self, *what, **how):
            return store.search(*what, **how)

        def any_disabled(self, name):
            return store.any_disabled(name)

        def count(self, _name):
            return 3

        def written_since(self, *what):
            return store.written_since(*what)

        def features(self, name, neighbours, least):
            read = store.features(name, neighbours, least)
            return read | {row: (damaged, NO_FACTS) for row in read if row[0] == "id-204"}

    searcher = Searcher(Damaging(), top_k=5, shortlist=20, keep_bytes=1 << 24)
    for _ in range(2):
        looks = look([words], [detailed(204), detailed(205)], demand_of([known]).needs)
        found = searcher.search(known, looks)
        read = searcher.read_keypoints(known, found)
        first, second = (candidates(one, [Near(known, near, read)])[0] for one, near in zip(looks, found, strict=True))
        assert "id-204" not in {one.neighbour.id for one in first}
        assert (second[0].neighbour.id, second[0].checked) == ("id-205", True)
        assert match(known, first) is None
    assert searcher.damaged([known]) == {name: 1}
    assert [(record.fields["set"], record.fields["reference"]) for record in caplog.records] == [(name, "id-204")]


@pytest.mark.parametrize("verify", [Verify.REQUIRED, Verify.OFF])
def test_disabled_references_take_no_places_of_others(store, words, verify):
    name = f"disabled_{verify.value}"
    store.create(replace(store.describe("mirrored_off"), name=name, verify=verify, version=1))
    store.upsert(name, [reference(words, seed, Mirrored.OFF) for seed in SEEDS])
    searcher = Searcher(store, top_k=2, shortlist=2, keep_bytes=1 << 24)
    (one,) = look([words], [detailed(204)], Needs(keypoints=True))
    one = replace(one, view=replace(one.view, parts={}))  # each part of a picture has places of its own

    def nearest():
        ((own, _),) = searcher.search(store.describe(name), [one])
        return {each.id for each in own}

    first = nearest()
    assert len(first) == 2
    set_state(store, name, sorted(first), "disabled")
    second = nearest()
    assert len(second) == 2
    assert not first & second
    set_state(store, name, sorted(first), "disabled", disabled_until=1)
    assert nearest() == first
    set_state(store, name, sorted(first), "")
    assert nearest() == first


def candidate(name, similarity, score):
    evidence = None
    if score:
        whole = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
        evidence = Evidence(score, 40, 1.0, 1.0, 1.0, whole, mirrored=False)
    return Candidate(Neighbour(name, name, similarity), checked=True, evidence=evidence)


def test_a_verdict_lists_the_best_three_by_check_and_by_similarity_each_once_best_check_first():
    found = [candidate(f"c{number}", 0.1 * number, 0.9 - 0.1 * number) for number in range(5)]
    found += [candidate(f"s{number}", 0.9 - 0.1 * number, 0.0) for number in range(5)]
    assert [one.neighbour.id for one in best(found)] == ["c0", "c1", "c2", "s0", "s1", "s2"]
    assert [one.neighbour.id for one in best(found[:2])] == ["c0", "c1"]
    assert best([]) == []


@pytest.mark.parametrize(
    ("references", "expected"), [(0, 35), (2000, 35), (30_000, 103), (100_000, 167), (10**8, 1000)]
)
def test_a_shortlist_grows_with_the_set(references, expected):
    assert depth(35, references) == expected


def test_a_search_of_a_large_set_asks_for_more_neighbours(store, words, monkeypatch):
    known = store.describe("mirrored_off")
    looks = look([words], [detailed(204)], demand_of([known]).needs)
    found = []
    for references in (len(SEEDS), 1_000_000):
        monkeypatch.setattr(store, "count", lambda _, references=references: references)
        ((own, _),) = Searcher(store, top_k=5, shortlist=1, keep_bytes=1 << 24).search(known, looks)
        found.append(len(own))
    assert found[0] <= 4 < found[1] == len(SEEDS)  # of four vectors
