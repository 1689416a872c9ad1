"""Events under way, and what is needed to commit them: their offsets, and the membership they were polled under."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition

from consumer.notes import Note
from consumer.trace_context import TraceContext
from embedding.image import Image


class Fenced(Exception):  # noqa: N818 (errors are named after the reaction: drop what is under way, rewind)
    """Our partitions may belong to another process by now. Drop what is under way, do not finish it, and rewind."""


@dataclass(frozen=True, slots=True)
class Event:
    """One record of the input topic.

    Attributes:
        image: what to judge.
        key: the record's key, unchanged.
        partition: of the record.
        offset: of the record in its partition.
        timestamp_ms: of the record, milliseconds since 1970; None or negative: it has none.
        trace: which trace it belongs to, if its sender says so.
    """

    image: Image
    key: bytes | None
    partition: TopicPartition
    offset: int
    timestamp_ms: int | None
    trace: TraceContext | None = None

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
        membership: kafka-python's ConsumerGroupMetadata, read right after the poll that returned the events. Read
            later, it could be of a newer generation, and Kafka could not fence us (docs/delivery.md).
        lag: per partition, events that were in the topic after this batch when it was taken.
        topic_id: of the topic that the events are of; empty if the brokers do not say it.
        notes: offsets of this batch that must be committed before it is judged, with the attempt in their metadata.
        taken_at: when it was closed, in seconds since 1970.
    """

    events: Sequence[Event]
    membership: Any
    lag: dict[int, int]
    topic_id: str = ""
    notes: Mapping[TopicPartition, OffsetAndMetadata] = field(default_factory=dict)
    taken_at: float = field(default_factory=time.time)

    @property
    def next_offsets(self) -> dict[TopicPartition, int]:
        """The offsets to commit. They come from the events: the consumer's position runs ahead of the batches."""
        return {event.partition: event.offset + 1 for event in self.events}

    @property
    def commits(self) -> dict[TopicPartition, OffsetAndMetadata]:
        """The same offsets, with the note that the events before them are done."""
        note = Note(topic=self.topic_id).text()
        return {at: OffsetAndMetadata(offset, note, -1) for at, offset in self.next_offsets.items()}
