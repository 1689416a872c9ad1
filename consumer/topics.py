"""Checks that the topics exist and take records of the sizes that we read and write; creates missing ones."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, OffsetSpec
from kafka.errors import KafkaError, for_code

from consumer import kafka_errors
from consumer.clients import Connection

# Our producer's limit for a record (max_request_size). A verdict holds the event's key, id and attributes, all limited.
RECORD_BYTES = 1_048_576
# For the rest of an image's record: keys of the JSON object, id, the record's key and headers.
ROOM_BYTES = 65_536
# Brokers answer within milliseconds; this is for names that do not resolve and ports that drop packets.
TIMEOUT_MS = 5_000


class NoAnswer(Exception):  # noqa: N818 (named after what happened)
    """No broker answers, or none accepts our credentials, or we may not read what we ask for."""


@dataclass(frozen=True, slots=True)
class Need:
    """What we need of a topic.

    Attributes:
        role: "images", "verdicts", "metrics", "alerts" or "jobs".
        record_bytes: the largest record that it must take.
        compact: it must keep the last record of each key, and only that; else it must not remove any by key.
    """

    name: str
    role: str
    record_bytes: int
    compact: bool = False


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the brokers describe it."""

    name: str
    partitions: int
    replication: int
    record_bytes: int
    min_insync: int
    cleanup: str

    def __str__(self) -> str:
        return (
            f"{self.partitions} partitions, replication {self.replication}, min.insync.replicas {self.min_insync}, "
            f"records up to {self.record_bytes:,} bytes"
        )


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a topic, and how to fix it. `fatal`: the service would fail or lose something."""

    sentence: str
    fatal: bool


def needs(  # noqa: PLR0913 (the optional topics by name)
    images: str,
    verdicts: str,
    metrics: str,
    max_bytes: int,
    max_attributes_bytes: int,
    *,
    alerts: str = "",
    jobs: str = "",
) -> tuple[Need, ...]:
    """What we need of our topics.

    Args:
        images: name of the images topic, which we read.
        verdicts: name of the verdicts topic.
        metrics: name of the metrics topic.
        max_bytes: limit for the bytes of one image; as base64 in JSON it has 4/3 of that.
        max_attributes_bytes: limit for an event's attributes.
        alerts: name of the alerts topic; empty: there is none.
        jobs: name of the topic for the progress of background work; empty: there is none.
    """
    image_bytes = 4 * -(-max_bytes // 3) + max_attributes_bytes + ROOM_BYTES
    return (
        Need(images, "images", image_bytes),
        Need(verdicts, "verdicts", RECORD_BYTES),
        Need(metrics, "metrics", RECORD_BYTES),
        *([Need(alerts, "alerts", RECORD_BYTES)] if alerts else []),
        *([Need(jobs, "jobs", RECORD_BYTES, compact=True)] if jobs else []),
    )


@contextmanager
def admin(connection: Connection) -> Iterator[KafkaAdminClient]:
    """A client for questions about the cluster.

    Raises:
        NoAnswer: no broker answers, or none accepts our credentials.
    """
    options = connection.options() | {"request_timeout_ms": TIMEOUT_MS}
    kafka_errors.remember_failures()
    try:
        client = KafkaAdminClient(**options)
    except KafkaError as error:
        why = kafka_errors.last_failure() or error
        raise NoAnswer(f"no answer from {connection.bootstrap_servers}: {why}") from error
    try:
        yield client
    finally:
        client.close()


def missing(client: KafkaAdminClient, names: Sequence[str]) -> list[str]:
    """Those of `names` that do not exist as topics.

    Raises:
        KafkaError: no answer, or not permitted.
    """
    return [topic["name"] for topic in client.describe_topics(list(names)) if not _exists(topic)]


def describe(client: KafkaAdminClient, names: Sequence[str]) -> dict[str, Topic | None]:
    """The topics by name; None for one that does not exist.

    Raises:
        KafkaError: no answer.
        NoAnswer: not permitted.
    """
    described = {topic["name"]: topic for topic in client.describe_topics(list(names))}
    there = [name for name in names if _exists(described[name])]
    resources = [ConfigResource("TOPIC", name) for name in there]
    configs = client.describe_configs(resources, config_filter="all")["topic"] if resources else {}
    if silent := [name for name in there if not configs.get(name)]:
        raise NoAnswer(f"this user may not read the configuration of {', '.join(silent)}; permit DescribeConfigs")
    return {name: _topic(described[name], configs[name]) if name in there else None for name in names}


def end(client: KafkaAdminClient, at: TopicPartition) -> int:
    """The offset after the last record of a partition, also if its transaction is still open.

    Raises:
        KafkaError: no answer.
    """
    return int(client.list_partition_offsets({at: OffsetSpec.LATEST})[at].offset)


def members(client: KafkaAdminClient, group: str) -> set[str]:
    """The ids of the group's living members.

    Raises:
        KafkaError: no answer, or not permitted.
    """
    return {each["member_id"] for each in client.describe_groups([group])[group]["members"]}


def create(client: KafkaAdminClient, missing: Sequence[Need], partitions: int, replication: int) -> None:
    """Create topics and wait until they can be used.

    Args:
        client: see `admin`.
        missing: the topics to create.
        partitions: of each topic.
        replication: copies of each partition; -1: the brokers' default.

    Raises:
        KafkaError: for example fewer brokers than copies.
    """
    wanted = {
        need.name: {
            "num_partitions": partitions,
            "replication_factor": replication,
            "configs": {"max.message.bytes": str(need.record_bytes), "cleanup.policy": _policy(need)}
            # Two of three copies must have a record before it is acknowledged, so one broker may die at any time.
            | ({"min.insync.replicas": "2"} if replication >= 3 else {}),  # noqa: PLR2004
        }
        for need in missing
    }
    answer = client.create_topics(wanted, raise_errors=False)
    for topic in answer["topics"]:
        if topic["error_code"]:
            raise for_code(topic["error_code"])(f"{topic['name']}: {topic['error_message']}")
    client.wait_for_topics(list(wanted))


def faults(need: Need, topics: Mapping[str, Topic | None], images: str) -> Iterator[Fault]:
    """What is wrong with a topic that exists, worst first.

    Args:
        need: what we need of it.
        topics: all of ours, from `describe`.
        images: name of the images topic.
    """
    topic, source = topics[need.name], topics[images]
    if topic is None:
        return
    ours = need.role != "images"
    if need.compact and topic.cleanup != "compact":
        yield Fault(f"cleanup.policy {topic.cleanup} removes what is still needed; set it to compact", fatal=True)
    if not need.compact and "compact" in topic.cleanup:
        yield Fault(f"cleanup.policy {topic.cleanup} removes records of the same key; set it to delete", fatal=ours)
    if topic.record_bytes < need.record_bytes:
        what = "a record that we write" if ours else "an image of images.max_bytes, as base64,"
        yield Fault(f"{what} may have {need.record_bytes:,} bytes; set max.message.bytes to that", fatal=ours)
    if need.role == "verdicts" and min(topic.replication, topic.min_insync) < 2:  # noqa: PLR2004 (copies)
        yield Fault("verdicts can be lost with a broker that dies; use 3 copies, min.insync.replicas 2", fatal=False)
    if need.role == "verdicts" and source is not None and topic.partitions < source.partitions:
        yield Fault(
            f"fewer partitions than {images}, so verdicts of several partitions share one; add some", fatal=False
        )


def _policy(need: Need) -> str:
    return "compact" if need.compact else "delete"


def _exists(described: Mapping[str, Any]) -> bool:
    error = for_code(described["error_code"])
    if error.errno == 0:
        return True
    if error.__name__ == "UnknownTopicOrPartitionError":
        return False
    raise error(described["name"])


def _topic(described: Mapping[str, Any], config: Mapping[str, Mapping[str, str]]) -> Topic:
    return Topic(
        name=described["name"],
        partitions=len(described["partitions"]),
        replication=min(len(each["replica_nodes"]) for each in described["partitions"]),
        record_bytes=int(config["max.message.bytes"]["value"]),
        min_insync=int(config["min.insync.replicas"]["value"]),
        cleanup=config["cleanup.policy"]["value"],
    )
