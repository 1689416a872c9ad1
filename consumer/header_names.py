"""A record whose header names are not UTF-8 gets its verdict as any other, and does not stop its partition.

kafka-python decodes header names strictly: such a record raises out of `poll()`, again after each restart and in each
worker that inherits the partition. Java's client, and the brokers, let such names pass.
"""

from typing import Any

from kafka.record.default_records import DefaultRecordBatch


class _Forgiving(bytes):
    """Bytes that decode whatever they hold."""

    def __getitem__(self, at: Any) -> Any:
        part = super().__getitem__(at)
        return _Forgiving(part) if isinstance(part, bytes) else part

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002 (bytes' own signature)
        return super().decode(encoding, "replace")


_read_strictly = DefaultRecordBatch._read_msg  # noqa: SLF001 (there is no other place for it)


def _read(batch: Any, *args: Any, **options: Any) -> Any:
    try:
        return _read_strictly(batch, *args, **options)
    except UnicodeDecodeError:  # the position is where it was: read the record again, and the rest of its batch so too
        batch._buffer = _Forgiving(batch._buffer)  # noqa: SLF001
        return _read_strictly(batch, *args, **options)


def forgive() -> None:
    """Let this process's consumers read such records; the bytes that are no UTF-8 become U+FFFD."""
    DefaultRecordBatch._read_msg = _read  # noqa: SLF001
