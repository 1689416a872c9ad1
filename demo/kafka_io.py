"""The demo's producer and consumers: events to Kafka, verdicts and metrics from Kafka."""

import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kafka import KafkaProducer
from kafka.errors import KafkaError

from demo.pictures import DemoError
from demo.stream import Incoming
from harness.readers import Reader, committed
from matcher.verdict import Verdict

SEND_TIMEOUT_S = 30.0
POLL_S = 0.1
MAX_RECORD = 8_000_000  # bytes; a PNG of 640 x 640 in base64 takes about one million


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of the topics."""

    images: str
    verdicts: str
    metrics: str
    alerts: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """A verdict, the key of its event, and when it could be read (time.monotonic)."""

    key: bytes
    verdict: Verdict
    at: float


class Sender:
    """Sends events. `sent` has the time at which each key was sent (time.monotonic)."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.sent: dict[bytes, float] = {}
        self._topic = topic
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap, max_request_size=MAX_RECORD, allow_auto_create_topics=False
        )

    def send(self, incoming: Incoming) -> None:
        """Sends one event and waits until Kafka has acknowledged it.

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
    """Yields a queue to which a thread adds the verdicts of committed transactions, or the exception that ended it."""
    arrived: queue.SimpleQueue[Arrived | Exception] = queue.SimpleQueue()
    stopping = threading.Event()

    def read() -> None:
        try:
            with Reader(bootstrap, topic) as reader:
                while not stopping.is_set():
                    if record := reader.next(POLL_S):
                        verdict = Verdict.model_validate_json(record.value() or b"")
                        arrived.put(Arrived(bytes(record.key() or b""), verdict, time.monotonic()))
        except Exception as error:  # noqa: BLE001 (raised where the queue is read)
            arrived.put(error)

    thread = threading.Thread(target=read, name="verdicts", daemon=True)
    thread.start()
    try:
        yield arrived
    finally:
        stopping.set()
        thread.join(10)


def metrics_sum(bootstrap: str, topic: str) -> int:
    """Returns the number of verdicts according to the metrics topic: the sum over all of its records."""
    return sum(json.loads(record.value() or b"")["verdicts"] for record in committed(bootstrap, topic))
