"""The input of the chaos: small real pictures and odd records, each with its own id."""

import base64
import io
import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from confluent_kafka import KafkaException, Message, Producer
from PIL import Image

ID_HEADER = "chaos_id"  # every record has its id here too, in a header that the service ignores
KEYS = 200  # events with one key stay in order
ODD_SHARE = 0.04  # of the records are not pictures
SIDE = 128  # pixels

Headers = list[tuple[str, str | bytes | None]]


@dataclass(frozen=True, slots=True)
class Sent:
    """One record to send."""

    id: str
    key: bytes | None
    value: bytes | None
    headers: Headers


def pictures(seed: int, count: int) -> list[bytes]:
    """JPEG files of `count` different pictures, 128 x 128: coloured clouds, with enough detail for a hash."""
    rng = np.random.default_rng(seed)
    files = []
    for _ in range(count):
        coarse = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(file, "JPEG", quality=85)
        files.append(file.getvalue())
    return files


def events(seed: int, count: int, files: Sequence[bytes]) -> Iterator[Sent]:
    """`count` records in all forms that the service accepts, and some that it cannot read."""
    rng = random.Random(seed)  # noqa: S311 (nothing secret)
    for number in range(count):
        id_ = f"event-{number:07d}"
        key = f"key-{rng.randrange(KEYS)}".encode() if rng.random() < 0.8 else None  # noqa: PLR2004 (most have one)
        picture = rng.choice(files)
        value, headers = _odd(rng, id_, picture) if rng.random() < ODD_SHARE else _good(rng, id_, picture)
        yield Sent(id_, key, value, [(ID_HEADER, id_), *headers])


def _good(rng: random.Random, id_: str, picture: bytes) -> tuple[bytes, Headers]:
    form = rng.randrange(3)
    if form == 0:
        cloud = {"specversion": "1.0", "id": id_, "source": "/chaos", "type": "image", "subject": id_}
        headers: Headers = [(f"ce_{name}", text) for name, text in cloud.items()]
        return picture, [*headers, ("content-type", "image/jpeg")]
    if form == 1:
        data = base64.b64encode(picture).decode()
        return json.dumps({"id": id_, "data": data, "attributes": {"form": "json"}}).encode(), []
    return picture, []


def _odd(rng: random.Random, id_: str, picture: bytes) -> tuple[bytes | None, Headers]:
    values = (
        None,
        b"",
        picture[: len(picture) // 2],
        rng.randbytes(200),
        b'{"id": "torn',
        b'{"id": "%s"}' % id_.encode(),
    )
    return rng.choice(values), []


@dataclass
class Feed:
    """Sends the events, spread evenly over `seconds`, in its own thread.

    Attributes:
        failed: errors of events that were not delivered; the input is then incomplete.
    """

    bootstrap: str
    topic: str
    events: Sequence[Sent]
    seconds: float
    failed: list[str] = field(default_factory=list)
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        # A daemon, so that a run that fails does not wait for the remaining events.
        self._thread = threading.Thread(target=self._send, name="feed", daemon=True)

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    def cancel(self) -> None:
        """Stop sending."""
        self._cancelled.set()

    def wait(self) -> None:
        """Wait until all events are sent and acknowledged."""
        self._thread.join()

    def _send(self) -> None:
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "enable.idempotence": True,  # the input must hold every event exactly once
                "linger.ms": 5,
                "compression.type": "none",
                "message.timeout.ms": 300_000,
                "log_level": 0,
            }
        )
        started = time.monotonic()
        for number, event in enumerate(self.events):
            due = started + self.seconds * number / len(self.events)
            while (ahead := due - time.monotonic()) > 0 and not self._cancelled.is_set():
                producer.poll(min(ahead, 0.1))
            if self._cancelled.is_set():
                return
            self._produce(producer, event)
        if left := producer.flush(300):
            self.failed.append(f"{left} events were not acknowledged")

    def _produce(self, producer: Producer, event: Sent) -> None:
        while True:
            try:
                producer.produce(self.topic, event.value, event.key, headers=event.headers, on_delivery=self._delivered)
            except BufferError:  # librdkafka's queue is full while brokers are away
                producer.poll(0.5)
            except KafkaException as error:
                self.failed.append(f"{event.id}: {error}")
                return
            else:
                producer.poll(0)
                return

    def _delivered(self, error: object, _: Message) -> None:
        if error is not None:
            self.failed.append(str(error))
