"""Milvus Lite's searches read what is asked for; what they find is the same. On real files."""

import numpy as np
import pytest
from milvus_fixtures import make_set, mirrored, references, unit
from milvus_lite.engine import collection
from milvus_lite.storage.segment import Segment

from reference_sets.model import Mirrored, Verify
from reference_sets.store import Store
from vectors import lite_patch as lite_rows


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


def test_a_search_finds_what_milvus_lite_itself_finds_with_whole_rows(store, monkeypatch):
    queries = np.concatenate([unit(30, 1), unit(20, 3)])
    narrow = store.search("alpha", queries, 40)
    monkeypatch.setattr(collection, "execute_search_with_index", lite_rows._search_whole)
    assert narrow == store.search("alpha", queries, 40)
    assert {len(found) for found in narrow} == {40}
    assert narrow[8][0].label == "label 8"


def test_a_search_makes_no_row_whole(store, monkeypatch):
    def whole(_segment, _row):
        raise AssertionError("the vector and the keypoints are not needed")

    monkeypatch.setattr(Segment, "row_to_dict", whole)
    ((nearest, *_),) = store.search("alpha", unit(4, 1)[3:], 40)
    assert (nearest.id, nearest.label, nearest.mirrored) == ("ref-3", "label 3", False)


def test_what_is_read_by_its_id_is_whole(store):
    (nearest,) = store.search("alpha", unit(4, 1)[3:], 1)[0]
    assert store.features("alpha", [nearest]) == {("ref-3", False): b"of ref-3"}
    known = {one.id: one for one in store.references("alpha")}
    assert known["ref-3"].vector == tuple(unit(4, 1)[3].tolist())


def test_a_milvus_lite_without_that_function_searches_as_it_does(monkeypatch):
    before = collection.execute_search_with_index
    monkeypatch.setattr(lite_rows, "_search_whole", None)
    monkeypatch.delattr(collection, "execute_search_with_index")
    lite_rows.read_less()
    assert not hasattr(collection, "execute_search_with_index")
    monkeypatch.undo()
    assert collection.execute_search_with_index is before
