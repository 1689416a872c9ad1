"""What the store promises, on Milvus Lite in a file, on a Milvus Lite server, and on a real Milvus server."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from milvus_fixtures import DIMENSION, make_set, mirrored, references, unit

from reference_sets.model import (
    CheckThresholds,
    Kind,
    Mirrored,
    Neighbour,
    Reference,
    Thresholds,
    Verify,
)
from reference_sets.store import Store, StoreError, UnknownSet

pytest_plugins = ["store_fixtures"]


def test_a_set_is_described_as_it_was_created(store: Store, name: str):
    assert store.describe(name) == make_set(name)
    assert make_set(name) in store.sets()


def test_an_empty_set_has_no_neighbours_for_any_query(store: Store, name: str):
    assert store.search(name, unit(3, 1), 5) == [[], [], []]
    assert store.count(name) == 0
    assert list(store.references(name)) == []


def test_a_single_reference_is_found_with_cosine_one(store: Store, name: str):
    vectors = unit(1, 2)
    store.upsert(name, references(vectors))
    ((nearest,),) = store.search(name, vectors, 5)
    assert (nearest.id, nearest.label) == ("ref-0", "label 0")
    assert nearest.score == pytest.approx(1.0, abs=1e-6)
    assert nearest.score <= 1.0


def test_neighbours_are_exact_and_sorted_best_first_for_each_query(store: Store, name: str, seed: int):
    known, queries = unit(300, seed), unit(20, seed + 1)
    store.upsert(name, references(known))
    cosines = queries @ known.T
    for found, row in zip(store.search(name, queries, 7), cosines, strict=True):
        best = np.argsort(-row)[:7]
        assert [one.id for one in found] == [f"ref-{i}" for i in best]
        np.testing.assert_allclose([one.score for one in found], row[best], atol=1e-5)


def test_opposite_vectors_have_cosine_minus_one(store: Store, name: str):
    vectors = unit(1, 3)
    store.upsert(name, references(vectors))
    assert store.search(name, -vectors, 1)[0][0].score == pytest.approx(-1.0, abs=1e-6)


def test_more_queries_than_one_search_may_have_are_split(store: Store, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vectors.database.MAX_QUERIES", 4)
    known = unit(10, 4)
    store.upsert(name, references(known))
    assert [found[0].id for found in store.search(name, known, 1)] == [f"ref-{i}" for i in range(10)]


def test_without_queries_milvus_is_not_called(store: Store, name: str):
    assert store.search(name, np.empty((0, DIMENSION), dtype=np.float32), 5) == []


def test_of_two_references_with_one_id_the_later_one_is_stored(store: Store, name: str):
    first, second = references(unit(2, 5))
    store.upsert(name, [first, replace(second, id=first.id)])
    store.upsert(name, [replace(first, label="later")])
    assert store.count(name) == 1
    assert [known.label for known in store.references(name)] == ["later"]


def test_references_are_read_as_they_were_written(store: Store, name: str):
    features = bytes(range(250)) * 192  # 48,000 bytes, the most that is allowed
    labels = ["plain", "quote \" and ' and \\", "ümlaut ✓ {id}", ""]
    known = [
        Reference(f"a:b.c_{i}-d", label, tuple(row.tolist()), features)
        for i, (label, row) in enumerate(zip(labels, unit(4, 6), strict=True))
    ]
    known[0] = replace(
        known[0],
        digest="0f" * 32,
        state="disabled",
        disabled_until=1_800_000_000,
        ceiling="review",
        source="partner",
        source_id="ü-17",
        tags=("holiday", "ümlaut \" '"),
        extra={"a": {"b": [1, 2.5, None, "ü'\""]}},
    )
    store.upsert(name, known)
    assert sorted(store.references(name), key=lambda one: one.id) == [replace(one, version=2) for one in known]


def test_all_references_of_a_larger_set_are_read(store: Store, name: str):
    known = references(unit(1201, 7))
    store.upsert(name, known)
    store.flush(name)
    assert {one.id for one in store.references(name)} == {one.id for one in known}
    assert store.count(name) == 1201


def test_known_says_which_ids_are_there_even_for_invalid_ids(store: Store, name: str):
    store.upsert(name, references(unit(3, 8)))
    assert store.known(name, ["ref-0", "ref-2", "ref-9", "it's", 'a"b\\', ""]) == {"ref-0", "ref-2"}
    assert store.known(name, []) == set()


def test_labels_are_found_with_quotes_accents_and_control_characters(store: Store, name: str):
    odd = 'it\'s "quoted" \\ ü\n\t\x1b[31m'
    first, second, third = references(unit(3, 9))
    store.upsert(name, [replace(first, label=odd), replace(second, label=odd), third])
    assert store.labelled(name, odd) == store.labelled(name, odd, "nobody's") == {"ref-0", "ref-1"}
    assert store.labelled(name, "nobody's") == store.labelled(name) == set()


def test_references_are_found_by_their_file_s_digest_whatever_their_id(store: Store, name: str):
    first, second, third = references(unit(3, 9))
    store.upsert(name, [replace(first, digest="a1" * 32), replace(second, digest="a1" * 32), third])
    assert store.made_of(name, "a1" * 32, "b2" * 32) == {"ref-0", "ref-1"}
    assert store.made_of(name, "b2" * 32) == set()


def test_deleted_references_are_counted_and_not_found_any_more(store: Store, name: str):
    vectors = unit(3, 10)
    store.upsert(name, references(vectors))
    assert store.delete(name, ["ref-0", "ref-9", "ref-1"]) == 2
    assert [one.id for one in store.search(name, vectors[:1], 5)[0]] == ["ref-2"]
    assert store.count(name) == 1


def test_only_a_change_raises_the_version(store: Store, name: str):
    store.upsert(name, references(unit(3, 11)))
    assert store.describe(name).version == 2
    store.delete(name, ["ref-0"])
    assert store.describe(name).version == 3
    store.delete(name, ["ref-0"])
    store.upsert(name, [])
    assert store.describe(name).version == store.describe(name).removed_version == 3
    facts = {"thresholds": Thresholds(0.1, 0.2), "kind": Kind.ALLOW, "note": ""}
    changed = store.change(name, **facts)
    assert store.describe(name) == changed == make_set(name, version=4, removed_version=3, **facts)


def test_an_upsert_is_one_version_and_all_its_rows_have_it(store: Store, name: str):
    store.upsert(name, references(unit(1201, 7), "first"))
    store.upsert(name, references(unit(3, 8), "second"))
    assert store.describe(name).version == 3
    versions = {(one.id.partition("-")[0], one.version) for one in store.references(name)}
    assert versions == {("first", 2), ("second", 3)}


def test_a_reader_that_reads_the_new_version_finds_the_new_content(store: Store, other: Store, name: str):
    for step in range(5):
        vectors = unit(1, 100 + step)
        store.upsert(name, references(vectors, f"step{step}"))
        assert other.describe(name).version == 2 + step
        assert other.search(name, vectors, 1)[0][0].id == f"step{step}-0"


def test_a_set_that_another_connection_dropped_and_created_again_is_searched(store: Store, other: Store, name: str):
    store.upsert(name, references(unit(2, 12)))
    assert len(other.search(name, unit(1, 12), 5)[0]) == 2
    store.drop(name)
    with pytest.raises(UnknownSet):
        other.search(name, unit(1, 12), 5)
    store.create(make_set(name, dimension=4))
    vectors = unit(1, 13, dimension=4)
    store.upsert(name, references(vectors, "new"))
    assert [one.id for one in other.search(name, vectors, 5)[0]] == ["new-0"]


def test_a_reference_and_its_mirror_image_count_as_one_and_a_search_finds_both(store: Store, name: str):
    store.change(name, mirrored=Mirrored.STORED, verify=Verify.REQUIRED)
    known = mirrored(references(unit(3, 20)))
    store.upsert(name, known)
    assert (store.count(name), store.describe(name).version) == (3, 3)
    assert sorted(store.references(name), key=lambda one: one.id) == [replace(one, version=3) for one in known]
    assert store.labelled(name, "label 1") == store.known(name, ["ref-1", "ref-1~m"]) == {"ref-1"}
    (found,) = store.search(name, np.float32([known[1].mirror.vector]), 10)
    assert found[0]._replace(score=1.0) == Neighbour("ref-1", "label 1", 1.0, mirrored=True)
    assert {(one.id, one.mirrored) for one in found} == {(f"ref-{i}", side) for i in range(3) for side in (False, True)}

    again = mirrored(references(unit(1, 21)))[0]
    store.upsert(name, [again])
    assert store.count(name) == 3
    assert {one.id: one for one in store.references(name)}["ref-0"] == replace(again, version=4)
    assert store.delete(name, ["ref-0", "ref-2~m"]) == 1
    (found,) = store.search(name, np.float32([again.mirror.vector]), 10)
    assert {(one.id, one.mirrored) for one in found} == {(f"ref-{i}", side) for i in (1, 2) for side in (False, True)}
    assert store.count(name) == 2


def test_the_check_and_mirror_images_are_switched_on_only_if_all_references_have_them(store: Store, name: str):
    assert store.change(name, verify=Verify.REQUIRED, mirrored=Mirrored.STORED).version == 2  # it is empty
    store.upsert(name, mirrored(references(unit(3, 40))))
    check = CheckThresholds(0.125, 0.25)
    for verify in (Verify.OFF, Verify.SUPPORTS, Verify.REQUIRED):
        store.change(name, verify=verify, check=check, mirrored=Mirrored.STORED)
        assert (store.describe(name).verify, store.describe(name).check, store.count(name)) == (verify, check, 3)

    without = store.change(name, mirrored=Mirrored.QUERIED)
    assert (without.removed_version, store.count(name)) == (without.version, 3)
    assert [one.mirrored for one in store.search(name, unit(1, 40), 10)[0]] == [False] * 3
    with pytest.raises(StoreError, match=r"have no mirror images: .* --mirrored stored, and add the pictures again"):
        store.change(name, mirrored=Mirrored.STORED)
    store.change(name, mirrored=Mirrored.OFF, verify=Verify.OFF)
    store.upsert(name, references(unit(1, 41), "bare"))
    with pytest.raises(StoreError, match=r"have no features to check: .* --verify, and add the pictures again"):
        store.change(name, verify=Verify.SUPPORTS)
    assert store.describe(name).verify is Verify.OFF


def test_an_unknown_name_is_reported_in_one_sentence_with_the_fix(store: Store):
    calls = [
        lambda: store.describe("nowhere"),
        lambda: store.change("nowhere", note="x"),
        lambda: store.drop("nowhere"),
        lambda: store.upsert("nowhere", references(unit(1, 1))),
        lambda: store.known("nowhere", ["a"]),
        lambda: store.count("nowhere"),
        lambda: list(store.references("nowhere")),
        lambda: store.search("nowhere", unit(1, 1), 1),
        lambda: store.flush("nowhere"),
        lambda: store.features("nowhere", [Neighbour("a", "", 0.5)]),
        lambda: store.change("nowhere", verify=Verify.REQUIRED),
    ]
    for call in calls:
        with pytest.raises(UnknownSet, match=r"^there is no set named nowhere in .*`vigilens sets list`"):
            call()


def test_collections_of_others_are_not_sets_and_are_not_touched(store: Store):
    name = f"theirs_{secrets.token_hex(4)}"
    client = store._database._session._client
    client.create_collection(name, dimension=4, timeout=30)
    try:
        assert name not in {known.name for known in store.sets()}
        with pytest.raises(UnknownSet):
            store.drop(name)
        with pytest.raises(UnknownSet):
            store.upsert(name, references(unit(1, 1)))
        store.create(make_set(name))
        store.upsert(name, references(unit(1, 1)))
        store.drop(name)
        assert client.has_collection(name)
    finally:
        client.drop_collection(name, timeout=30)


def test_a_set_whose_creation_was_interrupted_before_its_index_is_completed(store: Store, name: str):
    client = store._database._session._client
    client.release_collection(name, timeout=30)
    client.drop_index(name, "vector", timeout=30)
    store._database._session.forget(name)
    vectors = unit(2, 14)
    store.upsert(name, references(vectors))
    assert store.search(name, vectors, 1)[1][0].id == "ref-1"


def test_a_name_that_is_taken_is_refused_and_nothing_is_changed(store: Store, untouched: str):
    with pytest.raises(StoreError, match="exists already"):
        store.create(make_set(untouched, category="other"))
    assert store.describe(untouched).category == "spam"


def test_several_threads_search_and_change_at_once(store: Store, name: str):
    known = unit(200, 16)
    store.upsert(name, references(known))

    def work(step: int) -> list[str]:
        if step % 4 == 0:
            store.upsert(name, references(unit(5, 1000 + step), f"more{step}"))
        return [found[0].id for found in store.search(name, known, 1)]

    with ThreadPoolExecutor(8) as threads:
        for answer in threads.map(work, range(24)):
            assert answer == [f"ref-{i}" for i in range(200)]
    assert store.count(name) == 200 + 6 * 5


@pytest.mark.usefixtures("store")
def test_a_missing_database_is_reported_in_one_sentence(uri: str):
    with pytest.raises(StoreError, match=r"does not have the database that milvus.database names"):
        Store(uri, database="nowhere")
