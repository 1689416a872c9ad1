"""What a hash list says: entries, and what in it cannot be used. Plain values."""

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from reference_sets.model import Cap

Kind = Literal["pdq", "md5", "sha1", "sha256"]
Ceiling = Cap | Literal[""]
DIGITS: dict[Kind, int] = {"pdq": 64, "md5": 32, "sha1": 40, "sha256": 64}

# Below it, PDQ's authors advise against the use of a hash: too few gradients, so that unlike pictures are near.
LEAST_QUALITY = 50

_HEX = re.compile(r"[0-9a-f]+")
_NAMES: dict[str, Kind] = {
    **dict.fromkeys(("pdq", "hash_pdq", "imagepdq"), "pdq"),
    **dict.fromkeys(("md5", "photo_md5", "hash_md5"), "md5"),
    **dict.fromkeys(("sha1", "sha-1", "hash_sha1"), "sha1"),
    **dict.fromkeys(("sha256", "sha-256", "hash_sha256"), "sha256"),
}
BAD_HEX = "not hexadecimal"
WRONG_LENGTH = "not of the right length"
NO_VALUE = "without a value"
LOW_QUALITY = f"quality below {LEAST_QUALITY}"
BAD_QUALITY = "quality that is not a number"
NOT_CSV = "not CSV, for example a quote that is not closed in its line"
NOT_A_RECORD = "not a JSON object"
UNKNOWN_ALGORITHM = "of an unknown algorithm"
VIDEO = "of a video, sound or document, not of an image"
PHOTODNA = "PhotoDNA, which cannot be computed here"
# Names of what cannot be used, and why.
_UNUSABLE = {
    **dict.fromkeys(("pdna", "photodna", "ssvh_pdna", "hash_pdna"), PHOTODNA),
    **dict.fromkeys(("video_md5", "hash_video_md5", "videomd5", "tmk", "hash_tmk", "videotmk", "tmk_pdqf"), VIDEO),
    **dict.fromkeys(("vpdq", "raw_text", "text", "hash_text_tlsh", "trend_query", "url", "uri", "domain"), VIDEO),
}


class Entry(NamedTuple):
    """One hash of a list.

    Attributes:
        kind: its algorithm.
        value: lower-case hexadecimal digits.
        source_id: under which id the list has it; the value itself if the list has no ids.
        label: the list's word for the picture, for example a file's name.
        tags: the list's words.
        ceiling: the highest level that a match may have; empty: any.
        at: when it was last changed, in seconds since 1970, UTC; 0: the list does not say.
    """

    kind: Kind
    value: str
    source_id: str
    label: str = ""
    tags: tuple[str, ...] = ()
    ceiling: Ceiling = ""
    at: float = 0.0


class Gone(NamedTuple):
    """A hash that was withdrawn or deleted, and must not be matched: all values that the list had under this id."""

    source_id: str
    at: float = 0.0


class Unusable(NamedTuple):
    """A line or record without a usable hash: where it is, for example "line 7", and why."""

    where: str
    why: str
    text: str


Item = Entry | Gone | Unusable


class BadList(Exception):  # noqa: N818 (named after what is wrong)
    """The file is not a list of this format. The text says what is wrong with it."""


@dataclass(slots=True)
class Left:
    """What was left out of a list: how many per reason, and the first few."""

    first: list[Unusable] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    SHOWN = 5

    def add(self, one: Unusable) -> None:
        """Count one."""
        self.counts[one.why] += 1
        if len(self.first) < self.SHOWN:
            self.first.append(one)


def is_kind(name: str) -> bool:
    """Return whether this is the name of an algorithm, usable or not."""
    return _plain(name) in _NAMES or _plain(name) in _UNUSABLE


def item(  # noqa: PLR0913 (one for each fact, by keyword)
    where: str,
    name: str,
    value: str,
    *,
    source_id: str = "",
    label: str = "",
    tags: tuple[str, ...] = (),
    ceiling: Ceiling = "",
    at: float = 0.0,
) -> Item:
    """Return the entry for a value of the algorithm with this name, or why it cannot be used.

    Args:
        where: place in the file.
        name: of the algorithm, as any of the formats writes it.
        value: as the list has it.
        source_id: if empty, the value.
        label: see `Entry`.
        tags: see `Entry`.
        ceiling: see `Entry`.
        at: see `Entry`.
    """
    kind, digits = _NAMES.get(_plain(name)), value.strip().strip('"').strip().lower()
    if kind is None:
        return Unusable(where, _UNUSABLE.get(_plain(name), UNKNOWN_ALGORITHM), name)
    if why := wrong(kind, digits):
        return Unusable(where, why, value)
    return Entry(kind, digits, source_id or digits, label, tags, ceiling, at)


def wrong(kind: Kind, digits: str) -> str:
    """Return why these lower-case digits cannot be a value of this algorithm, or "" if they can."""
    if not digits:
        return NO_VALUE
    if not _HEX.fullmatch(digits):
        return BAD_HEX
    return "" if len(digits) == DIGITS[kind] else WRONG_LENGTH


def _plain(name: str) -> str:
    return name.strip().lower()


def words(texts: object) -> tuple[str, ...]:
    """Return the texts of a JSON list, or of a text with spaces between them; each once, in their order."""
    some = texts.split() if isinstance(texts, str) else texts if isinstance(texts, list) else []
    return tuple(dict.fromkeys(text for one in some if (text := str(one).strip())))


def seconds(time: object) -> float:
    """Return a time, in ISO 8601 or in seconds since 1970, as seconds; 0 if it is neither."""
    text = str(time).strip()
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        return number if math.isfinite(number) else 0.0
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
