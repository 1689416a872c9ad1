"""Reads the records of a time that is over: to fill the counts, and to read saved ones. With a client of no group."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from consumer.clients import Connection
from consumer.topics import NoAnswer

Ranges = Mapping[TopicPartition, tuple[int, int]]  # first offset, and the one after the last

POLL_MS = 500
TIMEOUT_MS = 10_000
STALLED_S = 60.0


def reader(connection: Connection) -> Any:
    """A client that reads committed records without a group."""
    return KafkaConsumer(
        **connection.options(),
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        allow_auto_create_topics=False,
    )


def whole(client: Any, topic: str) -> Ranges:
    """All that is in a topic.

    Raises:
        NoAnswer: there is no such topic.
        KafkaError: no answer.
    """
    numbers = client.partitions_for_topic(topic)
    if not numbers:
        raise NoAnswer(f"there is no topic {topic}; `vigilens check --create-topics` makes it")
    partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
    begins = client.beginning_offsets(partitions, timeout_ms=TIMEOUT_MS)
    ends = client.end_offsets(partitions, timeout_ms=TIMEOUT_MS)
    return {at: (int(begins[at]), int(ends[at])) for at in partitions}


def since(client: Any, ends: Mapping[TopicPartition, int], second: float) -> Ranges:
    """What came after a time, in seconds since 1970, and before `ends`.

    Raises:
        KafkaError: no answer.
    """
    if not ends:
        return {}
    found = client.offsets_for_times(dict.fromkeys(ends, max(0, int(second * 1000))), timeout_ms=TIMEOUT_MS)
    return {at: (end if found[at] is None else min(end, int(found[at].offset)), end) for at, end in ends.items()}


def last(ranges: Ranges, most: int) -> Ranges:
    """The last `most` offsets of the ranges, the same number of each."""
    each = -(-most // max(1, len(ranges)))
    return {at: (max(begin, end - each), end) for at, (begin, end) in ranges.items()}


def records(connection: Connection, ranges: Ranges, between: Callable[[], None]) -> Iterator[Any]:
    """The records of the ranges, each partition in its order.

    Args:
        connection: how to reach the brokers.
        ranges: what to read.
        between: called between polls; it may raise to end this.

    Raises:
        NoAnswer: nothing comes, although there is something.
        KafkaError: no answer.
    """
    left = {at: end for at, (begin, end) in ranges.items() if begin < end}
    if not left:
        return
    with closing(reader(connection)) as client:
        client.assign(list(left))
        for at in left:
            client.seek(at, ranges[at][0])
        heard = time.monotonic()
        while left:
            between()
            polled = client.poll(timeout_ms=POLL_MS, max_records=1000)
            for at, some in polled.items():
                yield from (one for one in some if one.offset < ranges[at][1])
            before = len(left)
            # Positions go past the markers of transactions, which are not returned.
            left = {at: end for at, end in left.items() if client.position(at, timeout_ms=TIMEOUT_MS) < end}
            client.pause(*(client.assignment() - left.keys()))
            if polled or len(left) < before:
                heard = time.monotonic()
            elif time.monotonic() - heard > STALLED_S:
                raise NoAnswer(f"nothing came from {next(iter(left)).topic} for {STALLED_S:.0f} s")
