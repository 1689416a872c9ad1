"""An image: where its bytes are, what is known about its file, and why it could not be read or compared.

Plain values: this file imports the standard library only, so that every package may use it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pydantic import JsonValue


class Reason(StrEnum):
    """Why an image is `unscannable`, or a set was not compared. The list is closed, see docs/verdicts.md."""

    EMPTY_VALUE = "empty_value"
    MALFORMED_EVENT = "malformed_event"
    BAD_BASE64 = "bad_base64"
    SOURCE_NOT_ALLOWED = "source_not_allowed"
    NOT_FOUND = "not_found"
    FETCH_FAILED = "fetch_failed"
    FETCH_TIMED_OUT = "fetch_timed_out"
    TOO_MANY_BYTES = "too_many_bytes"
    TOO_MANY_PIXELS = "too_many_pixels"
    UNKNOWN_FORMAT = "unknown_format"
    UNSUPPORTED_FORMAT = "unsupported_format"
    CORRUPT = "corrupt"
    DAMAGED = "damaged"
    FEATURELESS = "featureless"
    DECODE_CRASHED = "decode_crashed"
    DECODE_CPU_LIMIT = "decode_cpu_limit"
    DECODE_MEMORY_LIMIT = "decode_memory_limit"
    DECODE_TIMED_OUT = "decode_timed_out"
    RECORDS_TOO_LARGE = "records_too_large"
    GAVE_UP = "gave_up"
    ENCODER_FAILED = "encoder_failed"
    NOT_COMPARED = "not_compared"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Bad input as a value: it becomes a verdict, never an exception.

    Attributes:
        reason: one of the closed list of reasons.
        detail: one sentence for a person; never contains the image's bytes.
    """

    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Inline:
    """The bytes themselves."""

    data: bytes


@dataclass(frozen=True, slots=True)
class File:
    """A file on this machine, still to be checked against the allowed roots."""

    path: str


@dataclass(frozen=True, slots=True)
class Url:
    """An address, still to be checked against the allowed hosts."""

    url: str


Source = Inline | File | Url


class Position(NamedTuple):
    """An event's position in Kafka; `timestamp` is the record's, None if it has none."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """One image to judge.

    Attributes:
        source: where the bytes are; None when the event names nothing.
        problem: why the event itself is bad: the image is then unscannable, whatever its source.
        attributes: JSON values that are copied to the verdict.
        position: of the event; None outside Kafka.
    """

    event_id: str
    image_id: str
    source: Source | None
    problem: Unreadable | None = None
    attributes: "dict[str, JsonValue]" = field(default_factory=dict)
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about an image's file once it is decoded.

    Attributes:
        sha256: of the bytes, hexadecimal.
        bytes: their number.
        format: JPEG, PNG, …
        width, height: pixels, after the EXIF orientation is applied.
        frames: of an animated picture.
        damaged: only a part of it could be decoded.
    """

    sha256: str
    bytes: int
    format: str
    width: int
    height: int
    frames: int = 1
    damaged: bool = False
