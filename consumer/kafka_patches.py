"""Patches for kafka-python: they correct what its consumer does wrong or slowly (docs/delivery.md).

Each replaces a private function, so it was tried with certain versions only (`TRIED`); with any other the service does
not start. Applying them twice does no harm.

Header names: a record whose header names are not UTF-8 makes `poll()` raise, again after each restart and in each
worker that inherits the partition. Java's client and the brokers accept such names. The patch replaces bytes that are
not UTF-8 with U+FFFD.

Receive size: the client reads 4 KiB from a socket at a time. Each time its thread releases the GIL and must get it back
from the workers: 23 times for an image of 90 KB, and 0.7 times with 256 KiB at a time. A record of that size costs
0.32 ms of processor time instead of 0.40 to 0.55 (two cores without AMX).

Leaders: a request for offsets that reaches a broker which no longer leads the partition is sent to it again at once,
some 500 times a second, without asking for the new leader. Java's client had that mistake too (KAFKA-9535).

Paused records: records that were fetched and are held back while their partition is paused (kafka-python's #2981) are
returned only while no other partition's records are being read. `_next_partition_records` holds the records being read,
and is never emptied once it was set, even when all of them are read. Until the held-back records are returned, their
partition is not fetched.

Unknown brokers: a response can name a leader that the client does not know yet, or no longer. The request to it raises
before it is sent, but the fetch still counts as sent, and nothing is fetched from this broker again.

Joins: a leader that joins again because the topic's number of partitions has changed forgets the reason once the
partitions are assigned. If its poll is over by then, it never reads the response and is no longer a member. Java's
client remembers (`requestRejoin` in `ConsumerCoordinator.rejoinNeededOrPending`).
"""

from typing import Any

import kafka
from kafka.consumer.fetcher import Fetcher
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.errors import StaleMetadata, UnknownBrokerIdError
from kafka.future import Future
from kafka.net.manager import KafkaConnectionManager
from kafka.net.transport import KafkaTCPTransport
from kafka.record.default_records import DefaultRecordBatch

from consumer.lifecycle import CannotStart

# ruff: noqa: SLF001 (only private functions can be patched)
TRIED = ("3.0.12",)
RECEIVE_BYTES = 262_144  # with 1 MiB as many receives were needed

_read_strictly: Any = DefaultRecordBatch._read_msg
_open: Any = KafkaTCPTransport.__init__
_look_up: Any = Fetcher._send_list_offsets_requests
_take: Any = Fetcher.fetched_records
_send: Any = KafkaConnectionManager.send
_must_join: Any = ConsumerCoordinator.need_rejoin


def apply(version: str = kafka.__version__) -> None:
    """Patch the Kafka clients of this process. Calling it twice does no harm.

    Args:
        version: of kafka-python.

    Raises:
        CannotStart: the patches were not tried with this version.
    """
    if version not in TRIED:
        raise CannotStart(
            f"kafka-python {version} is installed, but Vigilens corrects mistakes of {' and '.join(TRIED)} that would "
            f"stop its work, and was not tried with others: pip install 'kafka-python=={TRIED[-1]}'"
        )
    DefaultRecordBatch._read_msg = _read_any_header_name
    KafkaTCPTransport.__init__ = _open_with_large_receives
    Fetcher._send_list_offsets_requests = _look_up_at_the_leader
    Fetcher.fetched_records = _take_held_back_records
    KafkaConnectionManager.send = _send_or_fail
    ConsumerCoordinator.need_rejoin = _must_join_until_joined


class _LenientBytes(bytes):
    """Bytes whose `decode` never fails."""

    def __getitem__(self, at: Any) -> Any:
        part = super().__getitem__(at)
        return _LenientBytes(part) if isinstance(part, bytes) else part

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002 (bytes' own signature)
        return super().decode(encoding, "replace")


def _read_any_header_name(batch: Any, *args: Any, **options: Any) -> Any:
    try:
        return _read_strictly(batch, *args, **options)
    except UnicodeDecodeError:  # the position has not moved: read this record, and the rest of its batch, leniently
        batch._buffer = _LenientBytes(batch._buffer)
        return _read_strictly(batch, *args, **options)


class _LargeReceives:
    """A socket that returns more than it is asked for, if more has arrived."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def recv(self, size: int) -> bytes:
        """The bytes that have arrived, at most `size` or RECEIVE_BYTES, whichever is larger."""
        received: bytes = self._sock.recv(max(size, RECEIVE_BYTES))
        return received


def _open_with_large_receives(transport: Any, net: Any, sock: Any, **options: Any) -> None:
    _open(transport, net, _LargeReceives(sock), **options)


async def _look_up_at_the_leader(fetcher: Any, timestamps: Any) -> Any:
    offsets, again = await _look_up(fetcher, timestamps)
    if again:
        fetcher._manager.cluster.request_update()
        await fetcher._net.sleep(fetcher.config["retry_backoff_ms"] / 1000)
    return offsets, again


def _take_held_back_records(fetcher: Any, *args: Any, **options: Any) -> Any:
    if not fetcher._next_partition_records:  # all of them are read
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
