"""The recall canary: an index that misses copies is noticed within three rounds, and the set is searched exactly."""

import logging

import pytest
from milvus_fixtures import clustered, make_set, references

from reference_sets import canary
from reference_sets.canary import Canary
from reference_sets.indexes import index
from reference_sets.store import Store
from vectors.errors import StoreError
from vectors.index import IVF_FLAT, Index

DIMENSION = 32


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with Store(str(tmp_path_factory.mktemp("canary") / "sets.db")) as opened:
        opened.create(make_set("alpha", dimension=DIMENSION, probe=(0.5,) * DIMENSION))
        opened.upsert("alpha", references(clustered(1500, 7, DIMENSION)))
        opened.flush("alpha")
        yield opened


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def rounds(watching: Canary, clock: Clock, store: Store, number: int) -> Index:
    known = store.describe("alpha")
    for _ in range(number):
        clock.now += canary.EVERY_S
        last = watching.index(known, 10)
    return last


def test_an_index_that_finds_enough_is_reported_and_used_as_it_is(store, seed):
    store.set_index("alpha", IVF_FLAT, {"nlist": 32, "nprobe": 32})
    clock = Clock()
    watching = Canary(store, clock, seed)
    assert rounds(watching, clock, store, 6) == index(store.describe("alpha"))
    (recall,) = watching.recalls([store.describe("alpha")]).values()
    assert 0.98 < recall.lower < recall.share
    assert recall.share >= 0.99


def test_an_index_with_one_probe_is_noticed_and_the_set_is_searched_exactly_until_it_is_chosen_again(
    store, seed, caplog
):
    store.set_index("alpha", IVF_FLAT, {"nlist": 32, "nprobe": 1})
    clock = Clock()
    watching = Canary(store, clock, seed)
    assert rounds(watching, clock, store, 2).search == {"nprobe": 1}
    assert not caplog.records
    assert not watching.recalls([store.describe("alpha")])["alpha"].low
    with caplog.at_level(logging.WARNING):
        assert rounds(watching, clock, store, 3).search == {}  # all cells
    assert [one.getMessage() for one in caplog.records if "misses too many copies" in one.getMessage()]
    recall = watching.recalls([store.describe("alpha")])["alpha"]
    assert (recall.share < 0.97, recall.low) == (True, True)
    store.set_index("alpha", IVF_FLAT, {"nlist": 32, "nprobe": 32})
    assert rounds(watching, clock, store, 1).search == {"nprobe": 32}


def test_a_set_that_is_too_large_is_only_reported(store, seed, monkeypatch, caplog):
    monkeypatch.setattr(canary, "_FITS", 1000)
    store.set_index("alpha", IVF_FLAT, {"nlist": 32, "nprobe": 1})
    clock = Clock()
    assert rounds(Canary(store, clock, seed), clock, store, 5).search == {"nprobe": 1}
    assert sum("too large to be searched exactly" in one.getMessage() for one in caplog.records) == 1


def test_it_asks_once_a_minute_and_never_about_sets_that_are_searched_exactly(store, seed):
    store.set_index("alpha", IVF_FLAT, {"nlist": 32, "nprobe": 32})
    clock = Clock()
    watching = Canary(store, clock, seed)
    known = store.describe("alpha")
    for _ in range(50):
        watching.index(known, 10)
    counts = watching._states[canary._which(known)].counts()
    assert 0 < counts[1] <= canary.COPIES
    assert Canary(store, clock, seed).recalls([known]) == {}
    assert watching.index(make_set("beta"), 10) == Index()


def test_a_canary_that_cannot_look_does_not_end_the_search(seed, caplog):
    class Refuses(Store):
        def __init__(self) -> None:
            pass

        def sample(self, *_: object) -> None:  # type: ignore[override]  # it only raises
            raise StoreError("no")

    known = make_set("alpha", index=IVF_FLAT, index_options='{"nlist": 32, "nprobe": 3}')
    assert Canary(Refuses(), seed=seed).index(known, 10).search == {"nprobe": 3}
    assert "not known" in caplog.text


def test_a_set_that_is_searched_for_more_neighbours_than_the_canary_samples_is_watched_too(store, seed):
    """The check looks at more than 200 neighbours in sets of 160,000 and more."""
    store.set_index("alpha", IVF_FLAT, {"nlist": 32, "nprobe": 1})
    watching = Canary(store, Clock(), seed)
    known = store.describe("alpha")
    watching.index(known, canary._SAMPLE + 50)
    assert watching.recalls([known])["alpha"].share < 1
