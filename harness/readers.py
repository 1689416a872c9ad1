"""A reader of committed records that uses librdkafka, which shares no code with the service's Kafka client."""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from harness.kafka_jars import NoKafka

try:
    from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
except ImportError:
    raise NoKafka("The demo's reader needs the extra: pip install 'vigilens[demo]'.") from None

RPC_TIMEOUT_S = 30.0
SILENCE_S = 60.0  # reading fails when a broker sends nothing for so long, not even the end of a partition


class ReadFailed(Exception):  # noqa: N818 (named after what happened)
    """A topic does not exist or cannot be read; the message says which and why."""


class Reader:
    """Reads all partitions of a topic, but only records of committed transactions.

    It is in no group and commits nothing. Use it as a context manager, in one thread at a time.

    Args:
        bootstrap: "host:port,…" of the brokers.
        topic: its name.
        from_now: begin at the present end of the partitions, not at their beginning.

    Raises:
        ReadFailed: there is no such topic.
    """

    def __init__(self, bootstrap: str, topic: str, *, from_now: bool = False) -> None:
        self._topic = topic
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "reader",  # the client requires a name; it neither joins nor commits
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "log_level": 0,
            }
        )
        numbers = self._consumer.list_topics(topic, RPC_TIMEOUT_S).topics[topic].partitions
        if not numbers:
            self._consumer.close()
            raise ReadFailed(f"the topic {topic} does not exist")
        partitions = [TopicPartition(topic, number, 0) for number in numbers]
        if from_now:
            for each in partitions:
                _, each.offset = self._consumer.get_watermark_offsets(each, RPC_TIMEOUT_S)
        self._consumer.assign(partitions)
        self._unfinished = set(numbers)  # partitions whose end has not been reached

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def next(self, timeout_s: float) -> Message | None:
        """The next record; None if none comes within `timeout_s` seconds.

        Raises:
            ReadFailed: the client cannot go on.
        """
        until = time.monotonic() + timeout_s
        while (left := until - time.monotonic()) > 0:
            found = self._poll(left)
            if found is not None:
                return found
        return None

    def rest(self) -> Iterator[Message]:
        """The records up to the present end of the topic, in the order of each partition.

        Raises:
            ReadFailed: the client cannot go on, or the broker is silent for SILENCE_S.
        """
        heard_at = time.monotonic()
        while self._unfinished:
            before = len(self._unfinished)
            found = self._poll(1.0)
            if found is not None:
                yield found
            if found is not None or len(self._unfinished) < before:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > SILENCE_S:
                raise ReadFailed(f"{self._topic}: nothing came for {SILENCE_S:.0f} s, and no end")

    def _poll(self, timeout_s: float) -> Message | None:
        """A record; None if there is none yet, or if the message is not a record."""
        message = self._consumer.poll(timeout_s)
        if message is None:
            return None
        error = message.error()
        if error is None:
            self._unfinished.add(partition_of(message))
            return message
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 (that is librdkafka's name for it)
            self._unfinished.discard(partition_of(message))
        elif error.fatal():
            raise ReadFailed(f"{self._topic}: {error}")
        return None


def committed(bootstrap: str, topic: str) -> Iterator[Message]:
    """All committed records of a topic, up to its present end.

    Raises:
        ReadFailed: see `Reader`.
    """
    with Reader(bootstrap, topic) as reader:
        yield from reader.rest()


def partition_of(message: Message) -> int:
    """Number of the partition. By the client's type it may be None, but a message that was read has one."""
    number = message.partition()
    if number is None:
        raise ReadFailed("the client returned a message without a partition")
    return number


def offset_of(message: Message) -> int:
    """Offset in the partition; see `partition_of`."""
    number = message.offset()
    if number is None:
        raise ReadFailed("the client returned a message without an offset")
    return number
