"""A restarted process takes its killed predecessor out of the group, so that it need not wait for its session to end.

Kafka tells a killed member from a slow one only by the time-out of its session. But no two live processes have the same
name (`lifecycle.slot`): a member with our own name is what a killed process of this name left behind. Its partitions
are ours at once then. Its open transaction is aborted before, by the new producer with its `transactional.id`.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

from kafka import KafkaAdminClient
from kafka.admin import MemberToRemove
from kafka.errors import KafkaError

from consumer.topics import NoAnswer

log = logging.getLogger("vigilens.predecessors")

_REASON = "a new process has this member's name"


def remove(admin: Callable[[], AbstractContextManager[KafkaAdminClient]], group: str, client_id: str) -> int:
    """Remove the members with this `client_id` from the group; returns their number.

    It takes the permissions that joining takes (READ of the group), and DESCRIBE of the group. If it fails, that is
    logged: then the partitions come when the session of the dead process ends.
    """
    try:
        with admin() as client:
            members = client.describe_groups([group])[group]["members"]
            found = [each["member_id"] for each in members if each["client_id"] == client_id]
            if not found:
                return 0
            asked = [MemberToRemove(member_id=each, reason=_REASON) for each in found]
            refused = [error for error in client.remove_group_members(group, asked).values() if error.errno]
    except (KafkaError, NoAnswer) as error:
        log.warning("predecessor stays in the group until its session ends", extra={"fields": {"why": str(error)}})
        return 0
    if refused:  # for example UnknownMemberId: its session has ended meanwhile
        log.info("predecessor not removed", extra={"fields": {"why": refused[0].__name__}})
    removed = len(found) - len(refused)
    if removed:
        log.info("predecessor removed from the group", extra={"fields": {"client_id": client_id, "members": removed}})
    return removed
