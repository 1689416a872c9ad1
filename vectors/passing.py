"""Which answers of a Milvus server mean that it is busy with itself: they pass, so the call is worth repeating.

A server marks some of its errors as retriable. Others it does not mark, because it has repeated the work itself for a
while, although they only say that its nodes are coming, going or catching up: after a stall of 30 s a server answered
"channel not subscribed" for a second, and was then restarted. The numbers are those of Milvus 2.3 to 2.6
(pkg/util/merr/errors.go of its source).
"""

import re
from typing import Any

NOT_FULLY_LOADED, NO_REPLICA = 103, 400  # a collection
NOT_LOADED = frozenset({101, 201})  # a collection, a partition: it must be loaded again
_PASSING = NOT_LOADED | {
    2,  # service unavailable
    3,  # memory limit exceeded
    4,  # request limit exceeded
    7,  # disk limit exceeded
    8,  # rate limit exceeded
    9,  # quota exceeded: writes are denied while the server has too little memory or disk
    11,  # time tick long delay
    12,  # resource insufficient
    NOT_FULLY_LOADED,
    106,  # collection on recovering
    202,  # partition not fully loaded
    NO_REPLICA,
    401,  # replica not available
    *range(500, 505),  # channel not found, lacks, reduplicates, not available, too far behind
    *range(600, 605),  # segment not found, not loaded, lacks, reduplicates, load failed
    *range(901, 907),  # node not found, offline, lacks, does not match, not available, in an unexpected state
    1001,  # IO failed: its object store is away
    1002,  # unexpected end of data
    1302,  # internal error of its message queue
    2200,  # inconsistent answers while segments move
    10000,  # canceled
    10001,  # timed out
}
_UNEXPECTED = 65535  # an error without a number of its own; only its text says what it is
_PASSING_TEXT = re.compile(
    r"empty grpc client|find no available|not healthy|not ready|context canceled|context deadline exceeded"
    r"|delegator closed|channel not available|incomplete query result"  # another process loads the collection again
    r"|code = (Unavailable|Canceled|DeadlineExceeded)|etcdserver|connection (refused|reset)"
)


def is_passing(error: Any) -> bool:
    """Return whether an error of pymilvus (MilvusException) is the server's answer that its state will pass."""
    if error.is_input_error:
        return False
    if error.code == _UNEXPECTED:
        return error.retriable or _PASSING_TEXT.search(error.message) is not None
    return error.retriable or error.code in _PASSING
