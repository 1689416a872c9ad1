"""The steps of one transaction, and what happens when one of them fails."""

import contextlib
import threading

import pytest
from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import (
    InvalidTimestampError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    ProducerFencedError,
    TopicAuthorizationFailedError,
)

from consumer.batch import Fenced
from consumer.records import Record
from consumer.transaction import CannotPublish, Publisher
from patience import Away, Patience

OFFSETS = {TopicPartition("images", 0): OffsetAndMetadata(5, "", -1)}
RECORD = Record("verdicts", b"{}", None, [], 0)
STEPS = ["begin", "send", "flush", "get", "offsets", "commit"]


class Future:
    def __init__(self, producer):
        self.producer = producer

    def get(self, timeout):  # noqa: ARG002 (kafka-python's signature)
        self.producer.step("get")


class Producer:
    """Records its steps; one of them may fail."""

    def __init__(self, steps, failing=None, error=None):
        self.steps, self.failing, self.error = steps, failing, error

    def step(self, name):
        self.steps.append(name)
        if name == self.failing:
            raise self.error

    def init_transactions(self):
        self.step("init")

    def begin_transaction(self):
        self.step("begin")

    def send(self, *_args, **_options):
        self.step("send")
        return Future(self)

    def flush(self, timeout):  # noqa: ARG002
        self.step("flush")

    def send_offsets_to_transaction(self, offsets, membership):
        assert membership == "membership"
        assert offsets == OFFSETS
        self.step("offsets")

    def commit_transaction(self):
        self.step("commit")

    def close(self, timeout):  # noqa: ARG002
        self.step("close")


class Unhurried(threading.Event):
    """Notes how long it was waited for, and does not wait."""

    def __init__(self):
        super().__init__()
        self.waited = []

    def wait(self, timeout=None):
        self.waited.append(timeout)
        return False


def publisher(producers, *, give_up_s=60.0, limits=None, stopping=None, on_wait=lambda _why: None):
    @contextlib.contextmanager
    def limit(seconds, what):
        if limits is not None:
            limits.append((seconds, what))
        yield

    return Publisher(
        lambda: producers.pop(0),
        transaction_timeout_s=20.0,
        limit=limit,
        patience=Patience(0.3),
        give_up_s=give_up_s,
        stopping=stopping or Unhurried(),
        on_wait=on_wait,
    )


def test_the_steps_come_in_the_documented_order_under_a_watchdog():
    steps, limits = [], []
    publisher([Producer(steps)], limits=limits).publish([RECORD], OFFSETS, "membership")
    assert steps == ["init", *STEPS]
    assert limits[-1] == (40.0, "publishing a transaction")


@pytest.mark.parametrize("failing", STEPS)
@pytest.mark.parametrize("error", [KafkaTimeoutError(), ProducerFencedError()], ids=lambda error: type(error).__name__)
def test_after_any_error_the_producer_is_closed_and_not_used_again(failing, error):
    steps, fresh = [], []
    publishing = publisher([Producer(steps, failing, error), Producer(fresh)])
    with pytest.raises(Fenced):
        publishing.publish([RECORD], OFFSETS, "membership")
    assert steps[-2:] == [failing, "close"]
    publishing.publish([RECORD], OFFSETS, "membership")
    assert fresh == ["init", *STEPS]


def test_an_attempt_neither_waits_nor_raises_and_the_next_batch_gets_a_new_producer():
    unhurried, steps, fresh = Unhurried(), [], []
    producers = [Producer(steps, "flush", KafkaTimeoutError("no broker")), Producer([], "init", KafkaTimeoutError())]
    publishing = publisher([*producers, Producer(fresh)], stopping=unhurried)
    assert "no broker" in publishing.attempt([RECORD])
    assert publishing.attempt([RECORD])
    assert (steps, unhurried.waited) == (["init", "begin", "send", "flush", "close"], [])
    publishing.publish([RECORD], OFFSETS, "membership")
    assert fresh == ["init", *STEPS]
    assert not publishing.attempt([RECORD])


@pytest.mark.parametrize("error", [MessageSizeTooLargeError(), TopicAuthorizationFailedError()])
def test_a_final_refusal_by_kafka_is_not_tried_again(error):
    with pytest.raises(CannotPublish, match="vigilens check"):
        publisher([Producer([], "get", error)]).publish([RECORD], OFFSETS, "membership")


def test_transactions_that_fail_for_too_long_end_the_process(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("consumer.transaction.time.monotonic", lambda: now[0])
    publishing = publisher([Producer([], "commit", KafkaTimeoutError()) for _ in range(4)], give_up_s=60.0)
    for now[0] in (100.0, 125.0, 150.0):
        with pytest.raises(Fenced):
            publishing.publish([RECORD], OFFSETS, "membership")
    now[0] = 161.0
    with pytest.raises(CannotPublish, match="all transactions failed for 60 s"):
        publishing.publish([RECORD], OFFSETS, "membership")


def test_the_pauses_between_failures_are_not_quiet_times(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("consumer.transaction.time.monotonic", lambda: now[0])

    class Pause(Unhurried):
        def wait(self, timeout=None):
            now[0] += timeout
            return super().wait(timeout)

    producers = [Producer([], "commit", KafkaTimeoutError()) for _ in range(30)]
    publishing = publisher(producers, give_up_s=6.0, stopping=Pause())

    def publish_until_given_up():
        while producers:
            with contextlib.suppress(Fenced):
                publishing.publish([RECORD], OFFSETS, "membership")

    with pytest.raises(CannotPublish, match="all transactions failed for 6 s"):
        publish_until_given_up()


def test_quiet_hours_between_two_failures_do_not_count(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("consumer.transaction.time.monotonic", lambda: now[0])
    publishing = publisher([Producer([], "commit", KafkaTimeoutError()) for _ in range(2)], give_up_s=60.0)
    for now[0] in (100.0, 4000.0):
        with pytest.raises(Fenced):
            publishing.publish([RECORD], OFFSETS, "membership")


def test_a_transaction_that_succeeds_resets_the_time_of_failures(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("consumer.transaction.time.monotonic", lambda: now[0])
    broken, working = Producer([], "commit", KafkaTimeoutError()), Producer([])
    publishing = publisher([broken, working, Producer([], "commit", KafkaTimeoutError())])
    with pytest.raises(Fenced):
        publishing.publish([RECORD], OFFSETS, "membership")
    publishing.publish([RECORD], OFFSETS, "membership")
    working.failing, working.error, now[0] = "commit", KafkaTimeoutError(), 500.0
    with pytest.raises(Fenced):
        publishing.publish([RECORD], OFFSETS, "membership")


def test_from_the_second_failure_in_a_row_on_the_reason_is_said_and_the_pauses_grow(caplog):
    said, stopping = [], Unhurried()
    wrapped = KafkaError("Cannot perform send because …", ProducerFencedError())
    errors = [KafkaTimeoutError(), InvalidTimestampError(), wrapped, *[KafkaTimeoutError()] * 6]
    producers = [*[Producer([], "get", error) for error in errors], Producer([])]
    publishing = publisher(producers, stopping=stopping, on_wait=said.append)
    for number in range(len(errors)):
        assert len(said) == max(0, number - 1)
        with pytest.raises(Fenced):
            publishing.publish([RECORD], OFFSETS, "membership")
    assert "2 transactions in a row failed" in said[0]
    assert "clock" in said[0]
    assert "kafka.instance" in said[1]
    assert [each.message for each in caplog.records] == ["transactions fail"] * 8
    assert all(0.05 * 2**number <= pause <= 0.1 * 2**number for number, pause in enumerate(stopping.waited[:6]))
    assert max(stopping.waited) <= 5.0
    publishing.publish([RECORD], OFFSETS, "membership")
    assert said[-1] is None
    said.clear()
    publishing._producer.failing, publishing._producer.error = "commit", KafkaTimeoutError()
    with pytest.raises(Fenced):
        publishing.publish([RECORD], OFFSETS, "membership")
    assert said == []  # it is the first again


def test_a_producer_that_cannot_start_is_tried_again_and_each_try_is_closed():
    steps = []
    with pytest.raises(Away, match="kafka stayed away"):
        publisher([Producer(steps, "init", KafkaTimeoutError()) for _ in range(50)]).renew()
    assert len(steps) > 2
    assert steps == ["init", "close"] * (len(steps) // 2)


def test_a_refused_authorization_is_reported_at_once():
    with pytest.raises(CannotPublish, match="refuses the transactional producer"):
        publisher([Producer([], "init", TopicAuthorizationFailedError())]).renew()
