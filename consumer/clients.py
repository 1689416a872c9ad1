"""Kafka clients with the settings that exactly-once needs: how they reach the brokers, and in which group."""

import importlib.util
import uuid
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor

from consumer import kafka_patches, record_batches
from consumer.images_topic import ImagesTopic

NO_FAST_CHECKSUMS = "without the C crc32c large records take 10 times as long: pip install 'kafka-python[crc32c]'"
BOOTSTRAP_MS = 5_000  # for one attempt to reach any broker; callers that can wait longer try again


@dataclass(frozen=True, slots=True)
class Connection:
    """Addresses and credentials. Secrets are left out of its repr.

    Attributes:
        bootstrap_servers: host:port, comma-separated.
        security_protocol: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
        sasl_mechanism: empty, PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
        ssl_cafile: PEM file; empty: the system's certificate authorities.
    """

    bootstrap_servers: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = ""
    sasl_username: str = ""
    sasl_password: str = field(default="", repr=False)
    ssl_cafile: str = ""
    ssl_certfile: str = ""
    ssl_keyfile: str = ""
    ssl_key_password: str = field(default="", repr=False)

    def options(self) -> dict[str, Any]:
        """Keyword arguments for any client of kafka-python."""
        return {
            "bootstrap_timeout_ms": BOOTSTRAP_MS,
            "bootstrap_servers": [each.strip() for each in self.bootstrap_servers.split(",") if each.strip()],
            "security_protocol": self.security_protocol,
            "sasl_mechanism": self.sasl_mechanism or None,
            "sasl_plain_username": self.sasl_username or None,
            "sasl_plain_password": self.sasl_password or None,
            "ssl_cafile": self.ssl_cafile or None,
            "ssl_certfile": self.ssl_certfile or None,
            "ssl_keyfile": self.ssl_keyfile or None,
            "ssl_password": self.ssl_key_password or None,
        }


def has_fast_checksums() -> bool:
    """Whether the C library for checksums is installed; kafka-python then uses it without being asked."""
    return importlib.util.find_spec("crc32c") is not None


# Bytes of one response to a fetch, at most, and an eighth of that from one partition. A record of 90 KB costs 0.19 ms
# of processor time; 0.34 with responses of tens of MiB, each copied several times. A larger record comes alone.
_RESPONSE_BYTES = 8_388_608


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """Our membership of the consumer group, and the most that we unpack for it; times in seconds.

    Attributes:
        max_batch_bytes: of one record batch of the topic, expanded.
    """

    name: str
    start: str
    session_timeout_s: float
    max_poll_interval_s: float
    max_batch_bytes: int = record_batches.Limits().batch


def build_consumer(  # noqa: PLR0913 (what differs between consumers, by name)
    connection: Connection, topic: str, group: GroupSettings, *, images: int, size: int, client_id: str = "vigilens"
) -> KafkaConsumer:
    """A consumer with the settings that exactly-once needs (docs/delivery.md).

    Args:
        connection: how to reach the brokers.
        topic: the topic to read.
        group: the group to join.
        images: records of one poll, at most.
        size: bytes of one response to a fetch, at most; and of the records of one poll, but for the last one.
        client_id: names the process among the members of the group.

    Raises:
        CannotStart: the patches were not tried with the installed version of kafka-python, or a library is missing.
    """
    kafka_patches.apply(record_batches.Limits(group.max_batch_bytes, size))
    return KafkaConsumer(
        topic,
        **connection.options(),
        client_id=client_id,
        group_id=group.name,
        enable_auto_commit=False,
        # Also turns on stable offset fetch: a partition's new owner waits until the old owner's transaction has ended.
        isolation_level="read_committed",
        # `Intake` decides where a new group begins. This is for committed offsets whose records are deleted: none of
        # the records that are left may be skipped.
        auto_offset_reset="earliest",
        session_timeout_ms=int(group.session_timeout_s * 1000),
        heartbeat_interval_ms=heartbeat_ms(group.session_timeout_s),
        max_poll_interval_ms=int(group.max_poll_interval_s * 1000),
        max_poll_records=images,
        fetch_max_bytes=min(size, _RESPONSE_BYTES),
        max_partition_fetch_bytes=_RESPONSE_BYTES // 8,
        allow_auto_create_topics=False,
        # Eager: members give up all partitions before they get new ones, so each generation is one state of the group.
        partition_assignment_strategy=(RangePartitionAssignor,),
    )


def images_topic(consumer: KafkaConsumer, name: str) -> ImagesTopic:
    """The topic `name` as `consumer` knows it."""
    return ImagesTopic(consumer._manager, name)  # noqa: SLF001 (the public functions do not tell a topic's id)


def heartbeat_ms(session_timeout_s: float) -> int:
    """Milliseconds between two heartbeats of a member of a group.

    A session lasts from the last heartbeat on, so a stall of 8 s is no reason to lose partitions if it has 10 s. The
    answer to a heartbeat also says that the group has changed, so it comes every 3 s at least.

    Args:
        session_timeout_s: seconds without a heartbeat after which the brokers remove the member.
    """
    return int(min(3.0, session_timeout_s / 5) * 1000)


def build_producer(connection: Connection, transactional_id: str, transaction_timeout_s: float) -> KafkaProducer:
    """A transactional producer, not yet initialised."""
    delivery_ms = int(transaction_timeout_s * 1000 / 2)
    return KafkaProducer(
        **connection.options(),
        client_id=f"vigilens-{uuid.uuid4().hex[:8]}",
        transactional_id=transactional_id,
        transaction_timeout_ms=int(transaction_timeout_s * 1000),
        # Shorter than the transaction, so that a record fails before the broker aborts, and flush always ends.
        delivery_timeout_ms=delivery_ms,
        request_timeout_ms=delivery_ms - 100,
        max_block_ms=delivery_ms,
        retry_backoff_ms=15,  # the pause before a step of a transaction is retried; the default is 100
        batch_size=262_144,
        allow_auto_create_topics=False,
    )


def positions(consumer: KafkaConsumer) -> dict[TopicPartition, int]:
    """The offset of the next record of each partition that a poll can return, as far as it is known.

    Unlike the consumer's `position` it asks nobody, so it can be called after each poll.
    """
    states = list(consumer._subscription.assignment.items())  # noqa: SLF001 (as above: the public way may wait)
    return {at: int(state.position.offset) for at, state in states if state.position is not None}
