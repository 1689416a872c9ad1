"""The process that has all partitions of the verdicts topic: reads, limits, tells, commits.

    trip first   the reference is limited in its set, with the time of the match that was one too many
    tell second  the alert. If the process dies in between, the next owner reads the same verdicts, finds the reference
                 limited, and tells that with the same id: the time in it is that in the reference's row
    then commit  the counts and the offsets in one transaction. It does not wait for an alerts topic that takes nothing:
                 else no other reference would be limited any more

A new owner knows the hours from the jobs topic, as of the committed offsets, and reads the last hour before these
again. Nothing before them is told once more. An owner that stays the owner goes on where it was.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition
from kafka.structs import MemberState

from alerting.breaker import past, saved
from alerting.breaker.beginning import filled, matches_in, second_of
from alerting.breaker.counts import HOUR_S, Burst, Counts
from alerting.breaker.matches import Match
from alerting.breaker.plan import Answer, Plan, Progress
from alerting.breaker.told import alert_of
from consumer.alerts import alert_record
from consumer.records import Record
from consumer.transaction import Publisher

log = logging.getLogger("vigilens.breaker")

POLL_MS = 500
COMMIT_S = 10.0  # what a new owner reads again costs little
MOST = 500  # records of a poll
AGAIN_S = 60.0  # until a reference that somebody else has limited is asked for again
NAMELESS = 100  # verdicts with matches of which none says who
MOST_UNTOLD = 1_000  # alerts that wait until their topic takes them
TOLD_S = 24 * HOUR_S  # until a burst of a reference that is not limited is told again


class Lost(Exception):  # noqa: N818 (names the situation)
    """The group was rebalanced: the partitions may be another process's by now."""


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
        self._untold: deque[Record] = deque(maxlen=MOST_UNTOLD)
        self._nameless: int | None = 0  # verdicts with matches whose events do not say who; None: some do

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
                self._publisher.discard()  # the next owner's has its name, and ours must not be used again after that

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
            self._counts, self._progress = filled(self._plan, committed, self._stay)
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
            if record.offset < self._progress.next[at]:
                continue  # a member that joins again can get its old generation, and then reads what it has read before
            second = second_of(record)
            if counts.since is None and second:
                counts.begins(second)
            matches = matches_in(record, self._plan.rules.attribute)
            self._look_for_people(matches)
            bursts = [counts.add(each) for each in matches]
            self._progress.next[at] = record.offset + 1
            self._progress.times[at] = second
            if found := [each for each in bursts if each]:
                self._commit(counts, [alert for each in found for alert in self._trip(counts, each)])

    def _look_for_people(self, matches: Sequence[Match]) -> None:
        """Say so once if no event has the attribute: nothing would ever be too many."""
        if matches and self._nameless is not None:
            named = any(each.person is not None for each in matches)
            self._nameless = None if named else self._nameless + 1
            if self._nameless == NAMELESS:
                fields = {"attribute": self._plan.rules.attribute, "verdicts": NAMELESS}
                log.warning(
                    "no matched event has the attribute that tells people apart, so the breaker limits nothing",
                    extra={"fields": fields},
                )

    def _trip(self, counts: Counts, burst: Burst) -> list[Record]:
        """Limit the reference; return the alert, if something is to be told."""
        plan, last = self._plan, burst.last
        may = last.severity < plan.rules.below_severity
        answer, second = plan.limit(burst, may), last.at.timestamp()
        if not answer.there:
            counts.forget((last.set, last.reference))
        elif answer.quiet_until > second:
            counts.quiet(burst, answer.quiet_until)
        elif answer.version and counts.limited(burst, answer.version):
            plan.on_trip(last.set)
            return self._told(burst, answer, "")
        elif not answer.version and (answer.why or not may):
            counts.quiet(burst, second + TOLD_S)
            return self._told(burst, answer, answer.why or f"its set has severity {last.severity}")
        else:
            counts.quiet(burst, second + AGAIN_S)
        return []

    def _told(self, burst: Burst, answer: Answer, why: str) -> list[Record]:
        plan = self._plan
        alert = alert_of(burst, plan.rules.attribute, answer, why, group=plan.group, instance=plan.instance)
        fields = {"set": alert.set, "reference": alert.reference, "why": alert.sentence, **alert.facts}
        log.warning("a reference matches too often", extra={"fields": fields})
        return [alert_record(alert, plan.alerts_topic)] if plan.alerts_topic else []

    def _tell(self) -> None:
        """Publish the alerts. Those that are not taken are published before the next commit."""
        if not self._untold:
            return
        if why := self._publisher.attempt(self._untold):
            log.error("alerts of the breaker are not published", extra={"fields": {"why": why}})
            return
        for _ in self._untold:
            self._plan.on_alert("reference_burst")
        self._untold.clear()

    def _commit(self, counts: Counts, alerts: Sequence[Record]) -> None:
        """Alerts; then counts and offsets in one transaction."""
        plan, progress = self._plan, self._progress
        self._untold.extend(alerts)
        self._tell()
        counts.forget_old(max(progress.times.values(), default=0.0))
        records = list(saved.records_of(counts, plan.jobs_topic, plan.group))
        offsets = {
            at: OffsetAndMetadata(offset, f"{progress.times.get(at, 0.0):.3f}", -1)
            for at, offset in progress.next.items()
        }
        self._publisher.publish(records, offsets, self._membership)
        counts.are_saved()
        progress.committed, progress.committed_at = {**progress.next}, time.monotonic()
