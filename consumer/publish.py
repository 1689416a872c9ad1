"""Publishes a judged batch: its records in a transaction, then its Prometheus metrics and its log line."""

import logging
import time
from dataclasses import dataclass

from consumer.batch import Batch
from consumer.metrics import Metrics
from consumer.records import BatchMetrics, Destination, metrics_of, metrics_record, verdict_id, verdict_record
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
    """Publishes judged batches."""

    def __init__(self, publisher: Publisher, metrics: Metrics, names: Names) -> None:
        self._publisher = publisher
        self._metrics = metrics
        self._names = names

    def publish(self, batch: Batch, judged: Judged) -> None:
        """Publish the batch's verdicts and metrics and commit its offsets.

        Raises:
            Fenced: it failed, or we cannot know.
            CannotPublish: it will never succeed.
        """
        started = time.perf_counter()
        names = self._names
        partitions = self._publisher.partitions(names.verdicts_topic)
        to = Destination(names.verdicts_topic, partitions, f"urn:vigilens:{names.group}")
        records = [
            verdict_record(event, verdict, verdict_id(event, batch.topic_id), to)
            for event, verdict in zip(batch.events, judged.verdicts, strict=True)
        ]
        added = metrics_of(batch, judged, names.group, names.instance)
        records.append(metrics_record(added, names.metrics_topic))
        self._publisher.publish(records, batch.commits, batch.membership)
        self._metrics.published(batch, judged, added)
        self._metrics.set_waiting("kafka", None)
        log.info("batch", extra={"fields": _line(batch, judged, added, time.perf_counter() - started)})

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
