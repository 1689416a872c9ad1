"""Publishes a judged batch: its records in a transaction, then its Prometheus metrics and its log line."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition

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
        raised: alerts, which are published with a batch or a heartbeat.
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
        self._published_at = time.monotonic()

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
        self._send(records, batch.commits, batch.membership)
        self._progress.committed(event.partition for event in batch.events)
        self._metrics.published(batch, judged, added)
        self._trace(Committed(batch, judged, began_at, time.time()))
        self._metrics.set_waiting("kafka", None)
        log.info("batch", extra={"fields": _line(batch, judged, added, time.perf_counter() - started)})

    def _send(
        self, records: list[Record], offsets: Mapping[TopicPartition, OffsetAndMetadata], membership: Any
    ) -> None:
        self._publisher.publish([*records, *self._raised.records()], offsets, membership)
        self._raised.published()
        self._published_at = time.monotonic()

    def beat(self) -> None:
        """Publish a heartbeat, if nothing was published for a while: broken and idle must not look the same.

        Raises:
            Fenced: as `publish`.
            CannotPublish: as `publish`.
        """
        if why := self._metrics.dependencies["sets"].why:
            self._raised.not_comparable("sets", why)
        for name, why in self._metrics.skipped.items():
            self._raised.not_comparable(name, why)
        if time.monotonic() - self._published_at < self._heartbeat_s and not self._raised.pending:
            return
        waiting = [name for name, each in self._metrics.dependencies.items() if each.why]
        names, lag = self._names, {at: each.events for at, each in self._metrics.lag.items()}
        alive = heartbeat(names.group, names.instance, waiting, lag)
        self._send([metrics_record(alive, names.metrics_topic)], {}, None)

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
