"""The reader that other tests check the service with, on a real broker."""

import pytest
from confluent_kafka import Producer

from harness.readers import Reader, ReadFailed, committed


@pytest.fixture
def send(kafka_cluster, topics):
    """Writes values to partition 0 in one transaction; `end` is the method that commits or aborts it."""
    producer = Producer({"bootstrap.servers": kafka_cluster.bootstrap, "transactional.id": topics.group})
    producer.init_transactions(30)

    def write(*values, end):
        producer.begin_transaction()
        for value in values:
            producer.produce(topics.verdicts, value, partition=0)
        producer.flush(30)
        if end:
            getattr(producer, end)(30)

    return write


def values(records):
    return [record.value() for record in records]


def test_only_committed_records_are_read_and_all_of_them(kafka_cluster, topics, send):
    send(b"1", b"2", end="commit_transaction")
    send(b"no", end="abort_transaction")
    send(b"3", end="commit_transaction")
    assert values(committed(kafka_cluster.bootstrap, topics.verdicts)) == [b"1", b"2", b"3"]


def test_reading_ends_before_an_open_transaction(kafka_cluster, topics, send):
    send(b"1", end="commit_transaction")
    send(b"open", end=None)
    assert values(committed(kafka_cluster.bootstrap, topics.verdicts)) == [b"1"]


def test_a_reader_from_now_on_skips_earlier_records(kafka_cluster, topics, send):
    send(b"old", end="commit_transaction")
    with Reader(kafka_cluster.bootstrap, topics.verdicts, from_now=True) as reader:
        send(b"new", end="commit_transaction")
        assert reader.next(30).value() == b"new"
        assert reader.next(0.3) is None
        send(b"newer", end="commit_transaction")
        assert reader.next(30).value() == b"newer"
        assert values(reader.rest()) == []


def test_the_rest_begins_after_the_records_that_were_read(kafka_cluster, topics, send):
    send(b"1", b"2", b"3", end="commit_transaction")
    with Reader(kafka_cluster.bootstrap, topics.verdicts) as reader:
        assert reader.next(30).value() == b"1"
        assert values(reader.rest()) == [b"2", b"3"]


def test_a_topic_that_does_not_exist_is_one_sentence(kafka_cluster):
    with pytest.raises(ReadFailed, match="the topic nowhere does not exist"):
        Reader(kafka_cluster.bootstrap, "nowhere")
