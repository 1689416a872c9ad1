"""What the breaker is given, and how far it is (plain values)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from kafka import TopicPartition

from alerting.breaker.counts import Burst, Rules
from consumer.clients import Connection


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a reference that was to be limited.

    Attributes:
        there: whether set and reference are there.
        version: of the set that limits it; 0: the breaker does not limit it.
        at: time of the match for which it is limited. Records of several partitions come in another order when they
            are read again, so this may be another match than that of the burst.
        quiet_until: an operator wants no change before then, in seconds since 1970.
        why: why the set cannot be changed; empty: it can.
    """

    there: bool = True
    version: int = 0
    at: datetime | None = None
    quiet_until: float = 0.0
    why: str = ""


# Limits a reference: its burst, and whether it may be changed. Raises `patience.Away`.
Limit = Callable[[Burst, bool], Answer]


@dataclass(frozen=True, slots=True)
class Plan:
    """Names, and what is called. `group`: of the service; `alerts_topic` empty: nothing is told."""

    connection: Connection
    group: str
    instance: str
    verdicts_topic: str
    alerts_topic: str
    jobs_topic: str
    rules: Rules
    limit: Limit
    on_trip: Callable[[str], None] = lambda _: None
    on_alert: Callable[[str], None] = lambda _: None


@dataclass(slots=True)
class Progress:
    """What the counts contain: offsets to go on at, the time of the newest verdict by partition, and what is saved."""

    next: dict[TopicPartition, int] = field(default_factory=dict)
    times: dict[TopicPartition, float] = field(default_factory=dict)
    committed: dict[TopicPartition, int | None] = field(default_factory=dict)
    committed_at: float = 0.0
