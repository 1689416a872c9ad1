"""How the service is a member of the consumer group: the Kafka client with the settings that exactly-once needs."""

from dataclasses import dataclass

from kafka import KafkaConsumer
from kafka.coordinator.assignors.range import RangePartitionAssignor

from consumer.connect import Connection
from consumer.header_names import forgive
from consumer.intake import Limits
from consumer.mend import mend
from consumer.receive import receive_more

# Bytes of one answer to a fetch, and an eighth of that from one partition: a record of 90 KB costs 0.19 ms of processor
# time so, and 0.34 where answers have tens of MiB, each copied several times. A larger record comes by itself.
_ANSWER = 8_388_608


@dataclass(frozen=True, slots=True)
class Membership:
    """How we are a member of the group; times in seconds."""

    group: str
    start: str
    session_timeout_s: float
    max_poll_interval_s: float


def build_consumer(connection: Connection, topic: str, membership: Membership, limits: Limits) -> KafkaConsumer:
    """A consumer with the settings that exactly-once needs (docs/delivery.md)."""
    forgive()
    receive_more()
    mend()
    return KafkaConsumer(
        topic,
        **connection.options(),
        group_id=membership.group,
        enable_auto_commit=False,
        # Also turns on stable offset fetch: a new owner waits until the old owner's transaction is settled.
        isolation_level="read_committed",
        # `Intake` says where a new group begins. This is for what is committed and not there any more: nothing that
        # still is there may be skipped.
        auto_offset_reset="earliest",
        session_timeout_ms=int(membership.session_timeout_s * 1000),
        heartbeat_interval_ms=int(min(3.0, membership.session_timeout_s / 4) * 1000),
        max_poll_interval_ms=int(membership.max_poll_interval_s * 1000),
        max_poll_records=limits.images,
        fetch_max_bytes=min(limits.size, _ANSWER),
        max_partition_fetch_bytes=_ANSWER // 8,
        allow_auto_create_topics=False,
        # Eager: all partitions are given up before new ones come, so that a generation names one state of the group.
        partition_assignment_strategy=(RangePartitionAssignor,),
    )
