"""The consumer group and its topic as the brokers see them: offsets, members, who has which partition."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from kafka import IsolationLevel, KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec

from consumer import topics
from consumer.clients import Connection


@dataclass(frozen=True, slots=True)
class GroupState:
    """The group at a moment, by partition of the images topic.

    Attributes:
        ends: the offset after the last committed record.
        committed: the group's committed offset; of a partition without one, where the group would begin.
        owned: the partitions that a member has.
        members: their number; None if we may not ask for it, and then `owned` is empty.
    """

    ends: Mapping[int, int]
    committed: Mapping[int, int]
    owned: frozenset[int]
    members: int | None


class GroupClient:
    """Asks the brokers, with a connection of its own. Belongs to one thread.

    Args:
        connection: how to reach the brokers.
        group: name of the group.
        topic: name of the images topic.
        start: where a group without offsets begins, "earliest" or "latest".
    """

    def __init__(self, connection: Connection, group: str, topic: str, start: str) -> None:
        self._connection = connection
        self._group = group
        self._topic = topic
        self._start = OffsetSpec.EARLIEST if start == "earliest" else OffsetSpec.LATEST
        self._opened = ExitStack()
        self._client: KafkaAdminClient | None = None

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        self._client = None
        self._opened.close()

    def state(self) -> GroupState:
        """Ask for the state of the group.

        Raises:
            KafkaError: no answer, or not permitted.
            NoAnswer: no broker can be reached.
        """
        if self._client is None:
            self._client = self._opened.enter_context(topics.admin(self._connection))
        client, described = self._client, self._client.describe_topics([self._topic])[0]
        places = [TopicPartition(self._topic, each["partition_index"]) for each in described["partitions"]]
        group = client.describe_groups([self._group])[self._group]
        permitted = not group["error"] or group["group_state"] == "Dead"
        members = len(group["members"]) if permitted else None
        if not places:
            return GroupState({}, {}, frozenset(), members)
        answer = client.list_group_offsets({self._group: places})[self._group]
        committed = {at: int(found.offset) for at, found in answer.items()}
        new = [at for at in places if committed.get(at, -1) < 0]
        if new:
            committed |= _offsets(client, dict.fromkeys(new, self._start))
        ends = _offsets(client, dict.fromkeys(places, OffsetSpec.LATEST))
        return GroupState(
            ends={at.partition: end for at, end in ends.items()},
            committed={at.partition: committed[at] for at in places},
            owned=frozenset(number for each in group["members"] for number in _partitions(each, self._topic)),
            members=members,
        )


def _offsets(client: KafkaAdminClient, wanted: Mapping[TopicPartition, Any]) -> dict[TopicPartition, int]:
    found = client.list_partition_offsets(dict(wanted), isolation_level=IsolationLevel.READ_COMMITTED)
    return {at: int(one.offset) for at, one in found.items()}


def _partitions(member: Mapping[str, Any], topic: str) -> list[int]:
    """The partitions of `topic` that a member has; none while the group is rebalanced."""
    assigned = member["member_assignment"] or {}
    ours = [each for each in assigned.get("assigned_partitions", ()) if each["topic"] == topic]
    return [number for each in ours for number in each["partitions"]]
