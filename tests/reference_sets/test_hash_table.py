"""Lists of perceptual hashes are searched in memory, and are the lists as they are now."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from milvus_fixtures import make_set

from reference_sets.in_memory.constants import IN_MEMORY
from reference_sets.in_memory.hash_table import HashTable
from reference_sets.model import Reference, Thresholds
from reference_sets.store import Store

RNG = np.random.default_rng(7)
HASHES = RNG.integers(0, 256, (400, 32), dtype=np.uint8)


def known(bits: np.ndarray, number: int, **facts: object) -> Reference:
    text = bits.tobytes().hex()
    return Reference(f"{text}-{number:016x}", f"label {number}", (1.0, 0.0), digest=text, source="tests", **facts)


def flipped(bits: np.ndarray, number: int) -> np.ndarray:
    """The hash with its first bits changed."""
    digits = np.unpackbits(bits)
    digits[:number] ^= 1
    return np.packbits(digits)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(str(tmp_path_factory.mktemp("hashes") / "sets.db")) as store:
        yield store


@pytest.fixture
def store(opened: Store) -> Iterator[Store]:
    opened.create(
        make_set("hashes", dimension=2, probe=(1.0, 0.0), index=IN_MEMORY, thresholds=Thresholds(0.5, 0.7578125))
    )
    opened.upsert("hashes", [known(bits, number) for number, bits in enumerate(HASHES[:300])])
    yield opened
    opened.drop("hashes")


def found(table: HashTable, store: Store, *bits: np.ndarray, top_k: int = 5):
    return table.find(store.describe("hashes"), np.stack(bits), top_k)


def test_the_nearest_hashes_are_found_with_the_cosine_that_their_distance_stands_for(store: Store):
    (near, exact) = found(HashTable(store), store, flipped(HASHES[7], 31), HASHES[8])
    assert (near[0].label, near[0].score, near[0].facts.source) == ("label 7", 1 - 31 / 128, "tests")
    assert (exact[0].label, exact[0].score) == ("label 8", 1.0)
    distances = np.unpackbits(HASHES[:300] ^ HASHES[8], axis=1).sum(axis=1)
    assert [round(128 * (1 - one.score)) for one in exact] == sorted(distances.tolist())[:5]


def test_only_those_that_can_match_or_be_shown_have_their_facts(store: Store):
    ((*near,),) = found(HashTable(store), store, HASHES[8])
    assert [bool(one.label) for one in near] == [True, True, True, False, False]


def test_what_is_added_or_removed_counts_at_once(store: Store):
    table = HashTable(store)
    assert found(table, store, HASHES[350])[0][0].score < 0.5
    store.upsert("hashes", [known(HASHES[350], 350)])
    assert found(table, store, HASHES[350])[0][0].label == "label 350"
    store.delete("hashes", [known(HASHES[350], 350).id, known(HASHES[9], 9).id])
    one, two = found(table, store, HASHES[350], HASHES[9])
    assert one[0].score < 0.5
    assert two[0].score < 0.5
    assert len(one) == len(two) == 5
    store.upsert("hashes", [known(HASHES[9], 9)])
    assert found(table, store, HASHES[9])[0][0].label == "label 9"


def test_removed_hashes_do_not_hide_a_hash_behind_them(store: Store):
    table = HashTable(store)
    alike = [known(flipped(HASHES[0], number), 1000 + number) for number in range(1, 30)]
    store.upsert("hashes", alike)
    assert found(table, store, flipped(HASHES[0], 30), top_k=3)[0][0].label == "label 1029"
    store.delete("hashes", [one.id for one in alike])
    (near,) = found(table, store, flipped(HASHES[0], 30), top_k=3)
    assert (near[0].label, near[0].score) == ("label 0", 1 - 30 / 128)


@pytest.mark.parametrize("facts", [{"state": "disabled"}, {"ceiling": "nothing"}, {"ceiling": "review"}])
def test_hashes_that_can_match_less_do_not_hide_one_behind_them_that_can_match_more(store: Store, facts):
    table = HashTable(store)
    weak = [known(flipped(HASHES[0], number), 1000 + number, **facts) for number in range(1, 30)]
    store.upsert("hashes", weak)
    near, unrelated = found(table, store, flipped(HASHES[0], 30), HASHES[350], top_k=3)
    assert "label 0" in {one.label for one in near}
    assert len(unrelated) == 3
    # One that is only for review is not looked for behind others that are for review.
    far = found(table, store, flipped(HASHES[0], 62), top_k=3)[0]
    assert (len(far) == 3) == (facts == {"ceiling": "review"})


def test_changed_facts_are_seen_with_the_version_that_changed_them(store: Store):
    table = HashTable(store)
    assert found(table, store, HASHES[3])[0][0].facts.cap is None
    store.upsert("hashes", [replace(known(HASHES[3], 3), ceiling="review")])
    near = found(table, store, HASHES[3])[0]
    assert near[0].facts.cap == "review"
    assert [one.id for one in near].count(near[0].id) == 1


def test_one_hash_from_two_sources_is_found_as_both(store: Store):
    store.upsert("hashes", [known(HASHES[5], 777)])
    labels = [one.label for one in found(HashTable(store), store, HASHES[5])[0] if one.score == 1.0]
    assert sorted(labels) == ["label 5", "label 777"]


def test_ids_of_another_form_are_found_and_removed(store: Store):
    table = HashTable(store)
    store.upsert("hashes", [replace(known(HASHES[360 + each], 0), id=f"case-{each}") for each in range(3)])
    assert [near[0].id for near in found(table, store, *HASHES[360:363])] == ["case-0", "case-1", "case-2"]
    store.delete("hashes", ["case-1"])
    assert [near[0].score == 1 for near in found(table, store, *HASHES[360:363])] == [True, False, True]


def test_a_list_without_hashes_and_one_that_was_made_anew(store: Store):
    table = HashTable(store)
    assert found(table, store, HASHES[0])[0][0].score == 1
    store.drop("hashes")
    store.create(make_set("hashes", dimension=2, probe=(1.0, 0.0), index=IN_MEMORY))
    assert found(table, store, HASHES[0], HASHES[1]) == [[], []]


def test_a_list_that_lost_most_of_its_hashes_is_read_again(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("reference_sets.in_memory.up_to_date.SOME", 0)
    table = HashTable(store)
    found(table, store, HASHES[0])
    store.delete("hashes", [known(bits, number).id for number, bits in enumerate(HASHES[:200])])
    assert found(table, store, HASHES[250])[0][0].label == "label 250"
    assert len(table._hashes.of(store.describe("hashes"))) == 100
