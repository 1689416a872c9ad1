import threading

import pytest
from fake_kafka import FakeProducer, NoProgressError
from fake_runs import run_once

from consumer import loop, membership
from consumer import transaction as publish
from consumer.batch import Batch, Fenced
from consumer.intake import Intake
from embedding.image import Reason

RUNS = 40


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """The model answers at once: check what is under way, and retry, after a millisecond."""
    monkeypatch.setattr(loop, "_BUSY_S", 0.001)
    monkeypatch.setattr("patience.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("consumer.transaction.LONGEST_PAUSE_S", 0.001)


def goes_wrong(first_seed):
    """Does one of the runs have a fault, or never end?"""
    return any(is_wrong(first_seed + number) for number in range(RUNS))


def is_wrong(seed):
    try:
        return any(run_once(seed).faults().values())
    except NoProgressError:
        return True


def test_every_event_gets_exactly_one_verdict_in_order_whatever_the_group_and_the_producer_do(seed):
    for number in range(RUNS):
        broker = run_once(seed + number)
        assert not any(broker.faults().values()), f"seed {seed + number}: {broker.faults()}"


def test_a_quiet_group_is_read_to_its_end_without_a_single_rewind():
    broker = run_once(1, trouble=0.0)
    assert broker.rebalances == 0
    assert not any(broker.faults().values())


def test_events_that_end_every_process_are_given_up_and_no_other_event_is(seed):
    killing = {(0, 17), (0, 18), (2, 41)}
    broker = run_once(seed, trouble=0.0, killing=killing)
    assert not any(broker.faults().values()), f"seed {seed}: {broker.faults()}"
    assert sorted(broker.given_up) == [(place, Reason.GAVE_UP) for place in sorted(killing)]
    assert 3 * len(killing) <= broker.ended <= 7 * len(killing)


def test_every_event_gets_exactly_one_verdict_while_processes_end_and_the_group_is_rebalanced(seed):
    killing = {(0, 17), (0, 18), (2, 41)}
    for number in range(RUNS // 4):
        broker = run_once(seed + number, killing=killing)
        assert not any(broker.faults().values()), f"seed {seed + number}: {broker.faults()}"
        assert {place for place, _ in broker.given_up} <= killing  # the other member of the model judges some


def test_without_a_check_of_the_futures_records_are_lost(seed, monkeypatch):
    monkeypatch.setattr(publish, "check", lambda _futures: None)
    assert goes_wrong(seed)


def test_with_the_membership_read_at_publish_events_are_judged_twice(seed, monkeypatch):
    monkeypatch.setattr(membership, "same", lambda _before, _after: True)  # the change is not noticed …
    monkeypatch.setattr(  # … and the generation is the present one
        FakeProducer,
        "send_offsets_to_transaction",
        lambda self, offsets, _: self.offsets.update(offsets),
    )
    assert goes_wrong(seed)


def test_without_a_rewind_events_are_lost_or_judged_twice(seed, monkeypatch):
    monkeypatch.setattr(Intake, "rewind", lambda _self: None)
    assert goes_wrong(seed)


def test_batches_that_are_kept_after_being_fenced_are_published_twice_or_refused_for_ever(seed, monkeypatch):
    monkeypatch.setattr(loop, "drop", lambda _under_way, _why="": None)
    assert goes_wrong(seed)


def test_committing_the_consumers_position_loses_what_is_under_way(seed, monkeypatch):
    taken = {}

    def newest(self):
        for event in self.events:
            taken[event.partition] = max(taken.get(event.partition, 0), event.offset + 20)
        return {at: min(offset, 60) for at, offset in taken.items()}

    monkeypatch.setattr(Batch, "next_offsets", property(newest))
    assert goes_wrong(seed)


def always():
    return True


class Verdicts:
    """An outlet; what a test does not define does nothing."""

    def announce(self, batch):
        pass

    def beat(self):
        pass


@pytest.mark.parametrize("idle", [True, False])
def test_a_batch_that_is_not_full_is_taken_only_when_the_workers_are_idle(idle):
    asked, stopping = [], threading.Event()

    class Asked:
        def take(self, _wait_s, *, full, busy):  # noqa: ARG002
            asked.append(full)
            stopping.set()

    loop.run(Asked(), None, Verdicts(), depth=1, stopping=stopping, idle=lambda: idle)
    assert asked == [not idle]


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_batches_are_published_oldest_first_however_long_each_is_judged(depth):
    published, gates = [], {number: threading.Event() for number in range(1, 7)}
    stopping, waiting = threading.Event(), list(gates)

    class Numbers:
        def take(self, _wait_s, **_full):
            if waiting:
                return waiting.pop(0)
            stopping.set()
            return None

        def stay(self):
            for gate in reversed(gates.values()):  # the youngest is done first
                gate.set()

        def rewind(self):
            raise AssertionError("nothing was fenced")

    class Keeps(Verdicts):
        def publish(self, batch, judged):
            assert batch == judged
            published.append(batch)

        def renew(self):
            raise AssertionError("nothing was fenced")

    def judge(number):
        assert gates[number].wait(10)
        return number

    loop.run(Numbers(), judge, Keeps(), depth=depth, stopping=stopping, idle=always)
    assert published == list(gates)


def test_events_that_have_arrived_are_fetched_while_a_batch_is_published():
    calls, stopping = [], threading.Event()

    class Endless:
        def take(self, _wait_s, **_full):
            calls.append("take")
            return "batch"

        def stay(self):
            calls.append("stay")

    class Two(Verdicts):
        def publish(self, _batch, _judged):
            calls.append("publish")
            if calls.count("publish") == 2:
                stopping.set()

    loop.run(Endless(), lambda batch: batch, Two(), depth=2, stopping=stopping, idle=always)
    before = [calls[at - 1] for at, what in enumerate(calls) if what == "publish"]
    assert set(before) == {"stay"}


def test_dropped_batches_that_are_still_judged_count_so_that_memory_is_bounded():
    gates, taken, stopping = [], [], threading.Event()

    class Restless:
        """The group is rebalanced after every batch, and no judging ends."""

        def take(self, _wait_s, **_full):
            taken.append(threading.Event())
            return taken[-1]

        def stay(self):
            if not gates:
                gates.append("full")
                raise Fenced("rebalanced")
            stopping.set()
            for each in taken:
                each.set()

        def rewind(self):
            pass

    class Nothing(Verdicts):
        def publish(self, _batch, _judged):
            pass

        def renew(self):
            pass

    loop.run(Restless(), lambda batch: batch.wait(10), Nothing(), depth=2, stopping=stopping, idle=always)
    assert len(taken) == 2  # not two more after the first two were dropped


def test_a_judge_that_fails_ends_the_loop_and_its_batch_is_not_published():
    class One:
        def take(self, _wait_s, **_full):
            return "batch"

        def stay(self):
            pass

    class Nowhere(Verdicts):
        def publish(self, _batch, _judged):
            raise AssertionError("it was not judged")

    def judge(_batch):
        raise RuntimeError("milvus has gone")

    with pytest.raises(RuntimeError, match="milvus has gone"):
        loop.run(One(), judge, Nowhere(), depth=1, stopping=threading.Event(), idle=always)
