"""Polls, and closes batches. The only file that uses the Kafka consumer, which belongs to one thread."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

from kafka import TopicPartition
from kafka.errors import AuthorizationError, KafkaError
from kafka.structs import MemberState

from consumer import membership, silence
from consumer.attempts import Attempts, withdrawn
from consumer.batch import Batch, Event, Fenced
from consumer.events import read, size_of
from consumer.images_topic import ImagesTopic
from consumer.jumps import Jumps
from consumer.notes import Note
from consumer.offsets import Offsets, Place, TopicMissing
from consumer.progress import Progress
from consumer.silence import Silence
from consumer.topics import NoAnswer
from consumer.transaction import CannotPublish
from patience import Away, Patience

log = logging.getLogger("vigilens.intake")

_NOT_A_MEMBER = (*membership.ENDED, TopicMissing)
_LEAVE_MS = 5_000  # limit for leaving the group
_WITHDRAW_MS = 2_000  # limit for one request about offsets before that
_JOIN_MS = 1_000  # limit for one poll while the group is rebalanced
_PAUSE_S = 0.2  # after a poll that failed at once


@dataclass(frozen=True, slots=True)
class Limits:
    """When a batch closes: at `images` events, `size` bytes of records, or `wait_s` after its first event."""

    images: int
    size: int
    wait_s: float
    max_attributes_bytes: int


class Intake:
    """Takes batches from the input topic.

    Args:
        consumer: subscribed; from now on only this object uses it.
        topic: the topic that it reads.
        offsets: the group's committed offsets.
        members: asks for the ids of the group's members.
        limits: when a batch closes.
        patience: for requests about offsets while brokers are away.
        stopping: ends the wait for the group.
        give_up_s: seconds to wait for the group at most.
        on_wait: called with "kafka" and the reason when Kafka does not answer, with "topic" and the reason when the
            topic is missing, and with None instead of the reason when that is over; with "transactions" and None when
            there is nothing to publish.
        progress: is told what is read, for the monitor.
        positions: the offset of the next record of each partition that a poll can return.
        jumps: of the consumer, over what retention has deleted.
        explain: an error of Kafka as a sentence.
    """

    def __init__(  # noqa: PLR0913 (its parts, by name)
        self,
        consumer: Any,
        *,
        topic: ImagesTopic,
        offsets: Offsets,
        members: Callable[[], Collection[str]],
        limits: Limits,
        patience: Patience,
        stopping: threading.Event,
        give_up_s: float,
        on_wait: Callable[[str, str | None], None] = lambda _who, _why: None,
        progress: Progress | None = None,
        positions: Callable[[], Mapping[TopicPartition, int]] = dict,
        jumps: Jumps | None = None,
        explain: Callable[[Exception], str] = str,
    ) -> None:
        self._consumer = consumer
        self._topic = topic
        self._offsets = offsets
        self._members = members
        self._limits = limits
        self._patience = patience
        self._stopping = stopping
        self._give_up_s = give_up_s
        self._on_wait = on_wait
        self._polled: deque[Any] = deque()
        self._next: dict[TopicPartition, int] = {}  # the lowest offset that a later poll of the partition may return
        self._membership: Any = None
        self._progress = progress or Progress()
        self._positions = positions
        self._jumps = jumps or Jumps()
        self._explain = explain
        self._silence = Silence(consumer, give_up_s, on_wait, explain)
        self._attempts = Attempts()
        self._alone = False  # must the last batch that was taken be judged alone?
        self._missed = False

    def take(self, wait_s: float, *, full: bool = False, busy: bool = False) -> Batch | None:
        """The next batch; None if no event comes within `wait_s` seconds, or if it must be `full` and is not yet.

        None too if it must be judged alone, or the last one must, while the process is `busy` with judging.

        Raises:
            Fenced: the group was rebalanced; nothing that was polled before may be committed.
            Away: the group does not admit us, or returns no events although there are some.
        """
        if busy and (self._alone or self._attempts.careful):
            self.stay(wait_s)
            return None
        if not self._full() and not self._poll(0.0 if self._polled else wait_s):
            return None
        closes_at = time.monotonic() + self._limits.wait_s
        while not self._full() and (left := closes_at - time.monotonic()) > 0:
            self._poll(left)
        return None if full and not self._full() else self._close()

    def stay(self, wait_s: float = 0.0) -> None:
        """Stay in the group without taking a batch, for `wait_s` seconds; the next one is fetched meanwhile.

        Once the next batch is full, the partitions are paused. Not before: the client fetches nothing for paused
        partitions, and after they are resumed a batch would hold only the one image that comes first.

        Raises:
            Fenced: as `take`.
        """
        if not self._full():
            self._poll(wait_s)
            return
        paused = self._consumer.assignment()
        self._consumer.pause(*paused)
        try:
            self._poll(wait_s)
        finally:
            self._consumer.resume(*(paused & self._consumer.assignment()))

    def rewind(self) -> None:
        """Forget what was polled, and seek each of our partitions to its committed offset.

        Raises:
            Away: no answer for longer than we may wait.
        """
        self._polled.clear()
        self._silence.forget()
        self._jumps.forget()  # what is deleted is found with the committed offsets
        self._progress.rewound(self._consumer.assignment())
        try:
            places = self._patience.call(self._find, _is_away, "kafka")
        except _NOT_A_MEMBER:
            self._membership = None  # another rebalance: the next poll raises Fenced, which brings us back here
            return
        for partition, place in places.items():
            self._consumer.seek(partition, place.offset)
            self._next[partition] = place.offset
        self._progress.reads(self._consumer.assignment(), self._positions())

    def _find(self) -> dict[TopicPartition, Place]:
        places = self._offsets.find(self._consumer.assignment())
        self._attempts.begin(places, self._members() if self._attempts.others(places) else ())
        return places

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Leave the group, so that others get our partitions at once.

        Our attempts are withdrawn first. Not after an error that we do not know: an event may be its cause.
        """
        if error is None or isinstance(error, Away | CannotPublish):
            self._withdraw()
        self._consumer.close(autocommit=False, timeout_ms=_LEAVE_MS)

    def _withdraw(self) -> None:
        try:
            for partition in sorted(self._consumer.assignment()) if self._attempts.members else ():
                committed = self._offsets.committed(partition, _WITHDRAW_MS)
                note = Note.read(committed and committed.metadata)
                if note.attempt and note.by in self._attempts.members:
                    self._offsets.commit({partition: Place(committed.offset, withdrawn(note))}, _WITHDRAW_MS)
        except KafkaError as error:
            log.debug("attempts could not be withdrawn: %r", error)

    def _poll(self, wait_s: float) -> bool:
        """Poll once. True if there are records for a batch."""
        self._progress.turn()
        room = max(1, self._images - len(self._polled))
        records = self._poll_client(int(wait_s * 1000), room)
        rejoined = self._settle()
        self._check_topic()
        now = self._consumer.group_metadata()
        before, self._membership = self._membership, now
        if rejoined or not membership.same(before, now):
            # All that was polled is read again from the committed offsets, the records of this poll too: the client
            # may have taken its position from an answer that is older than this generation (docs/delivery.md).
            raise Fenced(f"the group was rebalanced (generation {now.generation_id})")
        for partition, polled in records.items():
            # A member that joins again can get its old generation back, and then reads from the committed offset.
            if polled and polled[0].offset < self._next.get(partition, 0):
                raise Fenced(f"partition {partition.partition} was read again without a new generation")
            self._polled.extend(polled)
            self._progress.took(partition, len(polled))
            if polled:
                self._next[partition] = polled[-1].offset + 1
        for partition, offset, first in self._jumps.ended(records, self._positions):
            self._offsets.overtaken(partition, offset, first)  # what was polled before that is judged
        self._progress.reads(self._consumer.assignment(), self._positions())
        if records:
            self._silence.heard()
        else:
            self._silence.check(polled=len(self._polled), full=self._full())
        return bool(self._polled)

    def _settle(self) -> bool:
        """Poll until the group is settled and we are a member. True if that took a poll: its records are read again.

        kafka-python discards a join that completes between two polls, and begins another: a leader with anything else
        to do between polls keeps the whole group rebalancing for ever (docs/delivery.md).
        """
        started, rejoined = time.monotonic(), False
        while self._consumer.group_metadata().state != MemberState.STABLE and not self._stopping.is_set():
            self._progress.turn()
            waited = time.monotonic() - started
            if waited > self._give_up_s:
                raise Away(f"kafka did not admit us to the group for {waited:.0f} s")
            if waited > silence.QUIET_S:
                self._on_wait("kafka", f"kafka: not a member of the group yet, for {waited:.0f} s")
            self._poll_client(_JOIN_MS, 1)
            rejoined = True
        return rejoined

    def _poll_client(self, timeout_ms: int, room: int) -> dict[TopicPartition, list[Any]]:
        """One poll. When a broker goes away, the client may raise in the middle of its work: then all is read again."""
        try:
            return self._consumer.poll(timeout_ms=timeout_ms, max_records=room)  # type: ignore[no-any-return]  # untyped
        except KafkaError as error:
            if not error.retriable:
                raise
            why = self._explain(error)
            self._on_wait("kafka", f"kafka: {why}")
            self._stopping.wait(_PAUSE_S)
            raise Fenced(f"kafka does not answer: {why}") from error

    @property
    def _images(self) -> int:
        return 1 if self._attempts.careful else self._limits.images

    def _full(self) -> bool:
        return len(self._polled) >= self._images or sum(map(size_of, self._polled)) >= self._limits.size

    def _close(self) -> Batch:
        if not (membership.joined(self._membership) and self._membership.member_id):
            raise Fenced("events were polled before the group was joined")
        events: list[Event] = []
        size = 0
        while self._polled and len(events) < self._images:
            size += size_of(self._polled[0])
            if events and size > self._limits.size:
                break
            events.append(read(self._polled.popleft(), self._limits.max_attributes_bytes))
        ends = {event.partition: event.offset + 1 for event in events}
        lag = {at.partition: max(0, (self._consumer.highwater(at) or end) - end) for at, end in ends.items()}
        self._topic.ask()  # the answer comes while the batch is judged: are its events of the topic that we know?
        topic_id, self._alone = self._offsets.topic_id, self._attempts.careful
        admitted, notes = self._attempts.admit(events, self._membership.member_id, topic_id)
        return Batch(admitted, self._membership, lag, topic_id, notes)

    def _check_topic(self) -> None:
        """The client goes on at its old position when a topic is deleted and made again.

        Raises:
            Fenced: it was made again; it is read from its beginning.
        """
        missing = self._topic.missing
        if missing != self._missed:
            self._missed = missing
            self._on_wait("topic", f"kafka: there is no topic {self._topic.name}" if missing else None)
        if self._topic.id not in {"", self._offsets.topic_id} and self._offsets.topic_id:
            raise Fenced(f"the topic {self._topic.name} was deleted and made again")


def _is_away(error: Exception) -> bool:
    """May another try succeed? A refused authorization or membership is final; any other error of Kafka is not."""
    return isinstance(error, KafkaError | NoAnswer) and not isinstance(error, (AuthorizationError, *_NOT_A_MEMBER))
