"""The images topic is deleted, is missing for a while, and is made again: on a real broker."""

import threading

import pytest
from confluent_kafka import Producer
from kafka import KafkaAdminClient

from consumer.batch import Fenced
from consumer.clients import Connection, GroupSettings, build_consumer, images_topic
from consumer.intake import Intake, Limits
from consumer.offsets import Offsets
from patience import Patience

LIMITS = Limits(images=64, size=1 << 20, wait_s=0.0, max_attributes_bytes=1024)
BEFORE, AFTER = 100, 150  # events in the topic, and in its successor


@pytest.fixture
def consumer(kafka_cluster, topics):
    group = GroupSettings(topics.group, "latest", 10.0, 60.0)
    made = build_consumer(Connection(kafka_cluster.bootstrap), topics.images, group, images=64, size=1 << 20)
    yield made
    made.close(autocommit=False)


@pytest.fixture
def said():
    """What the service would wait for."""
    return []


@pytest.fixture
def taken(consumer, kafka_cluster, topics, said):
    """An intake that has read all events of the topic."""
    topic = images_topic(consumer, topics.images)
    made = Intake(
        consumer,
        topic=topic,
        offsets=Offsets(consumer, topic, "latest", None),
        members=list,
        limits=LIMITS,
        patience=Patience(60.0),
        stopping=threading.Event(),
        give_up_s=60.0,
        on_wait=lambda who, why: said.append(why) if who == "topic" else None,
    )
    assert any(consumer.assignment() for _ in turns(made))
    made.rewind()  # start is "latest": what is sent from now on is read
    send(kafka_cluster, topics, BEFORE)
    assert read(made, BEFORE)[0] == list(range(BEFORE))
    return made


@pytest.fixture
def admin(kafka_cluster):
    client = KafkaAdminClient(bootstrap_servers=kafka_cluster.bootstrap)
    yield client
    client.close()


def send(cluster, topics, count):
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    for number in range(count):
        producer.produce(topics.images, b"%d" % number, partition=0)
    assert producer.flush(30) == 0


def turns(intake, count=600):
    """Take `count` times, as in the loop; yields a batch that would be published, or None, each time."""
    for _ in range(count):
        try:
            batch = intake.take(0.1)
            intake._topic.refresh(30)  # the time that it takes to judge a batch is longer
            intake.stay()
            yield batch
        except Fenced:
            intake.rewind()
            yield None


def read(intake, count):
    """The offsets of the next `count` events, and the ids of their topics."""
    offsets, ids = [], set()
    for batch in turns(intake):
        if batch:
            offsets += [event.offset for event in batch.events]
            ids.add(batch.topic_id)
        if len(offsets) >= count:
            return offsets, ids
    raise AssertionError(f"{len(offsets)} of {count} events within a minute")


def test_a_topic_that_is_made_again_within_a_second_is_read_from_its_beginning(taken, admin, kafka_cluster, topics):
    before = taken._offsets.topic_id
    admin.delete_topics([topics.images])
    kafka_cluster.make_topics({topics.images: 3})
    send(kafka_cluster, topics, AFTER)  # more than before: the old position exists in the new topic
    offsets, (now,) = read(taken, AFTER)
    assert offsets == list(range(AFTER))
    assert now != before


def test_while_the_topic_is_missing_the_service_waits_and_says_so(taken, admin, kafka_cluster, topics, said):
    assert said == []
    admin.delete_topics([topics.images])
    assert any(said for _ in turns(taken))
    assert said == [f"kafka: there is no topic {topics.images}"]
    assert not any(turns(taken, 30))  # 3 s
    assert len(said) == 1
    kafka_cluster.make_topics({topics.images: 3})
    send(kafka_cluster, topics, 5)  # fewer than before: the old position does not exist in the new topic
    assert read(taken, 5)[0] == list(range(5))
    assert said[1:] == [None]
