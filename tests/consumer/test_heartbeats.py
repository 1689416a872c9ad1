"""Heartbeats and alerts: no verdict depends on them, whatever becomes of them."""

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


def outlet(publisher, raised, heartbeat_s):
    names = Names("group", "host-0", "verdicts", "metrics")
    return Outlet(
        publisher, metrics=Metrics(), names=names, raised=raised, progress=Progress(), heartbeat_s=heartbeat_s
    )


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
