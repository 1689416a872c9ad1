"""Verdicts and a batch's metrics as Kafka records."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from cloudevents.core.bindings.kafka import to_binary_event
from cloudevents.core.v1.event import CloudEvent
from pydantic import BaseModel, ConfigDict, Field

from consumer.batch import Batch, Event
from matcher.judge import Judged
from matcher.verdict import SCHEMA_ID, Verdict

VERDICT_TYPE = "vigilens.verdict.v2"
METRICS_SCHEMA_VERSION: Literal["2.1"] = "2.1"
METRICS_SCHEMA_ID = f"https://vigilens.dev/schemas/metrics/{METRICS_SCHEMA_VERSION}.json"

TOP_REFERENCES = 50  # of a batch, in its metrics record
MAX_VERDICT = 1_000_000  # bytes, so that it fits into a record of 1 MiB with its key and headers
MAX_KEY = 16_384  # bytes; a longer key is replaced by its digest, since a verdict must fit into a record of 1 MiB

# Seconds from the event's timestamp to its verdict's transaction. Upper bounds; the last bucket has none.
AGE_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)


@dataclass(frozen=True, slots=True)
class Record:
    """One record to send. Without a `partition` the key decides it; value None: a compacted topic forgets the key."""

    topic: str
    value: bytes | None
    key: bytes | None
    headers: list[tuple[str, bytes]]
    partition: int | None = None


class SetCount(BaseModel):
    """Matches with one set at one level."""

    model_config = ConfigDict(frozen=True)

    set: str
    level: str
    matches: int


class ReferenceCount(BaseModel):
    """Images whose best match in a set was with one reference."""

    model_config = ConfigDict(frozen=True)

    set: str
    id: str = Field(description="Key of the reference in its set.")
    matches: int


class BatchMetrics(BaseModel):
    """The value of a metrics record: the counts of one transaction. Their sum over all records is exact."""

    model_config = ConfigDict(frozen=True)

    schema_version: Literal["2.1"] = METRICS_SCHEMA_VERSION
    kind: Literal["batch", "heartbeat"] = Field(
        description="`heartbeat`: nothing was published for a while, or alerts were; all counts are zero."
    )
    group: str = Field(description="Consumer group of the service.")
    instance: str = Field(description="The process that judged the batch.")
    at: datetime = Field(description="When the batch was published.")
    verdicts: int = Field(description="Verdicts in the same transaction.")
    decisions: dict[str, int] = Field(description="Verdicts by decision.")
    reasons: dict[str, int] = Field(description="Unscannable images by reason.")
    matches: tuple[SetCount, ...] = Field(description="Matches by set and level.")
    references: tuple[ReferenceCount, ...] = Field(
        description=f"The references that matched most often, at most {TOP_REFERENCES}, most matches first."
    )
    duplicates: int = Field(description="Images not embedded again, because their exact bytes were embedded recently.")
    age_s: dict[str, int] = Field(
        description="Events with a timestamp, by age at publish: upper bound in s → count, not cumulative."
    )
    lag: dict[str, int] = Field(
        description="Input partition → events that waited after this batch when it was taken; in a heartbeat, now."
    )
    stage_seconds: dict[str, float] = Field(description="Seconds of work for the batch by stage, all workers together.")
    waiting: tuple[str, ...] = Field(description="What the service waits for: kafka, milvus, sets, …")


@dataclass(frozen=True, slots=True)
class Destination:
    """The verdicts topic, its number of partitions, and who publishes there, as a URI."""

    topic: str
    partitions: int
    source: str


def verdict_id(event: Event, topic_id: str) -> str:
    """The same for every verdict on this event, and another one for any other event.

    Positions are counted anew in a topic that was deleted and made again, so the topic's id is a part of it (empty if
    the brokers do not say it).
    """
    topic = f"{event.partition.topic}@{topic_id}" if topic_id else event.partition.topic
    return f"{topic}/{event.partition.partition}/{event.offset}"


def verdict_record(event: Event, verdict: Verdict, id_: str, to: Destination) -> Record:
    """The verdict on `event` as a CloudEvent in binary mode, with the id that `verdict_id` returns.

    It goes to the partition with the number of the event's partition, modulo their number. So verdicts keep the order
    of the events in each partition, even if events have no key.
    """
    cloud = CloudEvent(
        {
            "specversion": "1.0",
            "id": id_,
            "source": to.source,
            "type": VERDICT_TYPE,
            "subject": verdict.image_id,
            "time": verdict.judged_at,
            "dataschema": SCHEMA_ID,
            "datacontenttype": "application/json",
        },
        _within_a_record(verdict),
    )
    message = to_binary_event(cloud)
    headers = [*message.headers.items(), *(event.trace.headers() if event.trace else ())]
    key = event.key
    if key is not None and len(key) > MAX_KEY:
        key = f"sha256:{hashlib.sha256(key).hexdigest()}".encode()
    return Record(to.topic, message.value, key, headers, event.partition.partition % to.partitions)


def _within_a_record(verdict: Verdict) -> bytes:
    """The verdict as JSON; without the candidates of all sets if it would be larger than MAX_VERDICT with them."""
    value = verdict.model_dump_json().encode()
    if len(value) <= MAX_VERDICT:
        return value
    sets = tuple(each.model_copy(update={"candidates": ()}) for each in verdict.sets)
    return verdict.model_copy(update={"sets": sets}).model_dump_json().encode()


def metrics_of(batch: Batch, judged: Judged, group: str, instance: str) -> BatchMetrics:
    """The metrics of a judged batch."""
    verdicts, now = judged.verdicts, datetime.now(UTC)
    ages = [age for event in batch.events if (age := event.age_s(now.timestamp())) is not None]
    matches = Counter((match.set, match.level) for verdict in verdicts for match in verdict.matches)
    references = Counter((match.set, match.reference.id) for verdict in verdicts for match in verdict.matches)
    top = sorted(references.items(), key=lambda each: (-each[1], each[0]))[:TOP_REFERENCES]
    return BatchMetrics(
        kind="batch",
        group=group,
        instance=instance,
        at=now,
        verdicts=len(verdicts),
        decisions=dict(Counter(verdict.decision for verdict in verdicts)),
        reasons=dict(Counter(verdict.reason.value for verdict in verdicts if verdict.reason)),
        matches=tuple(SetCount(set=name, level=level, matches=n) for (name, level), n in sorted(matches.items())),
        references=tuple(ReferenceCount(set=name, id=id_, matches=n) for (name, id_), n in top),
        duplicates=judged.duplicates,
        age_s=_histogram(ages),
        lag={str(partition): lag for partition, lag in batch.lag.items()},
        stage_seconds={stage: round(seconds, 6) for stage, seconds in judged.seconds.items()},
        waiting=(),
    )


def heartbeat(group: str, instance: str, waiting: Sequence[str], lag: Mapping[int, int]) -> BatchMetrics:
    """A record without counts: we are alive, and this is what we wait for."""
    return BatchMetrics(
        kind="heartbeat",
        group=group,
        instance=instance,
        at=datetime.now(UTC),
        verdicts=0,
        decisions={},
        reasons={},
        matches=(),
        references=(),
        duplicates=0,
        age_s={},
        lag={str(partition): events for partition, events in lag.items()},
        stage_seconds={},
        waiting=tuple(waiting),
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a metrics record's value, as published in docs/metrics.schema.json."""
    example = BatchMetrics(
        kind="batch",
        group="vigilens",
        instance="host-0",
        at=datetime(2026, 11, 21, 12, 20, 30, tzinfo=UTC),
        verdicts=3,
        decisions={"allow": 2, "block": 1},
        reasons={},
        matches=(SetCount(set="known_spam", level="block", matches=1),),
        references=(ReferenceCount(set="known_spam", id="5f0c2e9a", matches=1),),
        duplicates=1,
        age_s={"0.25": 2, "0.5": 1},
        lag={"3": 0},
        stage_seconds={"fetch": 0.0002, "decode": 0.0141, "encode": 0.0239, "search": 0.0057, "check": 0.0061},
        waiting=(),
    )
    schema = BatchMetrics.model_json_schema(mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": METRICS_SCHEMA_ID}
    return {**head, **schema, "examples": [example.model_dump(mode="json")]}


def metrics_record(metrics: BatchMetrics, topic: str) -> Record:
    """A metrics record; its key is the instance."""
    headers = [("content-type", b"application/json")]
    return Record(topic, metrics.model_dump_json().encode(), metrics.instance.encode(), headers)


def _histogram(ages: Sequence[float]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for age in ages:
        counts[next((str(bound) for bound in AGE_BUCKETS if age <= bound), "inf")] += 1
    return dict(counts)
