"""Where an image's bytes are, and the closed list of reasons why an image could not be looked at.

Plain values: this file imports the standard library only, so that every room may use it.
"""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why an image is `unscannable`. The list is closed and documented in docs/verdicts.md."""

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
    CORRUPT = "corrupt"
    FEATURELESS = "featureless"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Bad input as a value: it becomes a verdict, never an exception.

    Attributes:
        reason: one of the closed list.
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
