"""Finds the event that ends whole processes, and gives it up, so that nothing is tried for ever.

A picture can end a process without an error that we could catch: the kernel kills it for its memory. From outside this
looks like any `kill -9`, and the next process may be on another host. So attempts are noted with the committed offset
(consumer/notes.py). docs/delivery.md has the whole procedure.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from kafka import OffsetAndMetadata, TopicPartition

from consumer.batch import Event
from consumer.notes import Note
from consumer.offsets import Place
from embedding.image import Reason, Unreadable

log = logging.getLogger("vigilens.intake")

ALONE = 3  # so many processes must have ended while they judged an event alone, before it is given up


@dataclass(slots=True)
class _Suspects:
    """Events of a partition that a process may have ended of.

    Attributes:
        ends: processes that ended while they judged the next one of them.
        until: the offset after the last of them.
    """

    ends: int
    until: int


class Attempts:
    """Counts attempts, and decides which events are judged alone.

    Attributes:
        members: all member ids under which this process has made attempts.
    """

    def __init__(self) -> None:
        self.members: set[str] = set()
        self._suspects: dict[TopicPartition, _Suspects] = {}
        self._noted: set[TopicPartition] = set()

    @property
    def careful(self) -> bool:
        """Must the next batch be a single event, and be judged alone?"""
        return bool(self._suspects)

    def others(self, places: Mapping[TopicPartition, Place]) -> bool:
        """Did another process note an attempt that it did not finish?"""
        return any(each.note.attempt and each.note.by not in self.members for each in places.values())

    def begin(self, places: Mapping[TopicPartition, Place], living: Collection[str]) -> None:
        """Reading begins at `places`; `living` are the group's members. An attempt of a living process does not count.

        It was interrupted: by a rebalance, by a failed transaction.
        """
        self._suspects.clear()
        self._noted.clear()
        for at, (offset, note) in ((at, (place.offset, place.note)) for at, place in places.items()):
            ends = note.attempt - (note.by in self.members or note.by in living)
            if ends <= 0:
                continue
            self._suspects[at] = _Suspects(ends, max(note.until, offset + 1))
            fields = {"partition": at.partition, "offset": offset, "until": self._suspects[at].until, "times": ends}
            log.warning("a process ended while it judged these events; they are judged alone", extra={"fields": fields})

    def admit(
        self, events: Sequence[Event], by: str, topic_id: str
    ) -> tuple[Sequence[Event], dict[TopicPartition, OffsetAndMetadata]]:
        """The events of the next batch as they are to be judged, and what must be committed before.

        Args:
            events: at least one; if `careful`, exactly one.
            by: our member id.
            topic_id: of the events' topic.
        """
        self.members.add(by)
        if self.careful:
            return self._alone(events[0], Note(topic=topic_id, by=by))
        spans: dict[TopicPartition, list[int]] = {}
        for each in events:
            spans.setdefault(each.partition, [each.offset])[1:] = [each.offset + 1]
        notes = {
            at: _commit(first, Note(topic=topic_id, attempt=1, until=until, by=by))
            for at, (first, until) in spans.items()
            if at not in self._noted
        }
        self._noted |= spans.keys()
        return events, notes

    def _alone(self, event: Event, note: Note) -> tuple[Sequence[Event], dict[TopicPartition, OffsetAndMetadata]]:
        at, after = event.partition, event.offset + 1
        suspects = self._suspects.get(at)
        if suspects is None or after > suspects.until:
            suspects = _Suspects(1, after)  # no suspect, but it is judged alone like one, so that it is noted like one
        attempt, suspects.ends = suspects.ends + 1, 1
        if after >= suspects.until:
            self._suspects.pop(at, None)
        if attempt > 1 + ALONE:
            return [_given_up(event)], {}
        return [event], {
            at: _commit(event.offset, note.model_copy(update={"attempt": attempt, "until": suspects.until}))
        }


def withdrawn(note: Note) -> Note:
    """A note without its last attempt, which ended in an orderly way."""
    if note.attempt <= 1:
        return Note(topic=note.topic)
    return note.model_copy(update={"attempt": note.attempt - 1, "by": ""})


def _given_up(event: Event) -> Event:
    detail = f"{ALONE} processes ended while they judged this image alone; it is not tried again"
    fields = {"partition": event.partition.partition, "offset": event.offset, "image": event.image.image_id}
    log.error("an event is given up: %s", detail, extra={"fields": fields})
    return replace(event, image=replace(event.image, problem=Unreadable(Reason.GAVE_UP, detail)))


def _commit(offset: int, note: Note) -> OffsetAndMetadata:
    return OffsetAndMetadata(offset, note.text(), -1)
