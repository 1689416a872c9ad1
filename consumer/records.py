"""What a verdict and a batch's metrics look like as Kafka records."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cloudevents.core.bindings.kafka import to_binary_event
from cloudevents.core.v1.event import CloudEvent
from pydantic import BaseModel, ConfigDict, Field

from consumer.batch import Batch, Event
from matcher.judge import Judged
from matcher.verdict import SCHEMA_ID, Verdict

VERDICT_TYPE = "vigilens.verdict.v1"
METRICS_SCHEMA_VERSION = "1.1"

MAX_KEY = 16_384  # bytes; a longer key is replaced by its digest, since a verdict must fit into a record of 1 MiB

# Seconds from the event's timestamp to its verdict's transaction. Upper bounds; the last bucket has none.
AGE_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)


@dataclass(frozen=True, slots=True)
class Record:
    """One record to send. `partition` None: by the key."""

    topic: str
    value: bytes
    key: bytes | None
    headers: list[tuple[str, bytes]]
    partition: int | None = None


class SetCount(BaseModel):
    """Matches with one set at one level."""

    model_config = ConfigDict(frozen=True)

    set: str
    level: str
    matches: int


class BatchMetrics(BaseModel):
    """The value of a metrics record: what one transaction added. Adding the records up gives exact totals."""

    model_config = ConfigDict(frozen=True)

    schema_version: str = METRICS_SCHEMA_VERSION
    group: str
    instance: str
    at: datetime
    verdicts: int = Field(description="Verdicts in the same transaction.")
    decisions: dict[str, int]
    reasons: dict[str, int] = Field(description="Unscannable images by reason.")
    matches: tuple[SetCount, ...]
    duplicates: int = Field(description="Images whose exact bytes were embedded of late, and so not again.")
    age_s: dict[str, int] = Field(
        description="Events with a timestamp, by age at publish: upper bound in s → count, not cumulated."
    )
    lag: dict[str, int] = Field(description="Input partition → events that waited beyond this batch when it was taken.")
    stage_seconds: dict[str, float]


def verdict_record(event: Event, verdict: Verdict, topic: str, source: str, partitions: int) -> Record:
    """The verdict on `event` as a CloudEvent in binary mode.

    It goes to the partition with the event's number, modulo their number: so verdicts keep the order of the events'
    partition even where events have no key.
    """
    cloud = CloudEvent(
        {
            "specversion": "1.0",
            "id": f"{event.partition.topic}/{event.partition.partition}/{event.offset}",
            "source": source,
            "type": VERDICT_TYPE,
            "subject": verdict.image_id,
            "time": verdict.judged_at,
            "dataschema": SCHEMA_ID,
            "datacontenttype": "application/json",
        },
        verdict.model_dump_json().encode(),
    )
    message = to_binary_event(cloud)
    key = event.key
    if key is not None and len(key) > MAX_KEY:
        key = f"sha256:{hashlib.sha256(key).hexdigest()}".encode()
    return Record(topic, message.value, key, list(message.headers.items()), event.partition.partition % partitions)


def metrics_of(batch: Batch, judged: Judged, group: str, instance: str) -> BatchMetrics:
    """What this batch adds to the metrics."""
    verdicts, now = judged.verdicts, datetime.now(UTC)
    ages = [age for event in batch.events if (age := event.age_s(now.timestamp())) is not None]
    matches = Counter((match.set, match.level) for verdict in verdicts for match in verdict.matches)
    return BatchMetrics(
        group=group,
        instance=instance,
        at=now,
        verdicts=len(verdicts),
        decisions=dict(Counter(verdict.decision for verdict in verdicts)),
        reasons=dict(Counter(verdict.reason.value for verdict in verdicts if verdict.reason)),
        matches=tuple(SetCount(set=name, level=level, matches=n) for (name, level), n in sorted(matches.items())),
        duplicates=judged.duplicates,
        age_s=_histogram(ages),
        lag={str(partition): lag for partition, lag in batch.lag.items()},
        stage_seconds={stage: round(seconds, 6) for stage, seconds in judged.seconds.items()},
    )


def metrics_record(metrics: BatchMetrics, topic: str) -> Record:
    """A metrics record; its key is the instance."""
    headers = [("content-type", b"application/json")]
    return Record(topic, metrics.model_dump_json().encode(), metrics.instance.encode(), headers)


def _histogram(ages: Sequence[float]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for age in ages:
        counts[next((str(bound) for bound in AGE_BUCKETS if age <= bound), "inf")] += 1
    return dict(counts)
