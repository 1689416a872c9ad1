"""One process of the group reads all partitions, the others stand by: an assignment for kafka-python."""

from collections.abc import Sequence
from typing import Any

from kafka.coordinator.assignors.abstract import (
    AbstractPartitionAssignor,
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
)

_OWNER = b"owner"


class OneOwner(AbstractPartitionAssignor):  # type: ignore[misc]  # kafka-python has no types
    """Gives all partitions to the member that has them already, or else to the first by its id.

    Each member says with its request to join whether it has them: a new owner must first read what came by in the last
    hour, so they should not change hands whenever a process is started.
    """

    name = "vigilens-one-owner"

    def __init__(self) -> None:
        self._owns = False

    def metadata(self, topics: Sequence[str]) -> Any:
        """What this member sends when it joins."""
        return ConsumerProtocolSubscription(0, list(topics), _OWNER if self._owns else b"")

    def assign(self, cluster: Any, members: Sequence[Any]) -> dict[str, Any]:
        """Who reads what; called in the member that leads the group."""
        owner = min(members, key=lambda each: (bytes(each.metadata.user_data or b"") != _OWNER, each.member_id))
        every = [(topic, sorted(cluster.partitions_for_topic(topic) or ())) for topic in sorted(owner.metadata.topics)]
        return {each.member_id: ConsumerProtocolAssignment(0, every if each is owner else [], b"") for each in members}

    def on_assignment(self, assignment: Any, _: int) -> None:
        """What this member was given."""
        self._owns = any(numbers for _, numbers in assignment.assigned_partitions)
