"""The count and the plan of the chaos: tested, so that the proof can be trusted."""

from dataclasses import replace

import pytest

from benchmarks.chaos_count import Counts, Published, count
from benchmarks.chaos_faults import BROKER_KINDS, Fault, Lane, execute, plan

TOPIC = "images"
INPUTS = {(0, 0): "a", (0, 1): "b", (0, 2): "c", (1, 0): "d"}
DONE = {0: 3, 1: 1}
EXPECTED = {(0, 0): "allow", (0, 1): "block", (0, 2): "allow", (1, 0): "allow"}


def published(partition, about, event_id, decision, grounds=None):
    return Published(partition, about, event_id, decision, grounds or EXPECTED.get(about, ""))


RIGHT = [published(5, (0, 0), "a", "allow"), published(5, (0, 1), "b", "block"), published(5, (0, 2), "c", "allow")]
LAST = published(6, (1, 0), "d", "allow")
METRICS = [{"allow": 2, "block": 1}, {"allow": 1}]
CLEAN = Counts(lost=0, twice=0, out_of_order=0, metrics_difference=0, unexpected=0, unfinished=0, ahead=0, different=0)


def counted(verdicts, metrics=METRICS, committed=DONE):
    return count(TOPIC, INPUTS, committed, verdicts, metrics, EXPECTED)


def test_one_verdict_for_each_event_in_order_counts_as_clean():
    counts = counted([*RIGHT, LAST])
    assert counts == CLEAN
    assert not counts.wrong()


def test_an_event_without_an_id_is_identified_by_its_place():
    assert counted([*RIGHT, published(6, (1, 0), "images/1/0", "unscannable")]) == CLEAN


@pytest.mark.parametrize(
    ("verdicts", "metrics", "committed", "name", "number"),
    [
        (RIGHT, [{"allow": 3}], DONE, "lost", 1),
        ([*RIGHT, LAST, LAST, LAST], [{"allow": 6}], DONE, "twice", 2),
        ([RIGHT[1], RIGHT[0], RIGHT[2], LAST], METRICS, DONE, "out_of_order", 1),
        # Two partitions have no common order, so readers could get the key's events in any order.
        ([*RIGHT[:2], published(4, (0, 2), "c", "allow"), LAST], METRICS, DONE, "out_of_order", 1),
        ([*RIGHT, LAST], [{"allow": 5}], DONE, "metrics_difference", 1),
        ([*RIGHT, LAST], [{"allow": 3}], DONE, "metrics_difference", -1),
        ([*RIGHT, LAST, published(6, (1, 7), "x", "allow")], [{"allow": 5}], DONE, "unexpected", 1),
        ([*RIGHT, LAST, published(6, (1, 0), "another's", "allow")], [{"allow": 5}], DONE, "unexpected", 1),
        ([*RIGHT, LAST], METRICS, {0: 3, 1: 0}, "ahead", 1),
        ([*RIGHT, published(6, (1, 0), "d", "allow", "by another set")], METRICS, DONE, "different", 1),
    ],
)
def test_each_kind_of_error_is_counted_and_nothing_else(verdicts, metrics, committed, name, number):
    counts = counted(verdicts, metrics, committed)
    assert counts == replace(CLEAN, **{name: number})
    assert counts.wrong()


def test_an_event_that_the_group_has_not_reached_is_unfinished_and_not_lost():
    counts = counted(RIGHT, [{"allow": 3}], {0: 3})
    assert (counts.lost, counts.unfinished) == (0, 1)
    assert not counts.wrong()


def test_a_seed_always_gives_the_same_plan_and_another_seed_another_plan():
    assert plan(1, 60, 3, 3) == plan(1, 60, 3, 3)
    assert plan(1, 60, 3, 3) != plan(2, 60, 3, 3)


def test_a_single_broker_is_never_killed():
    kinds = {fault.kind for seed in range(50) for fault in plan(seed, 60, 1, 2)["brokers"]}
    assert kinds == set(BROKER_KINDS[1])
    assert "broker_killed" not in kinds


def test_a_plan_of_a_minute_has_every_kind_of_fault(seed):
    kinds = {fault.kind for lane in plan(seed, 60, 3, 3).values() for fault in lane}
    assert set(BROKER_KINDS[3]) <= kinds
    assert {"worker_killed", "worker_stalled", "worker_stopped", "milvus_restarted", "milvus_killed"} <= kinds


class Dummy:
    """Records its calls; cannot be stopped."""

    def __init__(self):
        self.calls = []

    def kill(self):
        self.calls.append("kill")

    def start(self):
        self.calls.append("start")

    def pause(self):
        self.calls.append("pause")

    def resume(self):
        self.calls.append("resume")

    def stop(self):
        raise RuntimeError("would not stop")


def _fault(kind, at=0.0):
    return Fault(at, kind, 0, 0.0)


def test_faults_are_repaired_and_counted():
    one = Dummy()
    lane = Lane([_fault("worker_killed"), _fault("worker_stalled"), _fault("worker_killed", 99)], [one])
    done = execute({"worker": lane}, 5, lambda _: None)
    assert one.calls == ["kill", "start", "pause", "resume"]
    assert done == {"worker_killed": 1, "worker_stalled": 1}


def test_a_fault_that_cannot_be_repaired_ends_the_run():
    with pytest.raises(RuntimeError, match="would not stop"):
        execute({"worker": Lane([_fault("worker_stopped")], [Dummy()])}, 5, lambda _: None)
