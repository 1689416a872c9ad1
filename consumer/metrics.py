"""The values of the Prometheus metrics, and what the service waits for."""

import logging
import threading
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from consumer import metric_names as names
from consumer.batch import Batch
from consumer.records import BatchMetrics
from matcher.judge import Judged

log = logging.getLogger("vigilens.waiting")

disable_created_metrics()  # type: ignore[no-untyped-call]  # without it each counter has a `_created` gauge, unused


class Metrics:
    """The service's counters and gauges. Several threads may use it at once.

    Attributes:
        skipped: name of each set that is left out of judging → the reason.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._lock = threading.Lock()
        self._values: dict[str, Any] = {each.name: self._make(each) for each in names.ALL}
        self.skipped: dict[str, str] = {}
        self._waiting: dict[str, str] = {"start": "the service is starting"}
        self._values[names.READY.name].set_function(lambda: 0 if self._waiting else 1)

    def _make(self, metric: names.Metric) -> Counter | Gauge | Histogram:
        if metric.kind == "counter":
            return Counter(metric.name, metric.help, metric.labels, registry=self.registry)
        if metric.kind == "gauge":
            return Gauge(metric.name, metric.help, metric.labels, registry=self.registry)
        return Histogram(metric.name, metric.help, metric.labels, buckets=metric.buckets, registry=self.registry)

    @property
    def waiting(self) -> str:
        """Why we are not ready, or an empty string."""
        return "; ".join(self._waiting.values())

    def set_waiting(self, who: str, why: str | None) -> None:
        """The service waits for `who` ("kafka", "topic", "milvus", …) because of `why`; None: no longer."""
        with self._lock:
            before = self._waiting.get(who)
            waiting = {name: text for name, text in self._waiting.items() if name != who}
            self._waiting = waiting if why is None else {**waiting, who: why}
        if before is None and why is not None:
            log.warning("waiting", extra={"fields": {"for": who, "why": why}})
        elif before is not None and why is None:
            log.info("no longer waiting", extra={"fields": {"for": who}})

    def rewound(self) -> None:
        """Count a rewind to the committed offsets."""
        self._values[names.REWINDS.name].inc()
        self._values[names.LAG.name].clear()  # another process may have these partitions now

    def published(self, batch: Batch, judged: Judged, added: BatchMetrics) -> None:
        """Add a committed batch."""
        values = self._values
        for decision, count in added.decisions.items():
            values[names.VERDICTS.name].labels(decision).inc(count)
        for reason, count in added.reasons.items():
            values[names.UNSCANNABLE.name].labels(reason).inc(count)
        for each in added.matches:
            values[names.MATCHES.name].labels(each.set, each.level).inc(each.matches)
        for stage, seconds in judged.seconds.items():
            values[names.STAGE.name].labels(stage).observe(seconds)
        values[names.BATCH.name].observe(added.verdicts)
        values[names.DUPLICATES.name].inc(added.duplicates)
        for event in batch.events:
            if (age := event.age_s(added.at.timestamp())) is not None:
                values[names.AGE.name].observe(age)
        for partition, lag in added.lag.items():
            values[names.LAG.name].labels(partition).set(lag)
        self._about_sets(judged)

    def _about_sets(self, judged: Judged) -> None:
        """Set what describes the sets of the newest batch; one of an earlier batch may have been dropped."""
        values, snapshot = self._values, judged.snapshot
        self.skipped = dict(snapshot.skipped)
        values[names.SETS_SKIPPED.name].set(len(self.skipped))
        sized = list(zip(snapshot.sets, snapshot.sizes, strict=True))
        for metric, by_set in (
            (names.DAMAGED, judged.damaged),
            (names.RECALL, {name: recall.share for name, recall in judged.recalls.items()}),
            (names.RECALL_LOWER, {name: recall.lower for name, recall in judged.recalls.items()}),
            (names.SET_VERSION, {known.name: known.version for known in snapshot.sets}),
            (names.SET_REFERENCES, {known.name: size for known, size in sized}),
        ):
            values[metric.name].clear()
            for name, value in by_set.items():
                values[metric.name].labels(name).set(value)
