"""Patched Milvus Lite reads only the fields that a search or query needs, and finds the same. On real files."""

from dataclasses import replace

import numpy as np
import pytest
from milvus_fixtures import features, make_set, mirrored, references, unit
from milvus_lite.engine import collection
from milvus_lite.storage.memtable import MemTable
from milvus_lite.storage.segment import Segment

from reference_sets.model import NO_FACTS, Mirrored, Verify
from reference_sets.store import Store
from vectors import bounds, lite_patch, lite_search


@pytest.fixture
def store(tmp_path):
    """A set with stored rows, and others that are not in a file yet."""
    with Store(str(tmp_path / "sets.db")) as opened:
        opened.create(make_set("alpha", verify=Verify.SUPPORTS, mirrored=Mirrored.STORED))
        opened.upsert("alpha", mirrored(references(unit(300, 1))))
        opened.flush("alpha")
        opened.upsert("alpha", mirrored(references(unit(20, 2), "later")))
        opened.delete("alpha", ["ref-7"])
        yield opened


def same(found, others):
    """Whether the same rows were found in the same order, and their scores differ by rounding only."""
    rows = [[(one.id, one.mirrored, one.label) for one in some] for some in found]
    scores = [[one.score for one in some] for some in found]
    return rows == [[(one.id, one.mirrored, one.label) for one in some] for some in others] and np.allclose(
        np.concatenate(scores), np.concatenate([[one.score for one in some] for some in others]), atol=1e-6
    )


@pytest.mark.parametrize("in_use", [None, 1e9], ids=["all rows", "rows for which a condition holds"])
def test_a_search_finds_the_same_as_without_the_patch(tmp_path, monkeypatch, rng, in_use):
    monkeypatch.setattr(lite_search, "_LARGE", 100)
    monkeypatch.setattr(lite_search, "_OFTEN", 0)
    monkeypatch.setattr(bounds, "_MOST", 1)
    with Store(str(tmp_path / "sets.db")) as store:
        store.create(make_set("alpha"))
        for part in range(6):  # rows in several files and in memory, with older versions, removed, and made again
            made = references(unit(300, part))[rng.randrange(100) : 200 + rng.randrange(100)]
            store.upsert("alpha", [replace(one, state="disabled" if rng.random() < 0.2 else "") for one in made])
            store.delete("alpha", [f"ref-{number}" for number in rng.sample(range(300), 40)])
            if part < 5:
                store.flush("alpha")
        queries = np.concatenate([unit(30, 5), unit(30, 2), unit(20, 9)])
        ours = store.search("alpha", queries, 40, in_use=in_use)
        monkeypatch.setattr(collection, "execute_search_with_index", lite_patch._search_whole)
        assert same(ours, store.search("alpha", queries, 40, in_use=in_use))
        assert {len(found) for found in ours} == {40}


def test_a_search_does_not_read_whole_rows(store, monkeypatch):
    def whole(_segment, _row):
        raise AssertionError("the vector and the keypoints are not needed")

    monkeypatch.setattr(Segment, "row_to_dict", whole)
    ((nearest, *_),) = store.search("alpha", unit(4, 1)[3:], 40)
    assert (nearest.id, nearest.label, nearest.mirrored) == ("ref-3", "label 3", False)


def test_counting_does_not_read_whole_rows_and_counts_the_same_as_without_the_patch(store, monkeypatch):
    counts = [store._database.count("alpha", each) for each in ("", 'part == ""', "mirrored == true", "version > 2")]
    assert counts == [638, 319, 319, 40]
    assert store.labelled("alpha", "label 3", "label 7") == {"ref-3", "later-3", "later-7"}

    def whole(*_):
        raise AssertionError("the vector and the keypoints are not needed")

    with monkeypatch.context() as patched:
        patched.setattr(Segment, "row_to_dict", whole)
        patched.setattr(MemTable, "materialize_row", whole)
        assert store.count("alpha") == 319
    monkeypatch.setattr(collection.Collection, "query", lite_patch._query_whole)
    assert [store._database.count("alpha", each) for each in ('part == ""', "version > 2")] == [319, 40]


def test_a_row_that_is_read_by_its_id_is_complete_and_only_what_is_asked_for_is_read(store, monkeypatch):
    (nearest,) = store.search("alpha", unit(4, 1)[3:], 1)[0]

    def whole(*_):
        raise AssertionError("the vector is not needed")

    with monkeypatch.context() as patched:
        patched.setattr(Segment, "row_to_dict", whole)
        patched.setattr(MemTable, "_row_to_dict", whole)
        assert store.features("alpha", [nearest, nearest._replace(id="later-3")]) == {
            (id_, False): (features(f"of {id_}"), NO_FACTS) for id_ in ("ref-3", "later-3")
        }
    known = {one.id: one for one in store.references("alpha")}
    assert known["ref-3"].vector == tuple(unit(4, 1)[3].tolist())


@pytest.mark.parametrize(
    ("whole", "function"),
    [("_search_whole", "execute_search_with_index"), ("_assemble_whole", "assemble_candidates")],
)
def test_a_milvus_lite_without_the_patched_function_is_left_alone(monkeypatch, whole, function):
    lite_patch.apply_patch()
    before = getattr(collection, function)
    monkeypatch.setattr(lite_patch, whole, None)
    monkeypatch.delattr(collection, function)
    lite_patch.apply_patch()
    assert not hasattr(collection, function)
    monkeypatch.undo()
    assert getattr(collection, function) is before


def test_a_query_with_a_condition_finds_the_newest_rows_only_as_without_the_patch(tmp_path, monkeypatch, rng):
    """Rows are stored again and deleted, in files and in memory, so that a condition holds for old rows only."""
    with Store(str(tmp_path / "sets.db")) as store:
        store.create(make_set("alpha"))
        known = references(unit(60, 1))
        for _ in range(12):
            some = rng.sample(known, 20)
            source = rng.choice(["one", "two"])
            store.upsert("alpha", [replace(one, source=source) for one in some])
            store.delete("alpha", [one.id for one in rng.sample(known, 5)])
            if rng.random() < 0.6:
                store.flush("alpha")
        some = 'id in ["ref-1", "ref-2", "ref-30", "ref-31", "ref-32", "none"]'
        filters = (
            some,
            'source == "one"',
            'source == "two"',
            "version > 12",
            'id >= "ref-3" and id < "ref-5"',
            'part == ""',
        )
        database = store._database

        def answers():
            rows = [sorted(row["id"] for row in database.query("alpha", each, ["id"])) for each in filters]
            return rows, [database.count("alpha", each) for each in filters]

        patched = answers()
        monkeypatch.setattr(collection, "assemble_candidates", lite_patch._assemble_whole)
        monkeypatch.setattr(collection.Collection, "query", lite_patch._query_whole)
        monkeypatch.setattr(collection.Collection, "get", lite_patch._get_whole)
        assert patched == answers()
        assert [len(rows) for rows in patched[0]] == patched[1]
