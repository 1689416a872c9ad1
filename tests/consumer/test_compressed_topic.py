"""Compressed batches in a real topic, which expand to far more than the limit: memory, offsets and transactions."""

import json
import subprocess
import sys

import pytest
from kafka import KafkaProducer, TopicPartition

from consumer.clients import Connection, GroupSettings, build_consumer
from consumer.record_batches import Refused

CODECS = ["gzip", "snappy", "lz4", "zstd"]
LARGE = 16_000_000  # with snappy 750 KB: a topic's default limit for a record is 1 MiB
LIMIT = 2_000_000

# In a process of its own, so that its peak of memory is that of reading these records.
PROGRAM = """
import json, resource, sys
from kafka import TopicPartition
from consumer.clients import Connection, GroupSettings, build_consumer
from consumer.record_batches import Refused

bootstrap, topic, group, limit, count = sys.argv[1:]
settings = GroupSettings(group, "earliest", 10.0, 60.0, int(limit))
consumer = build_consumer(Connection(bootstrap), topic, settings, images=64, size=1_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
records = []
while len(records) < int(count):
    for polled in consumer.poll(1_000).values():
        for each in polled:
            why = each.value.problem.reason if isinstance(each.value, Refused) else None
            records.append((each.offset, len(each.value), why))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
consumer.close()
print(json.dumps({"records": records, "bytes": 1024 * (after - before)}))
"""


def read(cluster, topics, count, limit=LIMIT):
    arguments = map(str, (cluster.bootstrap, topics.images, topics.group, limit, count))
    program = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout)


def send(cluster, topic, codec, values):
    """Each in a batch of its own."""
    producer = KafkaProducer(
        bootstrap_servers=cluster.bootstrap, compression_type=codec, max_request_size=2 * LARGE, batch_size=0
    )
    for value in values:
        producer.send(topic, value=value, partition=0).get(60)
    producer.close()


def test_batches_that_expand_to_too_much_are_answered_in_little_memory(kafka_cluster, make_topics):
    topics = make_topics(partitions=1)
    for codec in CODECS:
        send(kafka_cluster, topics.images, codec, [b"before", bytes(LARGE), b"after"])
    found = read(kafka_cluster, topics, 3 * len(CODECS))
    assert [offset for offset, _, _ in found["records"]] == list(range(3 * len(CODECS)))
    assert [size for _, size, _ in found["records"]] == [6, 0, 5] * len(CODECS)
    assert [why for _, _, why in found["records"]] == [None, "records_too_large", None] * len(CODECS)
    assert found["bytes"] < LARGE, "less than one such record takes, and kafka-python takes three times as much"


def test_many_batches_within_the_limit_are_not_unpacked_by_one_poll(kafka_cluster, make_topics):
    topics = make_topics(partitions=1)
    send(kafka_cluster, topics.images, "zstd", [bytes(LARGE)] * 20)
    found = read(kafka_cluster, topics, 20, limit=2 * LARGE)
    assert [size for _, size, _ in found["records"]] == [LARGE] * 20
    assert found["bytes"] < 7 * LARGE


def test_a_large_batch_of_an_aborted_transaction_is_skipped_and_one_of_a_committed_is_answered(
    kafka_cluster, make_topics
):
    topics = make_topics(partitions=1)
    producer = KafkaProducer(
        bootstrap_servers=kafka_cluster.bootstrap,
        transactional_id=f"writer-{topics.group}",
        compression_type="gzip",
        max_request_size=2 * LARGE,
        batch_size=0,
    )
    producer.init_transactions()
    for value, end in ((bytes(LARGE), producer.abort_transaction), (bytes(LARGE), producer.commit_transaction)):
        producer.begin_transaction()
        producer.send(topics.images, value=value, partition=0).get(60)
        producer.send(topics.images, value=b"small", partition=0).get(60)
        end()
    producer.close()
    found = read(kafka_cluster, topics, 2)
    assert found["records"] == [[3, 0, "records_too_large"], [4, 5, None]]  # the marker of the abort is at 2


@pytest.mark.usefixtures("unpatched")
def test_reading_goes_on_in_the_middle_of_a_refused_batch(kafka_cluster, make_topics):
    topics = make_topics(partitions=1)
    producer = KafkaProducer(
        bootstrap_servers=kafka_cluster.bootstrap,
        compression_type="zstd",
        max_request_size=2 * LARGE,
        batch_size=2 * LARGE,
        linger_ms=1_000,
    )
    for size in (1, LARGE, 2, 3):
        producer.send(topics.images, value=bytes(size), partition=0)
    producer.close()
    settings = GroupSettings(topics.group, "earliest", 10.0, 60.0, LIMIT)
    consumer = build_consumer(Connection(kafka_cluster.bootstrap), topics.images, settings, images=64, size=1_000_000)
    try:
        at = TopicPartition(topics.images, 0)
        while not consumer.assignment():
            consumer.poll(100)
        for start in (0, 2):
            consumer.seek(at, start)
            records = []
            while len(records) < 4 - start:
                records += [each for polled in consumer.poll(500, max_records=3).values() for each in polled]
            assert [each.offset for each in records] == list(range(start, 4))
            assert all(isinstance(each.value, Refused) for each in records)
    finally:
        consumer.close()
