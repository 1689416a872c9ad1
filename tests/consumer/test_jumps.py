"""What retention deletes while a process waits is noticed, although the client goes on without an error."""

from functools import partial

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from consumer.clients import positions
from consumer.jumps import Jumps

RECORDS, DELETED = 10, 6


@pytest.fixture
def consumer(kafka_cluster, topics):
    consumer = KafkaConsumer(bootstrap_servers=kafka_cluster.bootstrap, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(topics.images, 0)])
    yield consumer
    consumer.close()


def send(cluster, at):
    producer = KafkaProducer(bootstrap_servers=cluster.bootstrap)
    for number in range(RECORDS):
        producer.send(at.topic, b"%d" % number, partition=at.partition)
    producer.close()


@pytest.mark.parametrize("deleted", [DELETED, RECORDS])
def test_what_was_deleted_before_it_was_polled_is_told_once(kafka_cluster, consumer, deleted):
    (at,) = consumer.assignment()
    send(kafka_cluster, at)
    admin, jumps, found, offsets = KafkaAdminClient(bootstrap_servers=kafka_cluster.bootstrap), Jumps(), [], []
    admin.delete_records({at: deleted})
    admin.close()
    consumer.seek(at, 2)
    jumps.watch(consumer)
    for _ in range(50):
        polled = consumer.poll(100)
        found += jumps.ended(polled, partial(positions, consumer))
        offsets += [each.offset for each in polled.get(at, ())]
        if found and (offsets or deleted == RECORDS):
            break
    assert found == [(at, 2, deleted)]
    assert offsets == list(range(deleted, RECORDS))


def test_reading_elsewhere_forgets_a_jump(kafka_cluster, consumer):
    (at,) = consumer.assignment()
    send(kafka_cluster, at)
    jumps = Jumps()
    jumps.watch(consumer)
    consumer.seek(at, 2)
    consumer._subscription.request_offset_reset(at)
    jumps.forget()
    assert list(jumps.ended({}, lambda: {at: 6})) == []
