"""Events on their way, with what it takes to commit them: their offsets, and the membership they were polled under."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kafka import TopicPartition

from embedding.image import Image


class Fenced(Exception):  # noqa: N818 (errors are named after the reaction: drop what is under way, rewind)
    """Our partitions may belong to someone else by now. Drop what is under way, do not drain it, and rewind."""


@dataclass(frozen=True, slots=True)
class Event:
    """One record of the input topic.

    Attributes:
        image: what to judge.
        key: the record's key, as it came.
        partition: where it stood.
        offset: where it stood.
        timestamp_ms: of the record, milliseconds since 1970; None or negative: it has none.
    """

    image: Image
    key: bytes | None
    partition: TopicPartition
    offset: int
    timestamp_ms: int | None

    def age_s(self, now: float) -> float | None:
        """Seconds from the record's timestamp to `now` (seconds since 1970), at least 0; None without a timestamp."""
        if self.timestamp_ms is None or self.timestamp_ms < 0:
            return None
        return max(0.0, now - self.timestamp_ms / 1000)


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that are judged and committed together.

    Attributes:
        events: in the order of each partition.
        membership: kafka-python's ConsumerGroupMetadata, taken right at the poll that brought the events. Read later,
            it could be that of a newer generation, and Kafka could not fence us (docs/delivery.md).
        lag: per partition, events that were in the topic beyond this batch when it was taken.
    """

    events: Sequence[Event]
    membership: Any
    lag: dict[int, int]

    @property
    def next_offsets(self) -> dict[TopicPartition, int]:
        """The offsets to commit: of these events, never the consumer's position, which runs ahead of the batches."""
        return {event.partition: event.offset + 1 for event in self.events}
