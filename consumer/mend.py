"""Mistakes of kafka-python (3.0.12) after which a partition is not read any more, mended (docs/delivery.md).

Leaders: a look-up of offsets that reaches a broker which does not lead the partition any more is sent to it again at
once, some 500 times a second, and nobody asks who leads now. Java's client had that mistake too (KAFKA-9535).

Paused records: what was fetched of a partition and is held back while it is paused (kafka-python's #2981) comes out
again only while no other partition's records are being read, and that place is never empty again once it was taken,
even by records that are all read. Until it comes out, the partition is not fetched.

Unknown brokers: an answer can name a leader that the client does not know yet, or no more. The request to it raises
before it is sent, a fetch is taken for one under way all the same, and nothing of this broker is fetched again.

Joins: a leader that joins again because the topic has other partitions than before has forgotten why once they are
shared out. If its poll is over by then, it never takes the answer, and is a member no more. Java's client remembers
(`requestRejoin` in `ConsumerCoordinator.rejoinNeededOrPending`).
"""

from typing import Any

from kafka.consumer.fetcher import Fetcher
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.errors import StaleMetadata, UnknownBrokerIdError
from kafka.future import Future
from kafka.net.manager import KafkaConnectionManager

# ruff: noqa: SLF001 (there is no other place for it)
_look_up: Any = Fetcher._send_list_offsets_requests
_take: Any = Fetcher.fetched_records
_send: Any = KafkaConnectionManager.send
_must_join: Any = ConsumerCoordinator.need_rejoin


async def _look_up_at_the_leader(fetcher: Any, timestamps: Any) -> Any:
    offsets, again = await _look_up(fetcher, timestamps)
    if again:
        fetcher._manager.cluster.request_update()
        await fetcher._net.sleep(fetcher.config["retry_backoff_ms"] / 1000)
    return offsets, again


def _take_what_was_held_back(fetcher: Any, *args: Any, **options: Any) -> Any:
    if not fetcher._next_partition_records:  # nothing is left of them
        fetcher._next_partition_records = None
    return _take(fetcher, *args, **options)


def _send_or_fail(manager: Any, *args: Any, **options: Any) -> Any:
    try:
        return _send(manager, *args, **options)
    except UnknownBrokerIdError:
        manager.cluster.request_update()
        return Future().failure(StaleMetadata())


def _must_join_until_joined(coordinator: Any) -> bool:
    needed: bool = _must_join(coordinator)
    if needed:
        coordinator.request_rejoin()
    return needed


def mend() -> None:
    """Mend this process's consumers. Can be repeated."""
    Fetcher._send_list_offsets_requests = _look_up_at_the_leader
    Fetcher.fetched_records = _take_what_was_held_back
    KafkaConnectionManager.send = _send_or_fail
    ConsumerCoordinator.need_rejoin = _must_join_until_joined
