"""Patches for kafka-python: they correct what its consumer does wrong or slowly (docs/delivery.md).

Each replaces a private function, so it was tried with certain versions only (`TRIED`); with any other the service does
not start. Applying them twice does no harm.

Record batches: a batch is unpacked whole, whatever it expands to, and one that cannot be read (or a record in it whose
header names are not UTF-8) makes `poll()` raise, again after each restart and in each worker that inherits the
partition. `consumer/record_batches.py` reads them instead.

Polls: a poll returns up to `max_records` records, whatever their size. Now it also returns when they have enough bytes.

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

from consumer import decompression, record_batches
from consumer.lifecycle import CannotStart

# ruff: noqa: SLF001 (only private functions can be patched)
TRIED = ("3.0.12",)
RECEIVE_BYTES = 262_144  # with 1 MiB as many receives were needed

_unpack: Any = DefaultRecordBatch.__iter__
_take_records: Any = Fetcher.PartitionRecords.take
_append: Any = Fetcher._append
_open: Any = KafkaTCPTransport.__init__
_look_up: Any = Fetcher._send_list_offsets_requests
_take: Any = Fetcher.fetched_records
_send: Any = KafkaConnectionManager.send
_must_join: Any = ConsumerCoordinator.need_rejoin


def apply(limits: record_batches.Limits | None = None, version: str = kafka.__version__) -> None:
    """Patch the Kafka clients of this process. Calling it twice does no harm; the newest limits are in force.

    Args:
        limits: what a batch and a poll may have; None: the defaults.
        version: of kafka-python.

    Raises:
        CannotStart: the patches were not tried with this version, or a library for compressed batches is missing.
    """
    if version not in TRIED:
        raise CannotStart(
            f"kafka-python {version} is installed, but Vigilens corrects mistakes of {' and '.join(TRIED)} that would "
            f"stop its work, and was not tried with others: pip install 'kafka-python=={TRIED[-1]}'"
        )
    if lacking := decompression.missing():
        raise CannotStart(
            f"record batches may be compressed with {' or '.join(lacking)}, whose library is not installed: "
            f"pip install 'kafka-python[{','.join(lacking)}]'"
        )
    limits = limits or record_batches.Limits()
    record_batches.limits.batch, record_batches.limits.poll = limits.batch, limits.poll
    DefaultRecordBatch.__iter__ = record_batches.read
    Fetcher.PartitionRecords.take = record_batches.take
    Fetcher._append = _append_until_full
    KafkaTCPTransport.__init__ = _open_with_large_receives
    Fetcher._send_list_offsets_requests = _look_up_at_the_leader
    Fetcher.fetched_records = _take_held_back_records
    KafkaConnectionManager.send = _send_or_fail
    ConsumerCoordinator.need_rejoin = _must_join_until_joined


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


def _append_until_full(fetcher: Any, drained: Any, part: Any, most: int, *args: Any) -> int:
    taken: int = _append(fetcher, drained, part, most, *args)
    enough = record_batches.full([record for records in drained.values() for record in records])
    return most if enough else taken  # "as many as you asked for" ends the poll


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
