"""Approximate indexes: what they find, how they are chosen, and what is left of one whose change was killed."""

import numpy as np
import pytest
from milvus_fixtures import clustered, make_set, references

from reference_sets.choose_index import IndexRefused, choose
from reference_sets.in_memory.constants import IN_MEMORY, NO_VECTOR
from reference_sets.indexes import index, measured
from reference_sets.planted import bounds, planted
from reference_sets.store import Store
from vectors.errors import StoreError
from vectors.index import EXACT, HNSW, IVF_FLAT, IVF_SQ8, Index

DIMENSION = 32


@pytest.mark.parametrize("kind", [IVF_FLAT, HNSW])
def test_a_change_of_the_index_that_was_killed_is_completed_by_whoever_opens_the_set_next(tmp_path, kind, seed):
    path = str(tmp_path / "sets.db")
    with Store(path) as store:
        store.create(make_set("alpha"))
        vectors = clustered(300, seed)
        store.upsert("alpha", references(vectors))
        options = '{"M": 8, "efConstruction": 50, "ef": 100}' if kind == HNSW else '{"nlist": 8, "nprobe": 8}'
        store.change("alpha", index=kind, index_options=options)  # and nothing was built
    with Store(path) as store:
        assert store.search("alpha", vectors[:3], 1, index=index(store.describe("alpha")))[2][0].id == "ref-2"
        described = store._database._session._client.describe_index("alpha", "vector")
        assert described["index_type"] == kind.upper()
        store.set_index("alpha", EXACT, {})
        assert store._database._session._client.describe_index("alpha", "vector")["index_type"] == "FLAT"
        assert store.describe("alpha").needs == make_set("alpha").needs


def test_an_index_is_chosen_that_finds_planted_copies_and_is_recorded_with_what_was_measured(tmp_path, seed):
    lines: list[str] = []
    with Store(str(tmp_path / "sets.db")) as store:
        store.create(make_set("alpha", dimension=DIMENSION, probe=(0.5,) * DIMENSION))
        store.upsert("alpha", references(clustered(1500, seed, DIMENSION)))
        store.flush("alpha")
        found = choose(store, "alpha", IVF_FLAT, 10, slower=True, progress=lines.append)
        described = store.describe("alpha")
    assert found.recall >= 0.995
    assert found.lower < found.recall
    assert index(described) == found.index
    assert 1 <= found.index.search["nprobe"] <= found.index.build["nlist"] == 128
    assert measured(described)["references"] == 1500
    assert "index" in described.needs  # who does not know indexes must not judge by the set
    assert len(lines) > 2


def test_an_index_that_finds_too_little_is_refused_with_the_number_and_the_set_stays_exact(tmp_path, monkeypatch, seed):
    with Store(str(tmp_path / "sets.db")) as store:
        store.create(make_set("alpha", dimension=DIMENSION, probe=(0.5,) * DIMENSION))
        with pytest.raises(IndexRefused, match="0 references"):
            choose(store, "alpha", IVF_SQ8, 10)
        store.create(make_set("hashes", encoder="pdq:1", dimension=256, probe=(0.0625,) * 256))
        with pytest.raises(IndexRefused, match="searched in memory"):
            choose(store, "hashes", IVF_SQ8, 10)
        store.upsert("alpha", references(clustered(1000, seed, DIMENSION)))
        store.flush("alpha")  # rows that are in no file yet are compared one by one
        monkeypatch.setattr("reference_sets.choose_index._steps", lambda _: [{"nprobe": 1}])
        with pytest.raises(IndexRefused, match=r"alpha is searched exactly: ivf_sq8 finds 0\.\d{4} of the planted"):
            choose(store, "alpha", IVF_SQ8, 10)
        assert index(store.describe("alpha")) == Index()
        assert store._database._session._client.describe_index("alpha", "vector")["index_type"] == "FLAT"


def test_a_list_of_hashes_has_no_index_to_choose_and_stays_as_it_is(tmp_path):
    with Store(str(tmp_path / "sets.db")) as store:
        store.create(make_set("list", dimension=2, probe=NO_VECTOR, index=IN_MEMORY))
        for kind in (EXACT, IVF_FLAT):
            with pytest.raises(StoreError, match="list is a list of hashes"):
                store.set_index("list", kind, {})
        assert store.describe("list").index == IN_MEMORY


def test_planted_copies_have_the_cosines_of_edited_ones_and_of_a_sets_threshold(seed):
    random, vectors = np.random.default_rng(seed), clustered(100, seed, DIMENSION)
    copies = planted(vectors, 500, -1, random)
    np.testing.assert_allclose(np.linalg.norm(copies.vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.sum(copies.vectors * vectors[copies.sources], axis=1), copies.cosines, atol=1e-5)
    assert (copies.cosines.min(), copies.cosines.max()) == pytest.approx((0.38, 0.86), abs=1e-5)
    assert planted(vectors, 50, 0.7, random).cosines.min() > 0.7
    assert planted(np.repeat(vectors[:1], 9, axis=0), 20, -1, random).cosines.max() < 0.87


@pytest.mark.parametrize(("hits", "of", "expected"), [(0, 0, (0, 1)), (95, 100, (0.9, 0.9756)), (64, 64, (0.9594, 1))])
def test_bounds_of_a_share_are_wilsons(hits, of, expected):
    assert bounds(hits, of) == pytest.approx(expected, abs=2e-3)
