"""Publishes a judged batch: its records in a transaction, then its Prometheus metrics and its log line."""

import logging
import time
from dataclasses import dataclass

from consumer.batch import Batch
from consumer.metrics import Metrics
from consumer.otlp.committed import Committed, Trace, no_trace
from consumer.progress import Progress
from consumer.raised import Raised
from consumer.records import (
    BatchMetrics,
    Destination,
    Record,
    heartbeat,
    metrics_of,
    metrics_record,
    verdict_id,
    verdict_record,
)
from consumer.transaction import Publisher
from matcher.judge import Judged

log = logging.getLogger("vigilens.batch")

_TELL_PAUSE_S = 300.0  # at most, between two tries: one takes seconds, in which nothing is judged


@dataclass(frozen=True, slots=True)
class Names:
    """Who publishes, and where: a record per event in the verdicts topic, a record per batch in the metrics topic."""

    group: str
    instance: str
    verdicts_topic: str
    metrics_topic: str


class Outlet:
    """Publishes judged batches.

    Args:
        publisher: of transactions.
        metrics: are told what was committed.
        names: who publishes, and where.
        raised: alerts, which are published with a heartbeat.
        progress: is told which events were committed.
        heartbeat_s: seconds without a record in the metrics topic after which a heartbeat is published.
        trace: is told what was committed, for traces.
    """

    def __init__(  # noqa: PLR0913 (its parts, by name)
        self,
        publisher: Publisher,
        *,
        metrics: Metrics,
        names: Names,
        raised: Raised,
        progress: Progress,
        heartbeat_s: float,
        trace: Trace = no_trace,
    ) -> None:
        self._publisher = publisher
        self._metrics = metrics
        self._names = names
        self._raised = raised
        self._progress = progress
        self._heartbeat_s = heartbeat_s
        self._trace = trace
        self._beat_at = time.monotonic() + heartbeat_s
        self._tell_at = 0.0  # not before, if the alerts topic takes nothing
        self._tell_pause_s = heartbeat_s
        self._beats = True  # the last heartbeat was published

    def publish(self, batch: Batch, judged: Judged) -> None:
        """Publish the batch's verdicts and metrics and commit its offsets.

        Raises:
            Fenced: it failed, or we cannot know.
            CannotPublish: it will never succeed.
        """
        began_at, started = time.time(), time.perf_counter()
        names = self._names
        partitions = self._publisher.partitions(names.verdicts_topic)
        to = Destination(names.verdicts_topic, partitions, f"urn:vigilens:{names.group}")
        records = [
            verdict_record(event, verdict, verdict_id(event, batch.topic_id), to)
            for event, verdict in zip(batch.events, judged.verdicts, strict=True)
        ]
        added = metrics_of(batch, judged, names.group, names.instance)
        records.append(metrics_record(added, names.metrics_topic))
        self._raised.look_at(batch, judged)
        self._tell()  # before the commit, after which nobody looks at this batch again
        self._publisher.publish(records, batch.commits, batch.membership)
        self._beat_at = time.monotonic() + self._heartbeat_s
        self._progress.committed(event.partition for event in batch.events)
        self._metrics.published(batch, judged, added)
        self._trace(Committed(batch, judged, began_at, time.time()))
        self._metrics.set_waiting("kafka", None)
        log.info("batch", extra={"fields": _line(batch, judged, added, time.perf_counter() - started)})

    def beat(self) -> None:
        """Publish a heartbeat, if nothing was published for a while: broken and idle must not look the same.

        And alerts that are not published yet. No verdict depends on either, so a failure is logged and that is all.
        """
        if why := self._metrics.dependencies["sets"].why:
            self._raised.not_comparable("sets", why)
        for name, why in self._metrics.skipped.items():
            self._raised.not_comparable(name, why)
        self._tell()
        if time.monotonic() < self._beat_at:
            return
        if (why := self._attempt([])) and self._beats:
            log.warning("no heartbeat", extra={"fields": {"why": why}})
        self._beats = not why

    def _tell(self) -> None:
        """Publish the alerts, if there are any. What the alerts topic does not take waits, and keeps no verdict."""
        if not self._raised.pending or time.monotonic() < self._tell_at:
            return
        if why := self._attempt(self._raised.records()):
            fields = {"why": why, "alerts": self._raised.sentences()}
            log.error("alerts are not published", extra={"fields": fields})
            self._tell_at = time.monotonic() + self._tell_pause_s
            self._tell_pause_s = min(2 * self._tell_pause_s, _TELL_PAUSE_S)
        else:
            self._raised.published()
            self._tell_pause_s = self._heartbeat_s

    def _attempt(self, alerts: list[Record]) -> str:
        waiting = [name for name, each in self._metrics.dependencies.items() if each.why]
        names, lag = self._names, {at: each.events for at, each in self._metrics.lag.items()}
        alive = heartbeat(names.group, names.instance, waiting, lag)
        self._progress.turn()  # an attempt may take seconds, and one may follow another
        why = self._publisher.attempt([metrics_record(alive, names.metrics_topic), *alerts])
        self._beat_at = time.monotonic() + self._heartbeat_s
        return why

    def announce(self, batch: Batch) -> None:
        """Commit the batch's notes, if it has any, before it is judged.

        Raises:
            Fenced: as `publish`.
            CannotPublish: as `publish`.
        """
        if batch.notes:
            self._publisher.publish((), batch.notes, batch.membership)

    def renew(self) -> None:
        """Before a rewind: count it, and settle the open transaction (see Publisher.renew)."""
        self._metrics.rewound()
        self._publisher.renew()


def _line(batch: Batch, judged: Judged, added: BatchMetrics, publish_s: float) -> dict[str, object]:
    """The fields of a batch's log line."""
    stages = {f"{stage}_ms": round(seconds * 1000, 1) for stage, seconds in judged.seconds.items()}
    ages = [age for event in batch.events if (age := event.age_s(added.at.timestamp())) is not None]
    return {
        "images": added.verdicts,
        **added.decisions,
        "duplicates": judged.duplicates,
        **stages,
        "publish_ms": round(publish_s * 1000, 1),
        "oldest_s": round(max(ages, default=0.0), 3),
        "lag": sum(batch.lag.values()),
        "sets": ",".join(f"{known.name}@{known.version}" for known in judged.snapshot.sets),
        "offsets": ",".join(f"{at.partition}:{offset}" for at, offset in sorted(batch.next_offsets.items())),
    }
