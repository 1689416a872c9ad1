"""Record batch → records, with a limit on its size. `kafka_patches` puts `read` and `take` into kafka-python.

kafka-python unpacks a batch whole and copies each part twice. A batch that expands to more than the limit, or that
cannot be read, must not end the process, which would read it again after each restart. So each of its records is
returned with a `Refused` value, and gets a verdict like any other. Nothing is lost and nothing is invented:

- Records of an aborted transaction and control records are left out before (by kafka-python's fetcher).
- A batch's header has the number of its records, and their offsets follow one another, unless the broker has removed
  some (compaction). Then the offsets are read from the batch, in steps, without keeping its contents.

Batches in the formats before Kafka 0.11 are read by kafka-python, without a limit; no producer of today writes them.
"""

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecord
from kafka.record.util import decode_varint

from consumer.decompression import Corrupt, TooLarge, expand, steps
from embedding.image import Reason, Unreadable

MAX_HEADERS = 1_000  # of one record; each is an object, and takes a microsecond several times
_HEAD = 26  # most bytes of a record up to its offset: length 5, attributes 1, timestamp 10, offset 5; and some to spare
# ruff: noqa: SLF001 (batches of kafka-python have private fields only)


@dataclass(slots=True)
class Limits:
    """For all consumers of the process.

    Attributes:
        batch: bytes of one record batch, expanded.
        poll: bytes of records after which a poll returns, whatever their number.
    """

    batch: int = 134_217_728
    poll: int = 67_108_864


limits = Limits()


class Refused(bytes):
    """The value of a record that was not read: empty, with the reason."""

    problem: Unreadable

    @classmethod
    def because(cls, reason: Reason, detail: str) -> "Refused":
        """The value of a record that was not read for this reason."""
        value = cls()
        value.problem = Unreadable(reason, detail)
        return value


def read(batch: Any) -> Iterator[Any]:
    """The records of a batch (a DefaultRecordBatch), each once; those that cannot be read have a `Refused` value."""
    done, offset = 0, batch.base_offset
    try:
        _unpack(batch)
        while done < batch.records_count:
            record = _record(batch)
            _check(batch, record.offset, done, offset)
            done, offset = done + 1, record.offset + 1
            yield record
    except TooLarge:
        detail = f"the record batch expands to more than {limits.batch} bytes (kafka.max_batch_bytes)"
        yield from _refused(batch, _offsets(batch), Refused.because(Reason.RECORDS_TOO_LARGE, detail))
    except (Corrupt, CorruptRecordError, ValueError, IndexError) as error:
        left = range(offset, batch.last_offset + 1)[: batch.records_count - done]
        detail = f"the record batch cannot be read: {error}"[:200]
        yield from _refused(batch, left, Refused.because(Reason.MALFORMED_EVENT, detail))


def _check(batch: Any, offset: int, done: int, least: int) -> None:
    """Check that an offset follows the one before, and leaves enough for the records after it."""
    if not least <= offset <= batch.last_offset - (batch.records_count - done - 1):
        raise CorruptRecordError("a record's offset is not between those of its neighbours")


def take(part: Any, most: int | None = None) -> list[Any]:
    """The next records of a PartitionRecords: at most `most`, and no more once they have `limits.poll` bytes."""
    part._maybe_raise_next_inline_exception()
    records: list[Any] = []
    size = 0
    try:
        for record in itertools.islice(part.record_iterator, most):
            records.append(record)
            size += _size(record)
            if size >= limits.poll:
                break
    except Exception as error:
        if not records:
            raise
        part._next_inline_exception = error  # raised by the next call
    return records


def full(records: list[Any]) -> bool:
    """Whether the records have so many bytes that the poll must return."""
    return sum(map(_size, records)) >= limits.poll


def _size(record: Any) -> int:
    return len(record.value or b"") + len(record.key or b"")


def _unpack(batch: Any) -> None:
    """Decompress the batch in its place."""
    if batch._decompressed:
        return
    body = memoryview(batch._buffer)[batch._pos :]
    if batch.compression_type == batch.CODEC_NONE:
        if len(body) > limits.batch:
            raise TooLarge
        batch._buffer = body
    else:
        batch._buffer = memoryview(expand(batch.compression_type, body, limits.batch))
    batch._pos = 0
    batch._decompressed = True


def _record(batch: Any) -> DefaultRecord:
    """The next record: kafka-python's `_read_msg`, with one copy of each part instead of two.

    Header names that are not UTF-8 get U+FFFD instead; kafka-python raises, while Java's client and the brokers accept
    them.
    """
    buffer = batch._buffer
    length, pos = decode_varint(buffer, batch._pos)
    end = pos + length
    if not pos <= end <= len(buffer):
        raise CorruptRecordError("a record ends outside of its batch")
    pos += 1  # attributes, which are not used
    delta, pos = decode_varint(buffer, pos)
    timestamp = batch.max_timestamp if batch.timestamp_type == batch.LOG_APPEND_TIME else batch.first_timestamp + delta
    offset, pos = decode_varint(buffer, pos)
    key, pos = _bytes(buffer, pos, end)
    value, pos = _bytes(buffer, pos, end)
    count, pos = decode_varint(buffer, pos)
    headers: list[tuple[str, bytes | None]] = []
    if 0 <= count <= MAX_HEADERS:
        for _ in range(count):
            name, pos = _bytes(buffer, pos, end)
            content, pos = _bytes(buffer, pos, end)
            headers.append(((name or b"").decode(errors="replace"), content))
        if pos != end:
            raise CorruptRecordError("a record has another size than it says")
    else:
        detail = f"the record has {count:,} headers; at most {MAX_HEADERS:,} are read"
        value = Refused.because(Reason.MALFORMED_EVENT, detail)
    batch._pos = end
    return DefaultRecord(length, batch.base_offset + offset, timestamp, batch.timestamp_type, key, value, headers)


def _bytes(buffer: memoryview, pos: int, end: int) -> tuple[bytes | None, int]:
    """The bytes behind their length, and the position after them; None if the length is negative."""
    length, pos = decode_varint(buffer, pos)
    if length < 0:
        return None, pos
    if pos + length > end:
        raise CorruptRecordError("a part of a record ends outside of it")
    return bytes(buffer[pos : pos + length]), pos + length


def _refused(batch: Any, offsets: Iterable[int], value: Refused) -> Iterator[DefaultRecord]:
    for offset in offsets:
        yield DefaultRecord(0, offset, batch.max_timestamp, batch.timestamp_type, None, value, [])


def _offsets(batch: Any) -> Iterator[int]:
    """The offsets of a batch's records, without unpacking it."""
    done, offset = 0, batch.base_offset
    if batch.last_offset - batch.base_offset + 1 != batch.records_count:
        # The broker has removed some records. If the rest cannot be read, each still gets an offset of the batch.
        with contextlib.suppress(Corrupt, CorruptRecordError, TooLarge, ValueError, IndexError):
            for read_offset in _offsets_within(batch):
                _check(batch, read_offset, done, offset)
                done, offset = done + 1, read_offset + 1
                yield read_offset
    yield from range(offset, batch.last_offset + 1)[: batch.records_count - done]


def _offsets_within(batch: Any) -> Iterator[int]:
    """The offsets in the batch, read in steps: the beginning of each record is looked at, and the rest is skipped."""
    body = memoryview(batch._buffer)[batch._pos :]
    compressed = batch.compression_type != batch.CODEC_NONE
    parts: Iterator[Any] = steps(batch.compression_type, body, limits.batch) if compressed else iter([body])
    window, start = bytearray(), 0  # start: of the next record in the window; it may lie far behind its end
    for _ in range(batch.records_count):
        while start + _HEAD > len(window) and (part := next(parts, None)) is not None:
            window, start = window[start:], max(0, start - len(window))
            window += part
        length, pos = decode_varint(window, start)
        start = pos + length
        _, pos = decode_varint(window, pos + 1)
        delta, _ = decode_varint(window, pos)
        yield batch.base_offset + delta
