"""Which collection is the set with a name, while copies of it are made and one replaces it."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from milvus_fixtures import make_set, references, unit

from reference_sets import description, rows
from reference_sets.model import Kind, Thresholds
from reference_sets.names import all_of, found_in
from reference_sets.store import DamagedSet, NewerSet, Store, UnknownSet


def properties(name: str = "alpha", **facts: str) -> dict[str, str]:
    return description.to_properties({**description.to_facts(make_set(name)), "ready": "true", **facts})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(str(tmp_path / "sets.db")) as opened:
        yield opened


@pytest.mark.parametrize(
    ("there", "collection"),
    [
        ({"alpha": properties(version="5"), "copy": properties(version="4")}, "alpha"),
        ({"alpha": properties(version="5"), "copy": properties(version="10")}, "copy"),
        ({"alpha": properties(version="5"), "copy": properties(version="5")}, "copy"),
        ({"alpha": properties(version="5"), "copy": properties(version="9", ready="false")}, "alpha"),
        ({"alpha": properties(version="5"), "copy": properties(version="many")}, "copy"),
        ({"alpha": properties(version="5"), "copy": properties(version="9", ready="perhaps")}, "copy"),
        ({"alpha": properties(version="5", kind="nonsense"), "copy": properties(version="9")}, "copy"),
        ({"copy": properties(), "alpha": properties("beta", version="9")}, "copy"),
        ({"alpha": properties(name="no name!")}, "alpha"),
        ({"alpha": {"vigilens.kind": "harmful"}}, "alpha"),
    ],
)
def test_the_set_is_the_ready_collection_with_the_highest_version(there: dict, collection: str):
    assert found_in(there)["alpha"].collection == collection


def test_a_set_is_only_what_is_ready_and_ours():
    there = {"alpha": properties(ready="false"), "beta": {"other.name": "alpha"}, "gamma": {}}
    assert found_in(there) == {}
    assert all_of(there, "alpha") == ["alpha"]


def test_of_all_collections_with_a_name_the_set_itself_is_the_last():
    there = {"a": properties(version="7"), "b": properties(version="9", ready="false"), "c": properties(version="3")}
    assert all_of({**there, "d": properties("delta")}, "alpha") == ["b", "c", "a"]


def test_a_copy_becomes_the_set_by_one_property_and_other_connections_follow(store: Store, tmp_path: Path):
    store.create(make_set("alpha"))
    store.upsert("alpha", references(unit(2, 1), "old"))
    with Store(str(tmp_path / "sets.db")) as other:
        vectors = unit(1, 2, dimension=4)
        assert other.search("alpha", unit(2, 1), 1)[0][0].id == "old-0"
        facts = {**description.to_facts(make_set("alpha", dimension=4, version=3)), "ready": "false"}
        copies = store._database
        copies.create("alpha_copy", rows.fields(4), description.to_properties(facts))
        (row,) = next(rows.messages(references(vectors, "new"), 3))
        copies.upsert("alpha_copy", [row])
        assert [(known.name, known.version) for known in other.sets()] == [("alpha", 2)]

        copies.alter("alpha_copy", {"vigilens.ready": "true"})
        assert [(known.name, known.version) for known in other.sets()] == [("alpha", 3)]
        assert other.describe("alpha").dimension == 4
        assert other.search("alpha", vectors, 5)[0][0].id == "new-0"
        copies.drop("alpha")
        assert store.search("alpha", vectors, 5)[0][0].id == "new-0"  # the connection had cached the old collection
        store.upsert("alpha", references(unit(1, 3, dimension=4), "later"))
        assert {one.id for one in other.references("alpha")} == {"new-0", "later-0"}


def test_what_is_written_while_a_copy_becomes_the_set_goes_into_the_copy(store: Store, monkeypatch: pytest.MonkeyPatch):
    store.create(make_set("alpha"))
    facts = {**description.to_facts(make_set("alpha", version=7)), "ready": "false"}
    store._database.create("alpha_copy", rows.fields(8), description.to_properties(facts))
    publish = store._claims.publish

    def switch(collection, name, write):
        store._database.alter("alpha_copy", {"vigilens.ready": "true"})
        return publish(collection, name, write)

    monkeypatch.setattr(store._claims, "publish", switch)
    store.upsert("alpha", references(unit(1, 1)))
    assert (store.describe("alpha").version, store.count("alpha")) == (8, 1)
    assert store._database.count("alpha") == 0


def test_no_copy_of_a_dropped_set_becomes_the_set(store: Store):
    store.create(make_set("alpha"))
    for name, ready in (("alpha_old", "true"), ("alpha_new", "false")):
        store._database.create(name, rows.fields(8), properties(ready=ready))
    store.create(make_set("beta"))
    store.drop("alpha")
    assert list(store._database.all()) == ["beta"]
    with pytest.raises(UnknownSet):
        store.drop("alpha")


def test_a_damaged_set_is_listed_with_its_fix_beside_the_others_and_repaired_step_by_step(store: Store):
    for name in ("alpha", "beta", "gamma"):
        store.create(make_set(name))
    store.upsert("alpha", references(unit(1, 1)))
    store._database.alter("alpha", {"vigilens.severity": "9999", "vigilens.review": "low"})
    store._database.alter("gamma", {"vigilens.needs": "tides"})
    listing = store.listing()
    assert [known.name for known in listing.sets] == ["beta"]
    assert [(one.name, "damaged: severity" in one.why, "needs tides" in one.why) for one in listing.unreadable] == [
        ("alpha", True, False),
        ("gamma", False, True),
    ]
    with pytest.raises(DamagedSet):
        store.sets()
    with pytest.raises(DamagedSet):
        store.upsert("alpha", references(unit(1, 2), "more"))
    with pytest.raises(DamagedSet, match="damaged: review is"):
        store.change("alpha", severity=60)
    repaired = store.change("alpha", thresholds=Thresholds(0.5, 0.75))
    assert repaired == make_set("alpha", version=4, severity=60, thresholds=Thresholds(0.5, 0.75))
    assert store.count("alpha") == 1
    with pytest.raises(NewerSet):
        store.change("gamma", kind=Kind.ALLOW)
    assert store._database.properties("gamma")["vigilens.kind"] == "harmful"
    with pytest.raises(NewerSet):
        store.upsert("gamma", references(unit(1, 2)))
    store.drop("gamma")
    assert [known.name for known in store.sets()] == ["alpha", "beta"]


def test_a_set_of_the_previous_version_is_opened_and_changed_and_the_key_of_a_later_version_stays(store: Store):
    before = json.loads(Path(__file__).with_name("before.json").read_text(encoding="utf-8"))
    store._database.create("spam", rows.fields(256), before)
    assert store.describe("spam").unknown == (("tomorrow", '{"level": 3}'),)
    store.upsert("spam", references(unit(2, 1, dimension=256)))
    changed = store.change("spam", severity=70)
    assert (changed.version, changed.unknown) == (4, (("tomorrow", '{"level": 3}'),))
    now = store._database.properties("spam")
    assert now.pop("vigilens.changed_at")  # is new
    assert now == {**before, "vigilens.severity": "70", "vigilens.version": "4"}


def test_references_are_counted_correctly_if_only_some_have_a_mirror_image(store: Store):
    store.create(make_set("alpha"))
    store.upsert("alpha", references(unit(3, 1)))
    (own,) = next(rows.messages(references(unit(1, 2), "both"), 2))
    mirror = {**own, "id": "both-0~m", "mirrored": True, "part": "~m", "vector": list(-np.float32(own["vector"]))}
    store._database.upsert("alpha", [own, mirror])
    assert store.count("alpha") == 4
