"""Lag and who owns what, from the group's state and the loop's progress; the brokers are a hand-written fake."""

import pytest
from kafka import TopicPartition
from kafka.errors import NodeNotReadyError

from consumer import monitor as monitor_module
from consumer.group import GroupState
from consumer.metrics import Metrics
from consumer.monitor import Monitor
from consumer.progress import Progress


class Brokers:
    """The group as a test sets it; `away`: they do not answer."""

    def __init__(self):
        self.ends, self.committed, self.owned, self.members, self.away = {0: 0, 1: 0}, {0: 0, 1: 0}, {0, 1}, 2, False

    def state(self):
        if self.away:
            raise NodeNotReadyError(1)
        return GroupState(dict(self.ends), dict(self.committed), frozenset(self.owned), self.members)

    def close(self):
        pass


class Clock:
    """Seconds that a test sets."""

    def __init__(self):
        self.now = 1_000.0

    def monotonic(self):
        return self.now

    def time(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(monitor_module, "time", made)
    return made


class World:
    """A monitor, with all that it measures."""

    def __init__(self, clock):
        self.clock, self.brokers, self.progress, self.metrics = clock, Brokers(), Progress(), Metrics()
        self.monitor = Monitor(self.brokers, self.progress, self.metrics, "kafka.example:9092")

    def reads(self, positions, taken=None):
        self.progress.rewound([])
        for partition, events in (taken or {}).items():
            self.progress.took(at(partition), events)
        owned = [at(partition) for partition in positions]
        self.progress.reads(owned, {at(p): offset for p, offset in positions.items() if offset is not None})

    def shown(self, name, seconds=0.0):
        """The series of a metric after one more look, `seconds` later."""
        self.clock.now += seconds
        self.monitor.look()
        found = [each for family in self.metrics.registry.collect() for each in family.samples if each.name == name]
        return {each.labels.get("partition"): each.value for each in found}


def at(partition):
    return TopicPartition("images", partition)


@pytest.fixture
def world(clock):
    return World(clock)


def test_lag_counts_what_was_taken_and_has_no_verdict_and_no_markers_of_transactions(world):
    world.brokers.ends, world.brokers.committed = {0: 120, 1: 50}, {0: 100, 1: 50}
    world.reads({0: 115, 1: 50}, taken={0: 12})  # of the 20 after the committed offset 3 are markers, 12 are taken
    assert world.shown("vigilens_consumer_lag") == {"0": 17, "1": 0}
    world.progress.committed([at(0)] * 8)
    assert world.shown("vigilens_consumer_lag") == {"0": 9, "1": 0}


def test_what_was_polled_before_a_rewind_is_read_again_and_counts_once(world):
    world.brokers.ends[0] = 10
    world.progress.took(at(0), 10)
    world.progress.reads([at(0)], {at(0): 10})
    assert world.shown("vigilens_consumer_lag")["0"] == 10
    world.progress.rewound([at(0)])
    world.progress.reads([at(0)], {at(0): 0})
    assert world.shown("vigilens_consumer_lag")["0"] == 10


def test_a_partition_that_is_ours_but_not_read_yet_counts_from_its_committed_offset(world):
    world.brokers.ends[0], world.brokers.committed[0] = 300, 10
    world.reads({0: None})
    assert world.shown("vigilens_consumer_lag") == {"0": 290}


def test_partitions_without_an_owner_are_shown_by_all_and_those_of_others_by_none(world):
    world.brokers.ends, world.brokers.owned = {0: 5, 1: 7, 2: 9}, {0, 2}
    world.brokers.committed = {0: 0, 1: 0, 2: 0}
    world.reads({0: 5}, taken={0: 5})
    assert world.shown("vigilens_consumer_lag") == {"0": 5, "1": 7}
    assert world.shown("vigilens_group_unowned_partitions") == {None: 1}
    assert world.shown("vigilens_group_members") == {None: 2}
    assert world.shown("vigilens_partitions_owned") == {None: 1}


def test_the_oldest_waiting_grows_while_the_committed_offset_stands_and_ends_when_it_moves(world):
    world.brokers.ends[0] = 300
    world.reads({0: 100}, taken={0: 100})
    oldest = "vigilens_oldest_waiting_seconds"
    assert world.shown(oldest)["0"] == 0
    assert world.shown(oldest, 30)["0"] == 30
    world.brokers.committed[0] = 64
    assert world.shown(oldest, 2)["0"] == 0
    assert world.shown(oldest, 2)["0"] == 2


def test_a_quiet_partition_has_nothing_that_waits_however_long_its_offset_stands(world):
    world.reads({0: 0, 1: 0})
    world.shown("vigilens_consumer_lag")
    world.shown("vigilens_consumer_lag", 3600)
    world.brokers.ends[0] = 1
    assert world.shown("vigilens_oldest_waiting_seconds", 2) == {"0": 2, "1": 0}  # it came since the last look


def test_while_the_brokers_do_not_answer_the_last_lag_stays_and_grows_older(world, caplog):
    world.brokers.ends[0] = 300
    world.reads({0: 0})
    world.shown("vigilens_consumer_lag")
    seen_at = world.clock.now
    world.brokers.away = True
    assert world.shown("vigilens_consumer_lag", 10)["0"] == 300
    assert world.shown("vigilens_oldest_waiting_seconds", 10)["0"] == 20
    assert world.shown("vigilens_lag_timestamp_seconds") == {None: seen_at}
    world.monitor.look()
    assert [each.fields["why"] for each in caplog.records] == [
        "no broker answers at kafka.example:9092 (NodeNotReadyError)"
    ]


def test_a_quiet_partition_with_aborted_records_at_its_end_has_not_waited_when_it_changes_its_owner(world):
    oldest = "vigilens_oldest_waiting_seconds"
    world.brokers.ends[1] = 8
    world.reads({0: 0})
    assert world.shown(oldest, 3600) == {"0": 0}
    world.brokers.owned = set()  # the group is rebalanced
    assert world.shown(oldest, 2) == {"0": 0, "1": 2}
    world.reads({0: 0, 1: None})
    assert world.shown(oldest, 2)["1"] == 4
    world.reads({0: 0, 1: 8})
    assert world.shown(oldest, 2) == {"0": 0, "1": 0}


def test_partitions_that_another_process_takes_over_are_no_longer_shown(world):
    world.reads({0: 0, 1: 0})
    assert world.shown("vigilens_consumer_lag") == {"0": 0, "1": 0}
    world.reads({1: 0})
    assert world.shown("vigilens_consumer_lag") == {"1": 0}


def test_without_the_right_to_describe_the_group_the_lag_of_our_partitions_is_still_known(world):
    world.brokers.members, world.brokers.owned, world.brokers.ends[0] = None, set(), 8
    world.reads({0: 3})
    assert world.shown("vigilens_consumer_lag") == {"0": 5}
    assert world.shown("vigilens_group_members") == {None: 0}
