"""Cases of the intake that the model of Kafka in test_loop.py does not reach."""

import random
import threading
from types import SimpleNamespace

import pytest
from fake_kafka import TOPIC, FakeBroker, FakeConsumer, FakeTopic, record
from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import CommitFailedError, CorruptRecordError, KafkaConnectionError, KafkaTimeoutError
from kafka.structs import MemberState

from consumer.batch import Fenced
from consumer.intake import Intake, Limits
from consumer.offsets import Offsets
from patience import Away, Patience

FIRST = TopicPartition(TOPIC, 0)


class Scripted(FakeConsumer):
    """Polls return what a test put into `coming`."""

    def __init__(self, coming, generation=1, member="us"):
        super().__init__(FakeBroker(random.Random(0), trouble=0.0), threading.Event())
        self.coming, self.generation, self.member = list(coming), generation, member
        self.positions, self.commits, self.begins, self.ends = {FIRST: 0}, {}, 0, {FIRST: 40}

    def poll(self, timeout_ms, max_records):  # noqa: ARG002 (kafka-python's signature)
        records = self.coming.pop(0) if self.coming else []
        return {FIRST: records} if records else {}

    def committed(self, at, *, metadata, timeout_ms):  # noqa: ARG002
        return self.commits.get(at)

    def end_offsets(self, partitions, timeout_ms):  # noqa: ARG002
        return {at: self.ends[at] for at in partitions}

    def beginning_offsets(self, partitions, timeout_ms):  # noqa: ARG002
        return dict.fromkeys(partitions, self.begins)

    def commit(self, offsets, timeout_ms):  # noqa: ARG002
        self.commits |= offsets


def intake(consumer, *, images=4, size=1_000, give_up_s=5.0, on_wait=lambda _who, _why: None):
    topic = FakeTopic()
    made = Intake(
        consumer,
        topic=topic,
        offsets=Offsets(consumer, topic, "earliest", None),
        members=list,
        limits=Limits(images=images, size=size, wait_s=0.0, max_attributes_bytes=100),
        patience=Patience(5.0),
        stopping=threading.Event(),
        give_up_s=give_up_s,
        on_wait=on_wait,
    )
    made._membership = consumer.group_metadata()  # as after the rewind at the start of a generation
    return made


def records(first, count, value=b"picture"):
    return [SimpleNamespace(**{**vars(record(FIRST, first + n)), "value": value}) for n in range(count)]


def offsets(batch):
    return [event.offset for event in batch.events]


def test_a_batch_closes_by_count_and_the_remaining_events_come_next():
    taken = intake(Scripted([records(0, 6)]))
    assert offsets(taken.take(0.0)) == [0, 1, 2, 3]
    assert offsets(taken.take(0.0)) == [4, 5]
    assert taken.take(0.0) is None


def test_a_batch_closes_by_bytes_and_never_without_an_event():
    taken = intake(Scripted([records(0, 3, b"x" * 600)]), size=1_000)
    assert [offsets(taken.take(0.0)) for _ in range(3)] == [[0], [1], [2]]


def test_a_batch_that_must_be_full_grows_until_it_is_and_loses_nothing():
    taken = intake(Scripted([records(0, 1), [], records(1, 3), records(4, 1), records(5, 1, b"x" * 2_000)]))
    assert [taken.take(0.0, full=True) for _ in range(2)] == [None, None]
    assert offsets(taken.take(0.0, full=True)) == [0, 1, 2, 3]
    assert taken.take(0.0, full=True) is None
    assert [offsets(taken.take(0.0, full=True)) for _ in range(2)] == [[4], [5]]  # together they are too large


def test_a_batch_that_need_not_be_full_holds_the_events_that_have_come():
    taken = intake(Scripted([records(0, 1), records(1, 2)]))
    assert taken.take(0.0, full=True) is None
    assert offsets(taken.take(0.0)) == [0, 1, 2]


def test_while_batches_are_judged_the_next_one_is_fetched_until_it_is_full():
    consumer = Scripted([records(0, 3), records(3, 2), records(5, 1)])
    taken = intake(consumer)
    taken.stay()
    taken.stay()
    assert len(consumer.coming) == 1
    taken.stay()  # it is full: now the partitions are paused
    assert offsets(taken.take(0.0)) == [0, 1, 2, 3]


def test_the_offsets_to_commit_are_those_of_the_batch():
    batch = intake(Scripted([records(7, 2)])).take(0.0)
    assert batch.next_offsets == {FIRST: 9}
    assert batch.lag == {0: 51}  # of the model's 60 events


def test_the_first_poll_of_a_generation_is_fenced_whatever_it_returns():
    consumer = Scripted([records(0, 2), records(0, 2)])
    taken = intake(consumer)
    consumer.generation = 2
    with pytest.raises(Fenced, match="generation 2"):
        taken.take(0.0)
    taken.rewind()
    assert offsets(taken.take(0.0)) == [0, 1]


@pytest.mark.parametrize(("generation", "member"), [(-1, "us"), (3, "")])
def test_events_without_a_membership_are_never_taken(generation, member):
    taken = intake(Scripted([records(0, 2)], generation, member))
    with pytest.raises(Fenced, match="before the group was joined"):
        taken.take(0.0)


def test_a_rewind_that_a_rebalance_interrupts_is_repeated_before_anything_is_taken():
    consumer = Scripted([records(50, 2)])
    taken = intake(consumer)
    consumer.committed = lambda *_args, **_options: (_ for _ in ()).throw(CommitFailedError())
    taken.rewind()
    with pytest.raises(Fenced):
        taken.take(0.0)


def test_the_late_answer_to_a_request_that_timed_out_is_not_used_for_the_next_request():
    consumer = Scripted([])
    answers = [
        KafkaTimeoutError(),
        *(OffsetAndMetadata(offset, "", -1) for offset in (10, 25)),
    ]  # 10 is the late answer to the first request

    def committed(_at, **_options):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    consumer.committed = committed
    intake(consumer).rewind()
    assert consumer.positions == {FIRST: 25}


def test_while_the_group_is_rebalanced_the_intake_only_polls():
    consumer = Scripted([records(0, 2), records(2, 2), records(4, 2), records(0, 2)])
    taken = intake(consumer)
    states, polls = [MemberState.REBALANCING, MemberState.REBALANCING, MemberState.STABLE], len(consumer.coming)

    def poll(timeout_ms, max_records):
        consumer.state = states.pop(0) if states else MemberState.STABLE
        consumer.generation = 1 if states else 2
        return Scripted.poll(consumer, timeout_ms, max_records)

    consumer.poll = poll
    with pytest.raises(Fenced, match="generation 2"):
        taken.take(0.0)
    assert len(consumer.coming) == polls - 3
    taken.rewind()
    assert offsets(taken.take(0.0)) == [0, 1]  # nothing was taken from the polls in between


def test_a_poll_that_fails_because_a_broker_is_away_is_fenced_and_read_again():
    consumer = Scripted([])
    taken = intake(consumer)
    consumer.poll = lambda **_: (_ for _ in ()).throw(KafkaConnectionError("refused"))
    with pytest.raises(Fenced, match="kafka does not answer"):
        taken.take(0.0)


def test_a_poll_that_fails_with_a_final_error_ends_the_process():
    consumer = Scripted([])
    taken = intake(consumer)
    consumer.poll = lambda **_: (_ for _ in ()).throw(CorruptRecordError())
    with pytest.raises(CorruptRecordError):
        taken.take(0.0)


@pytest.mark.parametrize("again", [(0, 3), (1, 2), (2, 1), (2, 2)])  # the last two: only the last event
def test_a_partition_that_is_read_again_within_one_generation_is_fenced(again):
    taken = intake(Scripted([records(0, 3), records(*again), records(0, 3)]))
    assert offsets(taken.take(0.0)) == [0, 1, 2]  # under way, not committed
    with pytest.raises(Fenced, match="read again"):
        taken.take(0.0)
    taken.rewind()
    assert offsets(taken.take(0.0)) == [0, 1, 2]


def test_events_that_came_during_a_rebalance_are_read_again_even_if_the_generation_is_the_old_one():
    consumer = Scripted([records(0, 2), records(2, 1)])
    taken, states = intake(consumer), [MemberState.REBALANCING, MemberState.STABLE]

    def poll(timeout_ms, max_records):
        consumer.state = states.pop(0)
        return Scripted.poll(consumer, timeout_ms, max_records)

    consumer.poll = poll
    with pytest.raises(Fenced):
        taken.take(0.0)


def test_a_group_that_never_settles_ends_the_wait():
    consumer = Scripted([])
    taken = intake(consumer, give_up_s=0.0)
    consumer.state = MemberState.REBALANCING
    with pytest.raises(Away, match="did not admit us"):
        taken.take(0.0)


@pytest.fixture
def impatient(monkeypatch):
    """Checks the brokers after each poll without records."""
    monkeypatch.setattr("consumer.silence.QUIET_S", -1.0)


@pytest.mark.usefixtures("impatient")
def test_events_that_exist_and_never_come_are_reported_and_then_end_the_process():
    said = []
    taken = intake(Scripted([]), give_up_s=0.0, on_wait=lambda who, why: said.append(why) if who == "kafka" else None)
    assert taken.take(0.0) is None
    assert said == [None]  # they may be on their way
    with pytest.raises(Away, match="no events came from partition 0"):
        taken.take(0.0)
    assert said == [None, "kafka: no events come from partition 0, although there are some"]


@pytest.mark.usefixtures("impatient")
def test_at_the_end_of_a_topic_the_intake_waits():
    consumer, said = Scripted([]), []
    taken = intake(consumer, give_up_s=0.0, on_wait=lambda *what: said.append(what))
    consumer.positions[FIRST] = consumer.ends[FIRST]
    assert [taken.take(0.0) for _ in range(3)] == [None] * 3
    assert said == [("kafka", None), ("transactions", None)] * 3


@pytest.mark.usefixtures("impatient")
def test_brokers_that_come_back_have_time_to_send_their_events():
    consumer = Scripted([])
    taken, answer = intake(consumer, give_up_s=0.0), consumer.end_offsets
    assert taken.take(0.0) is None
    consumer.end_offsets = lambda *_, **__: (_ for _ in ()).throw(KafkaTimeoutError)
    assert taken.take(0.0) is None
    consumer.end_offsets = answer
    assert taken.take(0.0) is None
    with pytest.raises(Away):
        taken.take(0.0)


@pytest.mark.usefixtures("impatient")
def test_events_that_come_late_do_not_end_the_process():
    taken = intake(Scripted([[], records(0, 4), [], records(4, 1)]), give_up_s=0.0)
    assert taken.take(0.0) is None
    assert offsets(taken.take(0.0)) == [0, 1, 2, 3]
    assert taken.take(0.0) is None
    assert offsets(taken.take(0.0)) == [4]


@pytest.mark.usefixtures("impatient")
def test_events_that_are_not_fetched_while_a_full_batch_waits_do_not_end_the_process():
    taken = intake(Scripted([records(0, 8)]), give_up_s=0.0)
    assert offsets(taken.take(0.0)) == [0, 1, 2, 3]
    for _ in range(3):
        taken.stay()
    assert offsets(taken.take(0.0)) == [4, 5, 6, 7]


def test_staying_in_the_group_takes_nothing_and_leaves_no_partition_paused():
    consumer = Scripted([])
    taken = intake(consumer)
    taken.stay()
    assert consumer.paused == set()
