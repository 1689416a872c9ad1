"""Every Prometheus metric of the service, with its help text; a test compares them with docs/metrics.md."""

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
_SCORE_BUCKETS = tuple(round(step / 20, 2) for step in range(21))

# Verdicts and what they are made of.
VERDICTS = Metric("vigilens_verdicts", "counter", "Verdicts published, by decision.", ("decision",))
UNSCANNABLE = Metric("vigilens_unscannable", "counter", "Images that could not be judged, by reason.", ("reason",))
MATCHES = Metric("vigilens_matches", "counter", "Matches published, by set and level.", ("set", "level"))
SCORE = Metric(
    "vigilens_candidate_score",
    "histogram",
    "Score of the best candidate of each image in a set, also below the thresholds, by measure.",
    ("set", "measure"),
    _SCORE_BUCKETS,
)
DUPLICATES = Metric(
    "vigilens_duplicates", "counter", "Images not embedded again, because their exact bytes were embedded recently."
)
STAGE = Metric(
    "vigilens_stage_seconds",
    "histogram",
    "Seconds of work in a stage for a batch, all workers together.",
    ("stage",),
    _STAGE_BUCKETS,
)
BATCH = Metric("vigilens_batch_images", "histogram", "Images in a published batch.", (), _SIZE_BUCKETS)
AGE = Metric(
    "vigilens_event_age_seconds", "histogram", "From an event's timestamp to its verdict's commit.", (), AGE_BUCKETS
)

# What waits. Set on a timer, whatever the loop does: consumer/monitor.py.
LAG = Metric(
    "vigilens_consumer_lag",
    "gauge",
    "Events without a committed verdict, by partition: of this process, and those without an owner.",
    ("partition",),
)
OLDEST = Metric(
    "vigilens_oldest_waiting_seconds",
    "gauge",
    "Since when the committed offset of a partition has not moved although events wait; 0 if none do.",
    ("partition",),
)
LAG_AT = Metric(
    "vigilens_lag_timestamp_seconds",
    "gauge",
    "When the lag was last read; it is old if Kafka does not answer, and 0 before the first time.",
)
OWNED = Metric("vigilens_partitions_owned", "gauge", "Partitions of the images topic that this process reads.")
UNOWNED = Metric("vigilens_group_unowned_partitions", "gauge", "Partitions of the images topic that no process reads.")
MEMBERS = Metric("vigilens_group_members", "gauge", "Members of the consumer group.")
COMMIT_AT = Metric(
    "vigilens_last_commit_timestamp_seconds",
    "gauge",
    "When a batch was last committed, or else when the process began.",
)

# The state of the process.
READY = Metric("vigilens_ready", "gauge", "1 while Kafka and Milvus answer and the sets can be used, else 0.")
WAITING = Metric("vigilens_waiting", "gauge", "1 while the service waits for this, else 0.", ("for",))
REWINDS = Metric("vigilens_rewinds", "counter", "Times that reading went back to the committed offsets.")
EXPIRED = Metric("vigilens_events_expired", "counter", "Events that retention deleted before they were judged.")
OTLP_LOST = Metric("vigilens_otlp_lost", "counter", "Spans and metric requests that no collector took.", ("signal",))
ALERTS = Metric("vigilens_alerts", "counter", "Records written to the alerts topic, by kind.", ("kind",))
TRIPS = Metric("vigilens_breaker_trips", "counter", "References that the breaker limited to review.", ("set",))
BREAKER_FAILURES = Metric(
    "vigilens_breaker_failures", "counter", "Times that the breaker failed and began again; images are judged anyway."
)
BUILD = Metric("vigilens_build_info", "gauge", "Always 1; the labels name the versions.", ("version", "python"))

# The sets, as the newest batch used them.
COMPARABLE = Metric("vigilens_set_comparable", "gauge", "1 if images are compared with a set, 0 if not.", ("set",))
SET_VERSION = Metric("vigilens_set_version", "gauge", "Version of a set in the newest batch.", ("set",))
SET_REFERENCES = Metric("vigilens_set_references", "gauge", "References in a set at its newest version.", ("set",))
SET_CHANGED_AT = Metric(
    "vigilens_set_changed_timestamp_seconds",
    "gauge",
    "When a set's version was published, by its writer's clock.",
    ("set",),
)
SET_INFO = Metric(
    "vigilens_set_info", "gauge", "Always 1; the labels describe a set.", ("set", "kind", "category", "severity")
)
THRESHOLD = Metric(
    "vigilens_set_threshold", "gauge", "Thresholds of a set, by measure and level.", ("set", "measure", "level")
)
SETS_SKIPPED = Metric("vigilens_sets_skipped", "gauge", "Sets left out of judging, because they cannot be matched.")
DAMAGED = Metric("vigilens_references_damaged", "gauge", "References left out because they are damaged.", ("set",))
RECALL = Metric(
    "vigilens_index_recall",
    "gauge",
    "Share of planted copies that a set's approximate index found in the last 30 minutes.",
    ("set",),
)
RECALL_LOWER = Metric("vigilens_index_recall_lower", "gauge", "Lower 95 % bound of vigilens_index_recall.", ("set",))

ALL = (
    VERDICTS,
    UNSCANNABLE,
    MATCHES,
    SCORE,
    DUPLICATES,
    STAGE,
    BATCH,
    AGE,
    LAG,
    OLDEST,
    LAG_AT,
    OWNED,
    UNOWNED,
    MEMBERS,
    COMMIT_AT,
    READY,
    WAITING,
    REWINDS,
    EXPIRED,
    OTLP_LOST,
    ALERTS,
    TRIPS,
    BREAKER_FAILURES,
    BUILD,
    COMPARABLE,
    SET_VERSION,
    SET_REFERENCES,
    SET_CHANGED_AT,
    SET_INFO,
    THRESHOLD,
    SETS_SKIPPED,
    DAMAGED,
    RECALL,
    RECALL_LOWER,
)
