"""What the service sees of the sets: whole, fresh enough, and refused when it does not fit."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from milvus_fixtures import FINGERPRINT, make_set, references, unit

from reference_sets.in_force import SetsUnfit, Watch
from reference_sets.model import ReferenceSet, Thresholds
from reference_sets.store import Store

UseSets = Callable[..., Watch]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(str(tmp_path / "sets.db")) as opened:
        yield opened


class Counting:
    """A store that counts how often it is asked, and can be changed between two looks."""

    def __init__(self, *sets: ReferenceSet):
        self.known, self.asked = list(sets), 0

    def sets(self) -> tuple[ReferenceSet, ...]:
        self.asked += 1
        return tuple(self.known)

    def count(self, _: str) -> int:
        return 0


def test_all_sets_are_seen_when_none_is_named_and_only_the_named_ones_otherwise(store: Store):
    for name in ("alpha", "beta", "gamma"):
        store.create(make_set(name))
    assert [known.name for known in Watch(store, [], FINGERPRINT, 0).look().sets] == ["alpha", "beta", "gamma"]
    assert [known.name for known in Watch(store, ["gamma", "alpha"], FINGERPRINT, 0).look().sets] == ["gamma", "alpha"]


def test_version_and_thresholds_of_a_change_are_seen_together(store: Store):
    store.create(make_set("alpha"))
    watch = Watch(store, [], FINGERPRINT, 0)
    before = watch.look()
    store.upsert("alpha", references(unit(1, 1)))
    store.change("alpha", thresholds=Thresholds(0.5, 0.6))
    (after,) = watch.look().sets
    assert (after.version, after.thresholds) == (3, Thresholds(0.5, 0.6))
    assert before.sets[0].version == 1


def test_milvus_is_asked_once_while_a_look_is_good_however_many_threads_look():
    counting = Counting(make_set("alpha"))
    watch = Watch(counting, [], FINGERPRINT, 3600)
    threads = [threading.Thread(target=watch.look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counting.asked == 1
    always = Watch(counting, [], FINGERPRINT, 0)
    always.look()
    always.look()
    assert counting.asked == 3


def test_sets_of_another_encoder_are_refused_and_never_skipped():
    watch = Watch(Counting(make_set("alpha"), make_set("beta", encoder="pdq:other")), [], FINGERPRINT, 0)
    with pytest.raises(SetsUnfit, match=r"set beta was made by the encoder pdq:other, in use is test:.*sets\.use"):
        watch.look()


def test_sets_of_another_dimension_are_refused():
    watch = Watch(Counting(make_set("alpha"), make_set("beta", dimension=4)), [], FINGERPRINT, 0)
    with pytest.raises(SetsUnfit, match="alpha and beta have vectors of 8 and 4 values"):
        watch.look()


def test_a_named_set_that_is_missing_and_a_database_without_sets_name_the_mend(store: Store):
    with pytest.raises(SetsUnfit, match=r"names nowhere, which does not exist.*`vigilens sets create nowhere`"):
        Watch(store, ["nowhere"], FINGERPRINT, 0).look()
    with pytest.raises(SetsUnfit, match="there is no set to match against"):
        Watch(store, [], FINGERPRINT, 0).look()
