"""Lists of perceptual hashes are searched in memory, and are the lists as they are now."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from milvus_fixtures import make_set

from reference_sets.in_memory.constants import IN_MEMORY
from reference_sets.in_memory.hash_table import HashTable
from reference_sets.in_memory.hashes import OF_LIST, Hashes, Rows
from reference_sets.in_memory.up_to_date import UpToDate
from reference_sets.model import Kind, Mirrored, Reference, ReferenceSet, Thresholds, Verify
from reference_sets.store import Store

RNG = np.random.default_rng(7)
HASHES = RNG.integers(0, 256, (400, 32), dtype=np.uint8)


def known(bits: np.ndarray, number: int, **facts: object) -> Reference:
    """An entry of a list of hashes."""
    text = bits.tobytes().hex()
    return Reference(f"{text}-{number:016x}", f"label {number}", (1.0, 0.0), digest=text, source="tests", **facts)


def picture(bits: np.ndarray, number: int, **facts: object) -> Reference:
    """A reference that was made of a picture."""
    digest = hashlib.sha256(f"{number}".encode()).hexdigest()
    return Reference(f"{digest}-{number:016x}", f"label {number}", vector(bits), digest=digest, source="tests", **facts)


def vector(bits: np.ndarray) -> tuple[float, ...]:
    return tuple(np.where(np.unpackbits(bits), 1 / 16, -1 / 16).tolist())


def flipped(bits: np.ndarray, number: int) -> np.ndarray:
    """The hash with its first bits changed."""
    digits = np.unpackbits(bits)
    digits[:number] ^= 1
    return np.packbits(digits)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(str(tmp_path_factory.mktemp("hashes") / "sets.db")) as store:
        yield store


Make = Callable[..., Reference]


BOTH = pytest.mark.parametrize("make", [known, picture], ids=["list", "pictures"], indirect=True)


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Make:
    return getattr(request, "param", known)


@pytest.fixture
def store(opened: Store, make: Make) -> Iterator[Store]:
    opened.create(empty(make))
    opened.upsert("hashes", [make(bits, number) for number, bits in enumerate(HASHES[:300])])
    yield opened
    opened.drop("hashes")


def empty(make: Make) -> ReferenceSet:
    """A set without hashes, in which 64 is for review and 31 blocks."""
    thresholds = Thresholds(0.5, 0.7578125)
    if make is picture:
        probe = vector(HASHES[0])
        return make_set("hashes", dimension=256, probe=probe, encoder="pdq:1", thresholds=thresholds)
    return make_set("hashes", dimension=2, probe=(1.0, 0.0), index=IN_MEMORY, thresholds=thresholds)


def found(table: HashTable, store: Store, *bits: np.ndarray, top_k: int = 5):
    assert table.holds(store.describe("hashes"))
    return table.find(store.describe("hashes"), np.stack(bits), top_k)


def of(table: HashTable, make: Make) -> UpToDate[Hashes]:
    return table._pictures if make is picture else table._lists


@BOTH
def test_the_nearest_hashes_are_found_with_the_cosine_that_their_distance_stands_for(store: Store):
    (near, exact) = found(HashTable(store), store, flipped(HASHES[7], 31), HASHES[8])
    assert (near[0].label, near[0].score, near[0].facts.source) == ("label 7", 1 - 31 / 128, "tests")
    assert (exact[0].label, exact[0].score) == ("label 8", 1.0)
    distances = np.unpackbits(HASHES[:300] ^ HASHES[8], axis=1).sum(axis=1)
    assert [round(128 * (1 - one.score)) for one in exact] == sorted(distances.tolist())[:5]


def test_only_those_that_can_match_or_be_shown_have_their_facts(store: Store):
    ((*near,),) = found(HashTable(store), store, HASHES[8])
    assert [bool(one.label) for one in near] == [True, True, True, False, False]


@BOTH
def test_what_is_added_or_removed_counts_at_once(store: Store, make: Make):
    table = HashTable(store)
    assert found(table, store, HASHES[350])[0][0].score < 0.5
    store.upsert("hashes", [make(HASHES[350], 350)])
    assert found(table, store, HASHES[350])[0][0].label == "label 350"
    store.delete("hashes", [make(HASHES[350], 350).id, make(HASHES[9], 9).id])
    one, two = found(table, store, HASHES[350], HASHES[9])
    assert one[0].score < 0.5
    assert two[0].score < 0.5
    assert len(one) == len(two) == 5
    store.upsert("hashes", [make(HASHES[9], 9)])
    assert found(table, store, HASHES[9])[0][0].label == "label 9"


def test_removed_hashes_do_not_hide_a_hash_behind_them(store: Store, make: Make):
    table = HashTable(store)
    alike = [make(flipped(HASHES[0], number), 1000 + number) for number in range(1, 30)]
    store.upsert("hashes", alike)
    assert found(table, store, flipped(HASHES[0], 30), top_k=3)[0][0].label == "label 1029"
    store.delete("hashes", [one.id for one in alike])
    (near,) = found(table, store, flipped(HASHES[0], 30), top_k=3)
    assert (near[0].label, near[0].score) == ("label 0", 1 - 30 / 128)


@pytest.mark.parametrize("facts", [{"state": "disabled"}, {"ceiling": "nothing"}, {"ceiling": "review"}])
def test_hashes_that_can_match_less_do_not_hide_one_behind_them_that_can_match_more(store: Store, make: Make, facts):
    table = HashTable(store)
    weak = [make(flipped(HASHES[0], number), 1000 + number, **facts) for number in range(1, 30)]
    store.upsert("hashes", weak)
    near, unrelated = found(table, store, flipped(HASHES[0], 30), HASHES[350], top_k=3)
    assert "label 0" in {one.label for one in near}
    assert len(unrelated) == 3
    # One that is only for review is not looked for behind others that are for review.
    far = found(table, store, flipped(HASHES[0], 62), top_k=3)[0]
    assert (len(far) == 3) == (facts == {"ceiling": "review"})


def test_changed_facts_are_seen_with_the_version_that_changed_them(store: Store, make: Make):
    table = HashTable(store)
    assert found(table, store, HASHES[3])[0][0].facts.cap is None
    store.upsert("hashes", [replace(make(HASHES[3], 3), ceiling="review")])
    near = found(table, store, HASHES[3])[0]
    assert near[0].facts.cap == "review"
    assert [one.id for one in near].count(near[0].id) == 1


def test_one_hash_from_two_sources_is_found_as_both(store: Store, make: Make):
    store.upsert("hashes", [make(HASHES[5], 777)])
    labels = [one.label for one in found(HashTable(store), store, HASHES[5])[0] if one.score == 1.0]
    assert sorted(labels) == ["label 5", "label 777"]


def test_ids_of_another_form_are_found_and_removed(store: Store, make: Make):
    table = HashTable(store)
    store.upsert("hashes", [replace(make(HASHES[360 + each], 0), id=f"case-{each}") for each in range(3)])
    assert [near[0].id for near in found(table, store, *HASHES[360:363])] == ["case-0", "case-1", "case-2"]
    store.delete("hashes", ["case-1"])
    assert [near[0].score == 1 for near in found(table, store, *HASHES[360:363])] == [True, False, True]


def test_a_list_without_hashes_and_one_that_was_made_anew(store: Store, make: Make):
    table = HashTable(store)
    assert found(table, store, HASHES[0])[0][0].score == 1
    store.drop("hashes")
    store.create(empty(make))
    assert found(table, store, HASHES[0], HASHES[1]) == [[], []]


def test_a_list_that_lost_most_of_its_hashes_is_read_again(store: Store, make: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("reference_sets.in_memory.up_to_date.SOME", 0)
    table = HashTable(store)
    found(table, store, HASHES[0])
    store.delete("hashes", [make(bits, number).id for number, bits in enumerate(HASHES[:200])])
    assert found(table, store, HASHES[250])[0][0].label == "label 250"
    assert len(of(table, make).of(store.describe("hashes"))) == 100


@BOTH
def test_a_hash_that_was_written_again_with_another_value_is_found_by_the_new_one_only(store: Store, make: Make):
    table = HashTable(store)
    odd = replace(make(HASHES[360], 360), id="case-1")
    store.upsert("hashes", [odd])
    assert found(table, store, HASHES[360])[0][0].id == "case-1"
    new = make(HASHES[361], 360)
    store.upsert("hashes", [replace(new, id="case-1"), replace(new, id=make(HASHES[5], 5).id)])
    old, five, (first, second, *_) = found(table, store, HASHES[360], HASHES[5], HASHES[361])
    assert old[0].score < 0.5
    assert five[0].score < 0.5
    assert (first.score, {first.id, second.id}) == (1.0, {"case-1", make(HASHES[5], 5).id})


def test_an_id_that_begins_with_its_own_hash_only_since_it_was_written_again_is_found_once(store: Store):
    table = HashTable(store)
    new = known(HASHES[361], 361)
    for bits in (HASHES[360], HASHES[361]):
        store.upsert("hashes", [replace(known(bits, 361), id=new.id)])
        last = found(table, store, HASHES[360], HASHES[361])
    assert [[one.id == new.id for one in near].count(True) for near in last] == [0, 1]
    assert last[1][0].score == 1


def test_hashes_that_were_added_to_a_few_and_removed_again_do_not_hide_the_few(opened: Store):
    table = HashTable(opened)
    opened.create(replace(empty(known), name="few"))
    some = [known(bits, number) for number, bits in enumerate(HASHES[:6])]
    for change in (
        lambda: opened.upsert("few", some[:1]),
        lambda: opened.upsert("few", some[1:4]),
        lambda: opened.delete("few", [one.id for one in some[1:4]]),
        lambda: opened.upsert("few", some[4:5]),
        lambda: opened.delete("few", [some[4].id]),
    ):
        change()
        there = opened.known("few", [one.id for one in some])
        near = table.find(opened.describe("few"), HASHES[:6], 1)
        assert [each[0].score == 1 for each in near] == [one.id in there for one in some]
    opened.drop("few")


@BOTH
def test_what_was_changed_often_is_found_as_by_comparing_all(store: Store, make: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("reference_sets.in_memory.hashes.RECENT", 40)
    table, rng = HashTable(store), np.random.default_rng(11)
    there = {number: HASHES[number] for number in range(300)}
    queries = [flipped(HASHES[number], int(rng.integers(0, 9))) for number in range(0, 400, 25)]
    for step in range(6):
        new = {400 + 10 * step + each: flipped(HASHES[int(rng.integers(400))], each) for each in range(10)}
        there |= new
        store.upsert("hashes", [make(bits, number) for number, bits in new.items()])
        for number in rng.choice(sorted(there), 7, replace=False).tolist():
            store.delete("hashes", [make(there.pop(number), number).id])
        every = np.stack(list(there.values()))
        for query, near in zip(queries, found(table, store, *queries, top_k=4), strict=True):
            distances = np.unpackbits(every ^ query, axis=1).sum(axis=1)
            matching = sorted(one for one in distances.tolist() if one <= 64)[:4]
            assert [round(128 * (1 - one.score)) for one in near if one.score >= 0.5] == matching
            assert len({one.id for one in near}) == len(near)


def test_sets_of_pictures_that_more_than_hashes_decide_on_are_left_to_milvus(opened: Store):
    opened.create(replace(empty(picture), name="others"))
    table = HashTable(opened)
    opened.upsert("others", [picture(HASHES[0], 0)])
    assert table.holds(opened.describe("others"))
    for more in (
        {"verify": Verify.SUPPORTS},
        {"mirrored": Mirrored.STORED},
        {"kind": Kind.BACKGROUND},
        {"background": "names"},
    ):
        assert not table.holds(replace(opened.describe("others"), **more))
    opened.upsert("others", [replace(picture(HASHES[1], 1), vector=(1.0, *[0.0] * 255))])
    assert not table.holds(opened.describe("others"))
    assert not table.holds(opened.describe("others"))


def test_hashes_that_do_not_count_hide_none_behind_them_from_those_that_were_added_since():
    def rows(bits: np.ndarray) -> Rows:
        return Rows([f"{one.tobytes().hex()}-{0:016x}" for one in bits], bits)

    near = np.stack([flipped(HASHES[0], number) for number in range(1, 30)])
    table = Hashes.empty(OF_LIST).with_rows([rows(near)]).with_rows([rows(HASHES[100:110])])
    left = table.without([table.base.key(row) for row in range(10)])
    (hits,) = left.nearest(HASHES[:1], 3)
    assert [(one.distance, one.id) for one in hits] == [(row + 1, rows(near).ids[row]) for row in (10, 11, 12)]
    (every,) = left.nearest(HASHES[:1], 99)
    assert len({one.id for one in every}) == len(every) == 29
    assert left.settled().in_one().nearest(HASHES[:1], 99) == [every]
