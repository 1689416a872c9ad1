"""Heartbeats and alerts: no verdict depends on them, whatever becomes of them."""

import time
from types import SimpleNamespace

import pytest
from fake_kafka import TOPIC
from fake_runs import allow
from kafka import TopicPartition

from consumer.batch import Batch
from consumer.metrics import Metrics
from consumer.progress import Progress
from consumer.publish import Names, Outlet
from consumer.raised import Raised


class Publisher:
    """Takes batches, and other records unless it has a reason not to."""

    def __init__(self):
        self.published, self.tried, self.why = [], [], ""

    def partitions(self, _topic):
        return 3

    def publish(self, records, offsets, membership):  # noqa: ARG002 (the publisher's signature)
        self.published.append([each.topic for each in records])

    def attempt(self, records):
        self.tried.append([each.topic for each in records])
        return self.why


@pytest.fixture
def publisher():
    return Publisher()


@pytest.fixture
def raised():
    return Raised("group", "host-0", "alerts", Metrics())


@pytest.fixture
def clock(monkeypatch):
    """The time that an outlet sees, which goes on only when a test sets `now`."""
    faked = SimpleNamespace(now=0.0, monotonic=lambda: faked.now, time=time.time, perf_counter=time.perf_counter)
    monkeypatch.setattr("consumer.publish.time", faked)
    return faked


def outlet(publisher, raised, heartbeat_s, progress=None):
    names, progress = Names("group", "host-0", "verdicts", "metrics"), progress or Progress()
    return Outlet(publisher, metrics=Metrics(), names=names, raised=raised, progress=progress, heartbeat_s=heartbeat_s)


def test_an_alert_is_published_at_once_and_before_the_batch_that_shows_it(publisher, raised):
    out, taken = outlet(publisher, raised, 60.0), Batch((), None, {})
    out.beat()
    assert publisher.tried == []
    raised.expired(TopicPartition(TOPIC, 0), 900, 150)
    out.publish(taken, allow(taken))
    assert publisher.tried == [["metrics", "alerts"]]
    assert publisher.published == [["metrics"]]
    out.beat()
    assert len(publisher.tried) == 1


def test_an_alerts_topic_that_takes_nothing_keeps_no_verdict_and_is_tried_again_after_a_pause(
    publisher, raised, caplog
):
    out, taken = outlet(publisher, raised, 60.0), Batch((), None, {})
    publisher.why = "there is no such topic"
    raised.expired(TopicPartition(TOPIC, 0), 900, 150)
    for _ in range(3):
        out.publish(taken, allow(taken))
        out.beat()
    assert (len(publisher.published), len(publisher.tried), raised.pending) == (3, 1, True)
    (said,) = caplog.records
    assert "deleted by retention" in said.fields["alerts"][0]


def test_heartbeats_that_fail_are_said_once(publisher, raised, caplog):
    out, publisher.why = outlet(publisher, raised, 0.0), "no broker"
    for _ in range(3):
        out.beat()
    assert publisher.tried == [["metrics"]] * 3
    assert [each.message for each in caplog.records] == ["no heartbeat"]


def test_a_heartbeat_comes_only_if_nothing_was_published_for_so_long(publisher, raised, clock):
    out, taken = outlet(publisher, raised, 10.0), Batch((), None, {})
    clock.now = 9.0
    out.publish(taken, allow(taken))
    numbers = []
    for clock.now in (18.0, 19.5, 29.0, 30.0):
        out.beat()
        numbers.append(len(publisher.tried))
    assert numbers == [0, 1, 1, 2]


def test_the_pauses_between_tries_to_publish_alerts_grow_up_to_five_minutes(publisher, raised, clock):
    out, publisher.why, tried = outlet(publisher, raised, 10.0), "there is no such topic", []
    raised.expired(TopicPartition(TOPIC, 0), 900, 150)
    for clock.now in range(1000):
        before = publisher.tried.count(["metrics", "alerts"])
        out.beat()
        tried += [clock.now] * (publisher.tried.count(["metrics", "alerts"]) - before)
    assert tried == [0, 10, 30, 70, 150, 310, 610, 910]


def test_an_attempt_shows_that_the_loop_is_alive(publisher, raised):
    progress = Progress(bound_s=-1.0)
    out = outlet(publisher, raised, 0.0, progress)
    assert not progress.stuck()  # it has not begun
    out.beat()
    assert progress.stuck()  # it has, and no time at all is permitted
