"""Every Prometheus metric of the service, with its help text; a test compares them with docs/operations.md."""

from dataclasses import dataclass
from typing import Literal

from consumer.records import AGE_BUCKETS


@dataclass(frozen=True, slots=True)
class Metric:
    """Name (without the `_total` of counters), kind, help text, labels, and a histogram's upper bounds."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_STAGE_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_SIZE_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1024.0)

VERDICTS = Metric("vigilens_verdicts", "counter", "Verdicts published, by decision.", ("decision",))
UNSCANNABLE = Metric("vigilens_unscannable", "counter", "Images that could not be judged, by reason.", ("reason",))
MATCHES = Metric("vigilens_matches", "counter", "Matches published, by set and level.", ("set", "level"))
STAGE = Metric(
    "vigilens_stage_seconds",
    "histogram",
    "Seconds of work in a stage for a batch, all workers together.",
    ("stage",),
    _STAGE_BUCKETS,
)
BATCH = Metric("vigilens_batch_images", "histogram", "Images in a published batch.", (), _SIZE_BUCKETS)
DUPLICATES = Metric(
    "vigilens_duplicates", "counter", "Images not embedded again, because their exact bytes were embedded recently."
)
AGE = Metric(
    "vigilens_event_age_seconds", "histogram", "From an event's timestamp to its verdict's commit.", (), AGE_BUCKETS
)
LAG = Metric("vigilens_consumer_lag", "gauge", "Events waiting after the newest batch, by partition.", ("partition",))
REWINDS = Metric("vigilens_rewinds", "counter", "Times that reading went back to the committed offsets.")
READY = Metric("vigilens_ready", "gauge", "1 while Kafka and Milvus answer and the sets can be used, else 0.")
SETS_SKIPPED = Metric("vigilens_sets_skipped", "gauge", "Sets left out of judging, because they cannot be matched.")
DAMAGED = Metric("vigilens_references_damaged", "gauge", "References left out because they are damaged.", ("set",))
RECALL = Metric(
    "vigilens_index_recall",
    "gauge",
    "Share of planted copies that a set's approximate index found in the last 30 minutes.",
    ("set",),
)
RECALL_LOWER = Metric("vigilens_index_recall_lower", "gauge", "Lower 95 % bound of vigilens_index_recall.", ("set",))
SET_VERSION = Metric("vigilens_set_version", "gauge", "Version of a set in the newest batch.", ("set",))
SET_REFERENCES = Metric("vigilens_set_references", "gauge", "References in a set at its newest version.", ("set",))

ALL = (
    VERDICTS,
    UNSCANNABLE,
    MATCHES,
    DUPLICATES,
    STAGE,
    BATCH,
    AGE,
    LAG,
    REWINDS,
    READY,
    SETS_SKIPPED,
    DAMAGED,
    RECALL,
    RECALL_LOWER,
    SET_VERSION,
    SET_REFERENCES,
)
