"""What the check needs of references is read with their facts, on Milvus Lite and on a server."""

import pytest
from milvus_fixtures import mirrored, references, unit

from reference_sets.model import Mirrored, Neighbour, ReferenceFacts
from reference_sets.store import Store

pytest_plugins = ["store_fixtures"]


def facts(one):
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
        assert other.features(name, [*sides, gone, *sides]) == {
            (one.id, side): (one.mirror.features if side else one.features, facts(one))
            for one in known
            for side in (False, True)
        }
    assert other.features(name, []) == {}


def test_references_that_are_not_in_use_take_no_places_in_a_search_for_those_that_are(store: Store, name: str):
    vectors = unit(6, 5)
    store.upsert(name, references(vectors))
    assert not store.any_disabled(name)
    store.set_state(name, ["ref-0", "ref-1"], "disabled")
    store.set_state(name, ["ref-2"], "disabled", disabled_until=1_000)
    assert store.any_disabled(name)

    def found(at: float | None) -> set[str]:
        return {one.id for one in store.search(name, vectors[:1], 4, in_use=at)[0]}

    assert found(999.0) == {"ref-3", "ref-4", "ref-5"}
    assert found(1_000.0) == {"ref-2", "ref-3", "ref-4", "ref-5"}
    assert "ref-0" in found(None)
