"""The demo's producer and consumers: events to Kafka, verdicts and metrics from Kafka."""

import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from demo.pictures import DemoError
from demo.stream import Incoming
from matcher.verdict import Verdict

SEND_TIMEOUT_S = 30.0
POLL_MS = 100
MAX_RECORD = 8_000_000  # bytes; a PNG of 640 x 640 in base64 takes about one million


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of the three topics."""

    images: str
    verdicts: str
    metrics: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """A verdict, the key of its event, and when it could be read (time.monotonic)."""

    key: bytes
    verdict: Verdict
    at: float


class Sender:
    """Sends events. `sent` has the time when each key was sent (time.monotonic)."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.sent: dict[bytes, float] = {}
        self._topic = topic
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap, max_request_size=MAX_RECORD, allow_auto_create_topics=False
        )

    def send(self, incoming: Incoming) -> None:
        """Sends one event and waits until Kafka has it.

        Raises:
            DemoError: Kafka does not accept it.
        """
        self.sent[incoming.key] = time.monotonic()
        record = self._producer.send(
            self._topic, key=incoming.key, value=incoming.value, headers=list(incoming.headers)
        )
        try:
            record.get(timeout=SEND_TIMEOUT_S)
        except KafkaError as error:
            raise DemoError(f"Kafka did not accept event {incoming.number}: {error}") from error

    def close(self) -> None:
        """Closes the connection."""
        self._producer.close(timeout=5)


@contextmanager
def verdicts(bootstrap: str, topic: str) -> Iterator["queue.SimpleQueue[Arrived | Exception]"]:
    """A queue into which a thread puts the verdicts of committed transactions, or the exception that ended it."""
    arrived: queue.SimpleQueue[Arrived | Exception] = queue.SimpleQueue()
    stopping = threading.Event()

    def read() -> None:
        try:
            consumer = _reader(bootstrap, topic)
            while not stopping.is_set():
                for records in consumer.poll(timeout_ms=POLL_MS).values():
                    now = time.monotonic()
                    for record in records:
                        arrived.put(Arrived(record.key, Verdict.model_validate_json(record.value), now))
            consumer.close()
        except Exception as error:  # noqa: BLE001 (raised where the queue is read)
            arrived.put(error)

    thread = threading.Thread(target=read, name="verdicts", daemon=True)
    thread.start()
    try:
        yield arrived
    finally:
        stopping.set()
        thread.join(10)


def committed(bootstrap: str, topic: str) -> Iterator[bytes]:
    """The values of all committed records of a topic, up to where it ends now."""
    consumer = _reader(bootstrap, topic)
    try:
        ends = consumer.end_offsets(list(consumer.assignment()))
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            for records in consumer.poll(timeout_ms=POLL_MS).values():
                yield from (record.value for record in records)
    finally:
        consumer.close()


def metrics_sum(bootstrap: str, topic: str) -> int:
    """Verdicts as the metrics topic counts them: the sum over all of its records."""
    return sum(json.loads(value)["verdicts"] for value in committed(bootstrap, topic))


def _reader(bootstrap: str, topic: str) -> KafkaConsumer:
    """A consumer of all partitions from their beginning, without a group, that reads committed records only."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=POLL_MS,
    )
    partitions = consumer.partitions_for_topic(topic)
    if not partitions:
        consumer.close()
        raise DemoError(f"the topic {topic} does not exist")
    consumer.assign([TopicPartition(topic, number) for number in sorted(partitions)])
    return consumer
