"""Our membership of the consumer group: whether we have one, whether it is the same, and the errors that end it."""

from typing import Any

from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

# The group's coordinator says that we are no longer a member, or not of this generation; or we will not be for long.
ENDED = (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)


def joined(membership: Any) -> bool:
    """Whether kafka-python's ConsumerGroupMetadata is one of a generation of the group."""
    return membership is not None and membership.generation_id >= 0


def same(before: Any, after: Any) -> bool:
    """Whether both are of the same generation and member."""
    return before is not None and (before.generation_id, before.member_id) == (after.generation_id, after.member_id)
