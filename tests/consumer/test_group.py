"""The intake on a real broker: it tells a topic without new events from events that do not come."""

import threading

import pytest
from confluent_kafka import Producer

from consumer.batch import Fenced
from consumer.clients import Connection, GroupSettings, build_consumer, images_topic
from consumer.intake import Intake, Limits
from consumer.offsets import Offsets
from patience import Away, Patience

LIMITS = Limits(images=64, size=1 << 20, wait_s=0.0, max_attributes_bytes=1024)


@pytest.fixture
def consumer(kafka_cluster, topics):
    group = GroupSettings(topics.group, "earliest", 10.0, 60.0)
    made = build_consumer(
        Connection(kafka_cluster.bootstrap), topics.images, group, images=LIMITS.images, size=LIMITS.size
    )
    yield made
    made.close(autocommit=False)


@pytest.fixture
def taken(consumer, kafka_cluster, topics):
    """An intake that has read two committed events to the end of their partition, where three aborted ones follow."""
    producer = Producer({"bootstrap.servers": kafka_cluster.bootstrap, "transactional.id": topics.group})
    producer.init_transactions()
    for count, end in ((2, producer.commit_transaction), (3, producer.abort_transaction)):
        producer.begin_transaction()
        for number in range(count):
            producer.produce(topics.images, b"%d" % number, partition=0)
        producer.flush()
        end()
    patience, stopping = Patience(120.0), threading.Event()
    topic = images_topic(consumer, topics.images)
    made = Intake(
        consumer,
        topic=topic,
        offsets=Offsets(consumer, topic, "earliest", None),
        members=list,
        limits=LIMITS,
        patience=patience,
        stopping=stopping,
        give_up_s=120.0,
    )
    offsets: list[int] = []
    while len(offsets) < 2:
        offsets += [event.offset for event in next_batch(made).events]
    assert offsets == [0, 1]
    made._silence._give_up_s = 0.0  # not before: joining the group takes time
    return made


def next_batch(intake):
    """The next batch, with a rewind when fenced, as in the loop."""
    for _ in range(600):
        try:
            if batch := intake.take(0.1):
                return batch
        except Fenced:
            intake.rewind()
    raise AssertionError("no batch within a minute")


@pytest.fixture
def impatient(taken, monkeypatch):
    """Checks the brokers after each poll without records."""
    monkeypatch.setattr("consumer.silence.QUIET_S", -1.0)
    return taken


def test_aborted_events_at_the_end_are_not_waited_for(impatient):
    assert [impatient.take(0.6) for _ in range(5)] == [None] * 5


def test_an_event_that_exists_and_never_comes_ends_the_process(impatient, consumer, kafka_cluster, topics):
    consumer.pause(*consumer.assignment())  # as if the client had forgotten them
    producer = Producer({"bootstrap.servers": kafka_cluster.bootstrap})
    producer.produce(topics.images, b"there", partition=0)
    producer.flush()
    with pytest.raises(Away, match="no events came from partition 0"):
        [impatient.take(0.1) for _ in range(5)]
