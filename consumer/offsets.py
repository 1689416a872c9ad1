"""Where reading begins: at the group's committed offset of a partition, if that can be right."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition

from consumer.images_topic import ImagesTopic
from consumer.notes import Note

log = logging.getLogger("vigilens.intake")

_TIMEOUT_MS = 5_000  # limit for one request about offsets


class TopicMissing(Exception):  # noqa: N818 (named after what happened)
    """The images topic is not there. The group takes its partitions from us, and gives them back when it is there."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a partition is read from, and what was noted there."""

    offset: int
    note: Note


class Offsets:
    """The committed offsets of the group.

    Args:
        consumer: a member of the group.
        topic: the images topic.
        start: "earliest" or "latest", for partitions that the group has not read before.
        high_water: asks for the end of a partition, open transactions included.
        on_expired: called with a partition, its first offset, and how many events before it retention has deleted.
        turn: called before each request, of which there is one for each partition.

    Attributes:
        topic_id: the id of the topic in which the places count that `find` last returned.
    """

    def __init__(  # noqa: PLR0913 (its parts; the last by name)
        self,
        consumer: Any,
        topic: ImagesTopic,
        start: str,
        high_water: Callable[[TopicPartition], int],
        on_expired: Callable[[TopicPartition, int, int], None] = lambda _at, _first, _events: None,
        *,
        turn: Callable[[], None] = lambda: None,
    ) -> None:
        self._consumer = consumer
        self._topic = topic
        self._start = start
        self._high_water = high_water
        self._on_expired = on_expired
        self._turn = turn
        self.topic_id = ""
        self._id_before = ""  # that of the topic which was deleted since we began
        self._told: dict[TopicPartition, tuple[int, int]] = {}  # the deleted events that were reported last

    def find(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Place]:
        """Where to read each partition from. That offset is committed if it was not.

        So every partition has a committed offset before its first event is taken, and a rewind always has a target.

        Raises:
            TopicMissing: there is no topic.
            KafkaError: no answer, or another rebalance.
        """
        self._topic.refresh(_TIMEOUT_MS / 1000)
        if self._topic.missing and partitions:
            raise TopicMissing(self._topic.name)
        topic_id, order = self._topic.id, sorted(partitions)
        if self.topic_id and topic_id not in {"", self.topic_id}:
            self._id_before = self.topic_id
        committed = {at: self.committed(at) for at in order}
        begins = self._consumer.beginning_offsets(order, timeout_ms=_TIMEOUT_MS) if order else {}
        ends = self._consumer.end_offsets(order, timeout_ms=_TIMEOUT_MS) if order else {}
        places = {at: self._place(at, committed[at], int(begins[at]), int(ends[at]), topic_id) for at in order}
        new = {
            at: place for at, place in places.items() if committed[at] is None or committed[at].offset != place.offset
        }
        if new:
            self.commit(new)
        self.topic_id = topic_id or self.topic_id
        return places

    def committed(self, at: TopicPartition, timeout_ms: int = _TIMEOUT_MS) -> Any:
        """The committed offset with its metadata; None if there is none."""
        self._turn()
        # Asked twice: after a time-out kafka-python keeps the late answer and returns it to the next request.
        self._consumer.committed(at, metadata=True, timeout_ms=timeout_ms)
        return self._consumer.committed(at, metadata=True, timeout_ms=timeout_ms)

    def commit(self, places: dict[TopicPartition, Place], timeout_ms: int = _TIMEOUT_MS) -> None:
        """Commit `places`: for what is committed already, or before the first event is taken. Transactions do the rest.

        Raises:
            KafkaError: no answer, or we are no longer a member.
        """
        offsets = {at: OffsetAndMetadata(place.offset, place.note.text(), -1) for at, place in places.items()}
        self._consumer.commit(offsets, timeout_ms=timeout_ms)

    def overtaken(self, at: TopicPartition, offset: int, first: int) -> None:
        """Report that retention has deleted the events from `offset` until `first`; what was reported counts once."""
        begin, end = self._told.get(at, (first, first))
        events = first - offset - max(0, min(first, end) - max(offset, begin))
        if events > 0:
            self._told[at] = (min(offset, begin), first)
            fields = {"partition": at.partition, "events": events}
            log.error("events were deleted by retention before they were judged", extra={"fields": fields})
            self._on_expired(at, first, events)

    def _place(self, at: TopicPartition, committed: Any, first: int, end: int, topic_id: str) -> Place:
        new = Note(topic=topic_id)
        if committed is None:
            if self._id_before:  # Kafka deletes a topic's offsets with it
                self._report_new_topic(at, self._id_before, topic_id)
            elif self._start == "latest":
                return Place(end, new)
            return Place(first, new)
        offset, note = int(committed.offset), Note.read(committed.metadata)
        if note.topic and topic_id and note.topic != topic_id:
            self._report_new_topic(at, note.topic, topic_id)
            return Place(first, new)
        if offset < first:
            self.overtaken(at, offset, first)
            return Place(first, new)
        # `end` is the end for readers of committed events: an open transaction of a producer may lie beyond it.
        if offset > end and offset > (end := self._high_water(at)):
            fields = {"partition": at.partition, "offset": offset, "end": end, "begins": first}
            log.error(
                "the committed offset is beyond the end of its partition, so all that is there is judged (again); "
                "was a broker restored, or the offset altered?",
                extra={"fields": fields},
            )
            return Place(first, new)
        return Place(offset, note)

    def _report_new_topic(self, at: TopicPartition, before: str, now: str) -> None:
        self._told.pop(at, None)
        fields = {"topic": at.topic, "partition": at.partition, "id_before": before, "id": now}
        log.error("the topic was deleted and made again; it is read from its beginning", extra={"fields": fields})
