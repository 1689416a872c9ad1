"""The values of the Prometheus metrics, and what the service waits for."""

import logging
import platform
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from consumer import metric_names as names
from consumer.batch import Batch
from consumer.group import GroupState
from consumer.records import BatchMetrics
from matcher.judge import Judged
from reference_sets.in_force import Snapshot

log = logging.getLogger("vigilens.waiting")

disable_created_metrics()  # type: ignore[no-untyped-call]  # without it each counter has a `_created` gauge, unused

DEPENDENCIES = ("start", "kafka", "topic", "transactions", "milvus", "sets")
DECISIONS = ("allow", "review", "block", "unscannable")
MAX_SETS = 200  # that have series of their own: others are counted together as "other"
OTHER = "other"

_Labels = tuple[str, ...]


class Lag(NamedTuple):
    """Events that wait in a partition, and the seconds for which its committed offset has stood while they do."""

    events: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Dependency:
    """Whether the service waits for something: since when it does or does not (UTC), and why it does."""

    since: datetime
    why: str | None


class Metrics:
    """The service's counters and gauges. Several threads may use it at once.

    Attributes:
        registry: all metrics, those of the process included.
        dependencies: what the service may wait for, by name.
        skipped: name of each set that is left out of judging → the reason.
        lag: partition → what waits, as of the last look.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._lock = threading.Lock()
        self._values: dict[str, Any] = {each.name: self._make(each) for each in names.ALL}
        self._present: dict[str, set[_Labels]] = {}  # of the gauges whose labels come and go
        self._sets: set[str] = set()  # names that have series of their own
        self.skipped: dict[str, str] = {}
        self.lag: Mapping[int, Lag] = {}
        now = datetime.now(UTC)
        self.dependencies = {name: Dependency(now, None) for name in DEPENDENCIES}
        self.dependencies["start"] = Dependency(now, "the service is starting")
        self._begin()

    def _make(self, metric: names.Metric) -> Counter | Gauge | Histogram:
        if metric.kind == "counter":
            return Counter(metric.name, metric.help, metric.labels, registry=self.registry)
        if metric.kind == "gauge":
            return Gauge(metric.name, metric.help, metric.labels, registry=self.registry)
        return Histogram(metric.name, metric.help, metric.labels, buckets=metric.buckets, registry=self.registry)

    def _begin(self) -> None:
        """Show what there is from the first moment: the increase of a counter is not seen if it begins with a one."""
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        values = self._values
        values[names.BUILD.name].labels(version("vigilens"), platform.python_version()).set(1)
        values[names.READY.name].set_function(lambda: 0 if self.waiting else 1)
        values[names.COMMIT_AT.name].set(time.time())
        for name in DEPENDENCIES:
            values[names.WAITING.name].labels(name).set_function(self._waits_for(name))
        for decision in DECISIONS:
            values[names.VERDICTS.name].labels(decision)

    def _waits_for(self, name: str) -> Callable[[], int]:
        return lambda: 1 if self.dependencies[name].why else 0

    @property
    def waiting(self) -> str:
        """Why we are not ready, or an empty string."""
        return "; ".join(each.why for each in self.dependencies.values() if each.why)

    def set_waiting(self, who: str, why: str | None) -> None:
        """The service waits for `who`, one of DEPENDENCIES, because of `why`; None: no longer."""
        with self._lock:
            before = self.dependencies[who]
            if bool(before.why) == bool(why):
                self.dependencies[who] = Dependency(before.since, why)
                return
            self.dependencies[who] = Dependency(datetime.now(UTC), why)
        if why is not None:
            log.warning("waiting", extra={"fields": {"for": who, "why": why}})
        else:
            log.info("no longer waiting", extra={"fields": {"for": who}})

    def otlp_lost(self, signal: str, number: int) -> None:
        """Count what no collector took: spans ("traces"), or requests ("metrics")."""
        self._values[names.OTLP_LOST.name].labels(signal).inc(number)

    def rewound(self) -> None:
        """Count a rewind to the committed offsets."""
        self._values[names.REWINDS.name].inc()

    def expired(self, events: int) -> None:
        """Count events that were deleted before they were judged."""
        self._values[names.EXPIRED.name].inc(events)

    def alerted(self, kind: str) -> None:
        """Count a record of the alerts topic."""
        self._values[names.ALERTS.name].labels(kind).inc()

    def tripped(self, name: str) -> None:
        """Count a reference of the set `name` that the breaker has limited to review."""
        self._values[names.TRIPS.name].labels(self._label(name)).inc()

    def breaker_failed(self) -> None:
        """Count a failure of the breaker."""
        self._values[names.BREAKER_FAILURES.name].inc()

    def measured(self, state: GroupState, at: float) -> None:
        """Set what is known of the group since `at`, seconds since 1970."""
        self._values[names.LAG_AT.name].set(at)
        if state.members is not None:
            self._values[names.MEMBERS.name].set(state.members)
            self._values[names.UNOWNED.name].set(len(state.ends.keys() - state.owned))

    def waits(self, by_partition: Mapping[int, Lag], *, owned: int, committed_at: float) -> None:
        """Set what waits, the number of partitions that are ours, and when we last committed, in seconds since 1970."""
        self.lag = dict(by_partition)
        self._values[names.OWNED.name].set(owned)
        self._values[names.COMMIT_AT.name].set(committed_at)
        self._replace(names.LAG, {(str(at),): lag.events for at, lag in by_partition.items()})
        self._replace(names.OLDEST, {(str(at),): lag.seconds for at, lag in by_partition.items()})

    def published(self, batch: Batch, judged: Judged, added: BatchMetrics) -> None:
        """Add a committed batch."""
        values = self._values
        for decision, count in added.decisions.items():
            values[names.VERDICTS.name].labels(decision).inc(count)
        for reason, count in added.reasons.items():
            values[names.UNSCANNABLE.name].labels(reason).inc(count)
        self.about_sets(judged.snapshot)
        self._about_searches(judged)
        for each in added.matches:
            values[names.MATCHES.name].labels(self._label(each.set), each.level).inc(each.matches)
        for stage, seconds in judged.seconds.items():
            values[names.STAGE.name].labels(stage).observe(seconds)
        values[names.BATCH.name].observe(added.verdicts)
        values[names.DUPLICATES.name].inc(added.duplicates)
        for event in batch.events:
            if (age := event.age_s(added.at.timestamp())) is not None:
                values[names.AGE.name].observe(age)
        self._observe_scores(judged)

    def _observe_scores(self, judged: Judged) -> None:
        """The best candidate of each image in each set: those below the thresholds show how near it was."""
        scores = self._values[names.SCORE.name]
        for verdict in judged.verdicts:
            for each in verdict.sets:
                if not each.candidates:
                    continue
                label = self._label(each.set)
                # Thresholds are compared with normalised similarities, where the set has a background.
                near = [one.similarity if one.normalised is None else one.normalised for one in each.candidates]
                # OpenMetrics has no histograms of negative values; strict readers drop the whole page.
                scores.labels(label, "similarity").observe(max(0.0, *near))
                checked = [one.check for one in each.candidates if one.check is not None]
                if checked:
                    scores.labels(label, "check").observe(max(0.0, *checked))

    def about_sets(self, snapshot: Snapshot) -> None:
        """Set what describes the sets; one of an earlier snapshot may have been dropped."""
        self.skipped = dict(snapshot.skipped)
        self._values[names.SETS_SKIPPED.name].set(len(self.skipped))
        named = {known.name: known for known in snapshot.sets if self._label(known.name) != OTHER}
        for name in named:
            for level in ("review", "block"):  # at zero until there is one
                self._values[names.MATCHES.name].labels(name, level)
        used = [(known.name, size) for known, size in zip(snapshot.sets, snapshot.sizes, strict=True)]
        comparable = dict.fromkeys((known.name for known in snapshot.sets), 1.0) | dict.fromkeys(self.skipped, 0.0)
        self._replace(names.COMPARABLE, self._by_label(comparable, min))
        self._replace_by_set(names.SET_VERSION, {name: known.version for name, known in named.items()})
        self._replace_by_set(names.SET_REFERENCES, dict(used))
        changed = {name: at for name, known in named.items() if (at := _time(known.changed_at))}
        self._replace_by_set(names.SET_CHANGED_AT, changed)
        self._describe_sets(named)

    def _about_searches(self, judged: Judged) -> None:
        """Set what the searches of the newest batch have shown of the sets."""
        recalls = judged.recalls.items()
        self._replace(names.DAMAGED, self._by_label(judged.damaged, sum))
        self._replace(names.RECALL, self._by_label({name: recall.share for name, recall in recalls}, min))
        self._replace(names.RECALL_LOWER, self._by_label({name: recall.lower for name, recall in recalls}, min))

    def _replace_by_set(self, metric: names.Metric, found: Mapping[str, float]) -> None:
        self._replace(metric, {(name,): value for name, value in found.items() if self._label(name) != OTHER})

    def _by_label(self, by_set: Mapping[str, float], join: Callable[[Iterable[float]], float]) -> dict[_Labels, float]:
        """The values by label; sets without series of their own share one, so that no alert misses them."""
        found: dict[_Labels, list[float]] = {}
        for name, value in by_set.items():
            found.setdefault((self._label(name),), []).append(value)
        return {labels: join(values) for labels, values in found.items()}

    def _describe_sets(self, named: Mapping[str, Any]) -> None:
        thresholds: dict[_Labels, float] = {}
        info: dict[_Labels, float] = {}
        for name, known in named.items():
            info[name, str(known.kind), known.category, str(known.severity)] = 1.0
            measures = {"similarity": known.thresholds} | ({"check": known.check} if known.verify != "off" else {})
            for measure, limits in measures.items():
                thresholds[name, measure, "review"] = limits.review
                thresholds[name, measure, "block"] = limits.block
        self._replace(names.THRESHOLD, thresholds)
        self._replace(names.SET_INFO, info)

    def _label(self, name: str) -> str:
        """The label of a set. Names come from outside, so only so many have series of their own."""
        if name not in self._sets:
            if len(self._sets) >= MAX_SETS:
                return OTHER
            self._sets.add(name)
        return name

    def _replace(self, metric: names.Metric, by_labels: Mapping[_Labels, float]) -> None:
        """Set these series, and remove the others of the metric: after that, so that no scrape finds none at all."""
        gauge = self._values[metric.name]
        with self._lock:
            for labels, value in by_labels.items():
                gauge.labels(*labels).set(value)
            for labels in self._present.get(metric.name, set()) - by_labels.keys():
                gauge.remove(*labels)
            self._present[metric.name] = set(by_labels)


def _time(text: str) -> float | None:
    """An ISO 8601 time in seconds since 1970; None: not known."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
