"""The Prometheus metrics as OpenTelemetry's metrics.

Names stay as they are: a collector that hands them on to Prometheus writes the same series, so that dashboards and
alert rules hold. Counters lack `_total` here, which Prometheus adds; sums are cumulative from the process's start.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from typing import Any

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family

_UNITS = {"_seconds": "s", "_bytes": "By"}
_CUMULATIVE = AggregationTemporality.CUMULATIVE


def metric_data(
    registry: CollectorRegistry, resource: Resource, scope: InstrumentationScope, began_ns: int, now_ns: int
) -> MetricsData:
    """All metrics of a registry.

    Args:
        registry: of Prometheus' client.
        resource: which process they are of.
        scope: which program made them.
        began_ns: when the counters were 0, in nanoseconds since 1970.
        now_ns: the present time.
    """
    metrics = [metric for family in registry.collect() if (metric := _metric(family, began_ns, now_ns))]
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(scope, metrics, "")], "")])


def _metric(family: Family, began_ns: int, now_ns: int) -> Metric | None:
    data: Sum | Gauge | Histogram
    if family.type == "histogram":
        points = list(_histograms(family, began_ns, now_ns))
        data = Histogram(points, _CUMULATIVE)
    elif family.type == "counter":
        counted = [each for each in family.samples if each.name.endswith("_total")]
        data = Sum(_numbers(counted, began_ns, now_ns), _CUMULATIVE, is_monotonic=True)
    else:
        data = Gauge(_numbers(family.samples, 0, now_ns))
    unit = next((unit for end, unit in _UNITS.items() if family.name.endswith(end)), "")
    return Metric(family.name, family.documentation, unit, data) if data.data_points else None


def _numbers(samples: Iterable[Any], began_ns: int, now_ns: int) -> list[NumberDataPoint]:
    return [NumberDataPoint(dict(each.labels), began_ns, now_ns, each.value) for each in samples]


def _histograms(family: Family, began_ns: int, now_ns: int) -> Iterator[HistogramDataPoint]:
    """A point for each combination of labels. Prometheus' buckets add up from below; OpenTelemetry's do not."""

    def labels(sample: Any) -> dict[str, str]:
        return {name: value for name, value in sample.labels.items() if name != "le"}

    for of_labels, samples in groupby(family.samples, labels):
        found = list(samples)
        buckets = [each for each in found if each.name.endswith("_bucket")]
        bounds = [float(each.labels["le"]) for each in buckets[:-1]]  # the last one is +Inf
        below = [0, *(int(each.value) for each in buckets)]
        counts = [high - low for low, high in pairwise(below)]
        total = next((each.value for each in found if each.name.endswith("_sum")), 0.0)
        nothing: Any = None  # Prometheus does not keep the least and the largest value
        yield HistogramDataPoint(
            of_labels, began_ns, now_ns, below[-1], total, counts, bounds, min=nothing, max=nothing
        )
