"""The process that has all partitions of the verdicts topic: reads, limits, tells, commits.

    trip first   the reference is limited in its set, by the time of the match that was one too many
    tell second  the alert, the counts and the offsets in one transaction. If the process dies in between, the next
                 owner reads the same verdicts, limits the reference again by the same time, and tells it with the same
                 id

A new owner knows the hours from the jobs topic, as of the committed offsets, and reads the last hour before these
again. Nothing before them is told once more. An owner that stays the owner goes on where it was.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition
from kafka.structs import MemberState

from consumer.alerts import alert_record
from consumer.breaker import past, saved
from consumer.breaker.counts import HOUR_S, HOURS, MINUTE_S, WINDOW, Burst, Counts, Rules
from consumer.breaker.matches import matches_of
from consumer.breaker.told import alert_of
from consumer.clients import Connection
from consumer.records import Record
from consumer.transaction import Publisher

log = logging.getLogger("vigilens.breaker")

POLL_MS = 500
COMMIT_S = 10.0  # what a new owner reads again costs little
MOST = 500  # records of a poll
MOST_AT_FIRST = 1_000_000  # verdicts, of which the first owner makes its counts
WINDOW_S = (WINDOW + 5) * MINUTE_S  # clocks differ a little
AGAIN_S = 60.0  # until a reference that somebody else has limited is asked for again
TOLD_S = 24 * HOUR_S  # until a burst of a reference that is not limited is told again


class Lost(Exception):  # noqa: N818 (names the situation)
    """The group was rebalanced: the partitions may be another process's by now."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a reference that was to be limited.

    Attributes:
        there: whether set and reference are there.
        version: of the set that limits it; 0: it was not changed.
        quiet_until: an operator wants no change before then, in seconds since 1970.
        why: why the set cannot be changed; empty: it can.
    """

    there: bool = True
    version: int = 0
    quiet_until: float = 0.0
    why: str = ""


# Limits a reference: its burst, and whether it may be changed. Raises `patience.Away`.
Limit = Callable[[Burst, bool], Answer]


@dataclass(frozen=True, slots=True)
class Plan:
    """Names, and what is called. `group`: of the service; `alerts_topic` empty: nothing is told."""

    connection: Connection
    group: str
    instance: str
    verdicts_topic: str
    alerts_topic: str
    jobs_topic: str
    rules: Rules
    limit: Limit
    on_trip: Callable[[str], None] = lambda _: None
    on_alert: Callable[[str], None] = lambda _: None


@dataclass(slots=True)
class Progress:
    """What the counts contain: offsets to go on at, the time of the newest verdict by partition, and what is saved."""

    next: dict[TopicPartition, int] = field(default_factory=dict)
    times: dict[TopicPartition, float] = field(default_factory=dict)
    committed: dict[TopicPartition, int | None] = field(default_factory=dict)
    committed_at: float = 0.0


class Owner:
    """A member of the breaker's group, and the breaker itself as long as it has the partitions.

    Args:
        plan: names, and what is called.
        consumer: subscribed to the verdicts topic, with `OneOwner`.
        publisher: of the breaker; its name is the same in each process, so that a new owner ends the last one's work.
        stopping: ends it.
    """

    def __init__(self, plan: Plan, consumer: Any, publisher: Publisher, stopping: threading.Event) -> None:
        self._plan = plan
        self._consumer = consumer
        self._publisher = publisher
        self._stopping = stopping
        self._counts: Counts | None = None
        self._progress = Progress()
        self._membership: Any = None

    def run(self) -> None:
        """Stand by, or be the breaker, until `stopping` is set.

        Raises:
            Exception: anything that goes wrong; nothing is lost.
        """
        while not self._stopping.is_set():
            try:
                self._settle()
                if self._consumer.assignment():
                    self._own()
                else:
                    self._poll()
            except Lost:
                continue

    def _settle(self) -> None:
        """Poll until we are a member. What is returned meanwhile is read again."""
        while self._consumer.group_metadata().state != MemberState.STABLE and not self._stopping.is_set():
            self._consumer.poll(timeout_ms=POLL_MS, max_records=1)
        self._membership = self._consumer.group_metadata()

    def _poll(self, timeout_ms: int = POLL_MS) -> Mapping[TopicPartition, Sequence[Any]]:
        polled: Mapping[TopicPartition, Sequence[Any]] = self._consumer.poll(timeout_ms=timeout_ms, max_records=MOST)
        now = self._consumer.group_metadata()
        if (now.generation_id, now.member_id) != (self._membership.generation_id, self._membership.member_id):
            raise Lost
        return polled

    def _stay(self) -> None:
        """Stay in the group while we are busy with something else; nothing may be returned meanwhile."""
        if self._stopping.is_set():
            raise Lost
        self._consumer.pause(*self._consumer.assignment())
        try:
            self._poll(0)
        finally:
            self._consumer.resume(*self._consumer.assignment())

    def _own(self) -> None:
        """Be the breaker until the partitions are lost or `stopping` is set."""
        self._publisher.renew()  # ends the last owner's transaction
        partitions = sorted(self._consumer.assignment())
        committed = {at: self._consumer.committed(at, metadata=True, timeout_ms=past.TIMEOUT_MS) for at in partitions}
        offsets = {at: None if each is None else int(each.offset) for at, each in committed.items()}
        if self._counts is None or offsets != self._progress.committed:
            self._counts = self._filled(committed)
        counts = self._counts
        for at in partitions:
            self._consumer.seek(at, self._progress.next[at])
        if None in offsets.values():
            self._commit(counts, ())
        while not self._stopping.is_set():
            for at, some in self._poll().items():
                self._read(counts, at, some)
            if self._due():
                self._commit(counts, ())
        self._commit(counts, ())

    def _due(self) -> bool:
        progress = self._progress
        return progress.next != progress.committed and time.monotonic() - progress.committed_at > COMMIT_S

    def _read(self, counts: Counts, at: TopicPartition, some: Sequence[Any]) -> None:
        for record in some:
            second = _second(record)
            if counts.since is None and second:
                counts.begins(second)
            bursts = [counts.add(each) for each in matches_of(record.value, self._plan.rules.attribute)]
            self._progress.next[at] = record.offset + 1
            self._progress.times[at] = second
            if found := [each for each in bursts if each]:
                self._commit(counts, [alert for each in found for alert in self._trip(counts, each)])

    def _trip(self, counts: Counts, burst: Burst) -> list[Record]:
        """Limit the reference; return the alert, if something is to be told."""
        plan, last = self._plan, burst.last
        may = last.severity < plan.rules.below_severity
        answer, second = plan.limit(burst, may), last.at.timestamp()
        if not answer.there:
            counts.forget((last.set, last.reference))
        elif answer.quiet_until > second:
            counts.quiet(burst, answer.quiet_until)
        elif answer.version:
            counts.limited(burst, answer.version)
            plan.on_trip(last.set)
            return self._told(burst, answer.version, "")
        elif answer.why or not may:
            counts.quiet(burst, second + TOLD_S)
            return self._told(burst, 0, answer.why or f"its set has severity {last.severity}")
        else:
            counts.quiet(burst, second + AGAIN_S)
        return []

    def _told(self, burst: Burst, version: int, why: str) -> list[Record]:
        plan = self._plan
        alert = alert_of(burst, plan.rules.attribute, version, why, group=plan.group, instance=plan.instance)
        fields = {"set": alert.set, "reference": alert.reference, "why": alert.sentence, **alert.facts}
        log.warning("a reference matches too often", extra={"fields": fields})
        return [alert_record(alert, plan.alerts_topic)] if plan.alerts_topic else []

    def _commit(self, counts: Counts, alerts: Sequence[Record]) -> None:
        """Alerts, counts and offsets in one transaction."""
        plan, progress = self._plan, self._progress
        counts.forget_old(max(progress.times.values(), default=0.0))
        records = [*alerts, *saved.records_of(counts, plan.jobs_topic, plan.group)]
        offsets = {
            at: OffsetAndMetadata(offset, f"{progress.times.get(at, 0.0):.3f}", -1)
            for at, offset in progress.next.items()
        }
        self._publisher.publish(records, offsets, self._membership)
        counts.are_saved()
        for _ in alerts:
            plan.on_alert("reference_burst")
        progress.committed, progress.committed_at = {**progress.next}, time.monotonic()

    def _filled(self, committed: Mapping[TopicPartition, Any]) -> Counts:
        """The counts as of the committed offsets."""
        started, plan, counts = time.monotonic(), self._plan, Counts(self._plan.rules)
        with closing(past.reader(plan.connection)) as client:
            jobs = past.whole(client, plan.jobs_topic)
            for record in past.records(plan.connection, jobs, self._stay):
                saved.read_into(counts, record.key, record.value, plan.group)
            new = all(each is None for each in committed.values())
            there = past.whole(client, plan.verdicts_topic)
            # A partition that was added later is read from its beginning; a new group begins at the ends.
            following = {
                at: there[at][1 if new else 0] if each is None else int(each.offset) for at, each in committed.items()
            }
            times = {at: _time(each) for at, each in committed.items()}
            lagging = [times[at] for at in times if times[at] and following[at] < there[at][1]]
            newest = max(times.values(), default=0.0) or time.time()
            begin = min([newest, *lagging])
            # A topic that was made again may be shorter than what was committed of the one before.
            ends = {at: min(offset, there[at][1]) for at, offset in following.items()}
            ranges = past.since(client, ends, begin - (HOURS * HOUR_S if new else WINDOW_S))
            if new:
                ranges = past.last(ranges, MOST_AT_FIRST)
        read = 0
        for record in past.records(plan.connection, ranges, self._stay):
            read += 1
            second = _second(record)
            if new and second:
                counts.begins(second)
            for each in matches_of(record.value, plan.rules.attribute):
                if new:
                    counts.count(each)
                if second > begin - WINDOW_S:
                    counts.remember(each)
        self._progress = Progress(following, times, {})
        fields = {"verdicts": read, "references": len(counts.known), "seconds": round(time.monotonic() - started, 1)}
        log.info("this process is the breaker", extra={"fields": fields})
        return counts


def _second(record: Any) -> float:
    """Time of a record, in seconds since 1970; 0: it has none."""
    return max(0.0, (record.timestamp or 0) / 1000)


def _time(committed: Any) -> float:
    """Time of the last verdict before a committed offset, in seconds since 1970; 0: unknown."""
    try:
        return float(committed.metadata) if committed is not None else 0.0
    except (TypeError, ValueError):
        return 0.0
