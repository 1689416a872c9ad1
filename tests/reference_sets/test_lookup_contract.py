"""What is read of very many references, and their states, on each kind of Milvus."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from milvus_fixtures import clustered, features, make_set, mirrored, references, unit

from reference_sets.indexes import index
from reference_sets.model import DISABLED, Mirrored, Neighbour, ReferenceFacts, Verify
from reference_sets.restrict import set_state
from reference_sets.store import Store
from vectors import database
from vectors.index import IVF_SQ8, Index
from vectors.key_ranges import KeyRange, ranges

pytest_plugins = ["store_fixtures"]


def hashed(number: int, source: str = "") -> list:
    digests = [hashlib.sha256(b"%d" % each).hexdigest() for each in range(number)]
    rows = zip(references(unit(number, 1)), digests, strict=True)
    return [replace(one, id=f"{digest}-{'0' * 16}", digest=digest, source=source) for one, digest in rows]


def test_all_references_are_read_once_in_parts(store: Store, name: str, monkeypatch: pytest.MonkeyPatch):
    known = hashed(300) + references(unit(40, 2), "case")  # ids of another form are all in one part
    store.upsert(name, known)
    monkeypatch.setattr(database, "MAX_QUERIES", 32)
    listed = [one for part in store.listed(name) for one in part]
    assert len(listed) == 340
    assert dict(listed).keys() == {one.id for one in known}
    assert {id_: one.digest for id_, one in listed} == {one.id: one.digest for one in known}
    since = [pair for part in store.digests_since(name, 0) for pair in part]
    assert sorted(since) == sorted((one.id, one.digest) for one in known[:300])


def test_only_what_a_source_gave_is_read(store: Store, name: str):
    store.upsert(name, hashed(5, 'a "source"\\') + references(unit(3, 2), "other"))
    assert len([one for part in store.listed(name, 'a "source"\\') for one in part]) == 5
    assert store.count(name) == 8


def test_a_reference_that_is_stored_again_or_removed_is_read_as_it_is_now(store: Store, name: str):
    known = hashed(20, "first")
    store.upsert(name, known)
    store.flush(name)
    store.upsert(name, [replace(one, source="second") for one in known[:5]])
    store.delete(name, [one.id for one in known[4:8]])
    for _ in range(2):
        assert {id_ for part in store.listed(name, "first") for id_, _ in part} == {one.id for one in known[8:]}
        assert {id_ for part in store.listed(name, "second") for id_, _ in part} == {one.id for one in known[:4]}
        assert store.count(name) == 16
        store.flush(name)


def test_a_state_is_changed_with_a_new_version_and_nothing_else(store: Store):
    new = make_set(verify=Verify.SUPPORTS, mirrored=Mirrored.STORED)
    store.create(new)
    known = [replace(one, tags=("a",), extra={"k": 1}, source="s") for one in mirrored(references(unit(3, 4)))]
    store.upsert(new.name, known)
    before = {one.id: one for one in store.references(new.name)}
    assert set_state(store, new.name, ["ref-1", "no-such", "not valid!"], DISABLED, 12) == 1
    after = {one.id: one for one in store.references(new.name)}
    version = store.describe(new.name).version
    assert after["ref-1"] == replace(before["ref-1"], state=DISABLED, disabled_until=12, version=version)
    assert after["ref-1"].mirror is not None
    assert after["ref-1"].mirror.features == features("mirror of ref-1")
    assert {id_: one for id_, one in after.items() if id_ != "ref-1"} == {
        id_: one for id_, one in before.items() if id_ != "ref-1"
    }
    assert set_state(store, new.name, ["no-such"], DISABLED) == 0
    assert store.describe(new.name).version == version
    store.drop(new.name)


@pytest.mark.parametrize("rows", [0, 1, 8_000, 8_193, 200_000, 5_000_000, 10**9])
def test_each_key_is_in_exactly_one_range(rows: int):
    some = list(ranges(rows, 8_192))
    keys = ["0", "00", "000", "0a", "9", "a", "f", "ff", "fff0", "case-1", "A", "~", "-", "7f3"]
    for key in keys:
        assert sum(low <= key and (not high or key < high) for low, high in some) == 1, key
    assert rows / len(some) <= 8_192 or len(some) == 16**4
    assert KeyRange("0", "1").condition('a == "x"') == '(id >= "0") and (id < "1") and (a == "x")'


def facts_of(one):
    return ReferenceFacts(one.ceiling, one.state, one.disabled_until, one.source, one.source_id, one.tags)


def test_features_are_read_for_all_neighbours_but_removed_ones(
    store: Store, other: Store, name: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("reference_sets.store.FEATURE_ROWS", 2)
    store.change(name, mirrored=Mirrored.STORED)
    for step in range(3):
        known = mirrored(references(unit(3, 30 + step), f"step{step}"))
        store.upsert(name, known)
        sides = [Neighbour(one.id, one.label, 0.5, side) for one in known for side in (False, True)]
        gone = Neighbour("gone", "", 0.5)
        version = store.describe(name).version
        written = other.written_since(name, version - 1, 100)
        assert sorted(written) == sorted(((one.id, one.mirrored), version) for one in sides)
        assert len(other.written_since(name, 0, 5)) == 5
        newer = dict(written) | {("gone", False): version, (known[0].id, False): version + 1}
        assert other.features(name, [*sides, gone, *sides], newer) == {
            (one.id, side): (one.mirror.features if side else one.features, facts_of(one))
            for one in known
            for side in (False, True)
        }
    assert other.features(name, []) == {}


def test_references_that_are_not_in_use_take_no_places_in_a_search_for_those_that_are(store: Store, name: str):
    vectors = unit(6, 5)
    store.upsert(name, references(vectors))
    assert not store.any_disabled(name)
    set_state(store, name, ["ref-0", "ref-1"], "disabled")
    set_state(store, name, ["ref-2"], "disabled", disabled_until=1_000)
    assert store.any_disabled(name)

    def found(at: float | None) -> set[str]:
        return {one.id for one in store.search(name, vectors[:1], 4, in_use=at)[0]}

    assert found(999.0) == {"ref-3", "ref-4", "ref-5"}
    assert found(1_000.0) == {"ref-2", "ref-3", "ref-4", "ref-5"}
    assert "ref-0" in found(None)


def test_an_approximate_index_has_exact_scores_and_misses_nothing_for_a_reader_that_does_not_know_it(
    store: Store, name: str, seed: int
):
    vectors, queries = clustered(1500, seed), clustered(40, seed + 1)
    store.upsert(name, references(vectors))
    store.flush(name)
    exact = store.search(name, queries, 10)
    store.set_index(name, IVF_SQ8, {"nlist": 32, "nprobe": 32})
    everywhere, little = Index(IVF_SQ8, {"nlist": 32}, {"nprobe": 32}), Index(IVF_SQ8, {"nlist": 32}, {"nprobe": 1})
    assert index(store.describe(name)) == everywhere
    found = store.search(name, queries, 10, index=everywhere)
    assert [[one.id for one in near] for near in found] == [[one.id for one in near] for near in exact]
    for query, near in zip(queries, found, strict=True):
        cosines = [float(query @ vectors[int(one.id.removeprefix("ref-"))]) for one in near]
        np.testing.assert_allclose([one.score for one in near], cosines, atol=1e-5)

    def missed(near: list[list[Neighbour]]) -> int:
        pairs = zip(near, exact, strict=True)
        return sum(len({one.id for one in best} - {one.id for one in some}) for some, best in pairs)

    assert missed(store.search(name, queries, 10)) < 20  # of 400: a byte for each value may confuse two
    assert missed(store.search(name, queries, 10, index=little)) > 40
