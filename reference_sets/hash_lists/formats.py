"""The formats of hash lists by name, and how a file's format is recognised by its content."""

import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from reference_sets.hash_lists import exchanges, lines, ncmec
from reference_sets.hash_lists.entry import DIGITS, BadList, Item, is_kind
from vectors.errors import StoreError

HEAD = 1 << 16  # bytes from which a format is recognised
_HEX = re.compile(r'"?([0-9a-fA-F]+)"?')
_QUALITY = re.compile(r"\d{1,3},(?!\d{4}-\d\d-\d\d).*")  # before a file's name, not an id before a date
_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # as some shells write redirected output


class Format(NamedTuple):
    """A format.

    Attributes:
        read: reads the entries of a file; raises StoreError if it cannot be read.
        source: who gives such lists; empty: anybody.
        goes_on: whether a file says that more entries come after it.
        is_later_part: whether a file says that others come before it.
    """

    read: Callable[[Path], Iterator[Item]]
    source: str = ""
    goes_on: Callable[[Path], bool] = lambda _: False
    is_later_part: Callable[[Path], bool] = lambda _: False


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file in errors. A pipe is refused: it cannot be read twice."""
    if path.exists() and not path.is_file():
        raise StoreError(f"{path} is not a regular file, and a list is read twice: save it to a file first")
    try:
        yield
    except BadList as error:
        raise StoreError(f"{path} cannot be read as a hash list: {error}") from error
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}") from error


def _text_of(path: Path) -> io.TextIOWrapper:
    with path.open("rb") as file:
        encoding = _BOMS.get(file.read(2), "utf-8-sig")
    return path.open(encoding=encoding, errors="replace", newline="")


def _by_line(read: Callable[[lines.Lines], Iterator[Item]], source: str = "") -> Format:
    def of(path: Path) -> Iterator[Item]:
        with _named(path), _text_of(path) as file:
            yield from read(file)

    return Format(of, source)


def _json(read: Callable[[str], Iterator[Item]], key: str, source: str) -> Format:
    def of(path: Path) -> Iterator[Item]:
        with _named(path), _text_of(path) as file:
            yield from read(file.read())

    def goes_on(path: Path) -> bool:
        with _named(path), _text_of(path) as file:
            return exchanges.goes_on(file.read(), key)

    def is_later_part(path: Path) -> bool:
        with _named(path), _text_of(path) as file:
            return exchanges.is_later_part(file.read(), key)

    return Format(of, source, goes_on, is_later_part)


def _read_ncmec(path: Path) -> Iterator[Item]:
    with _named(path), path.open("rb") as file:
        yield from ncmec.ncmec(file)


def _ncmec_goes_on(path: Path) -> bool:
    with _named(path), path.open("rb") as file:
        return ncmec.goes_on(file)


FORMATS: dict[str, Format] = {
    "pdq": _by_line(lines.hashes),
    "digests": _by_line(lines.digests),
    "tx": _by_line(lines.tx),
    "te-state": _by_line(lines.old_state, "threatexchange"),
    "hasher": _by_line(lines.hasher),
    "paths": _by_line(lines.paths),
    "threatexchange": _json(exchanges.threatexchange, "data", "threatexchange"),
    "stopncii": _json(exchanges.stopncii, "hashRecords", "stopncii"),
    "ncmec": Format(_read_ncmec, "ncmec", _ncmec_goes_on),
    "tat": _json(exchanges.tat, "results", "tat"),
}


def recognise(path: Path) -> str:
    """Return the name of a file's format.

    Raises:
        StoreError: it has none that is known, or cannot be read.
    """
    with _named(path):
        return _recognised(path)


def _recognised(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(HEAD)
    if _is_packed(head):
        raise BadList("it is compressed: unpack it first")
    text = head.decode(_BOMS.get(head[:2], "utf-8-sig"), errors="replace").lstrip("\ufeff \t\r\n")
    if not text:
        raise BadList("it is empty: if it should be, name its format with --format")
    if text.startswith("<"):
        return "ncmec"
    found = _exchange(text) if text.startswith(("{", "[")) else _lines(text)
    if not found:
        raise BadList(f"its format is not recognised; name it with --format: {', '.join(FORMATS)}")
    return found


def _is_packed(head: bytes) -> bool:
    return head.startswith((b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"))


def _exchange(text: str) -> str:
    keys = set(re.findall(r'"(\w+)"\s*:', text))
    names = {"hashRecords": "stopncii", "hash_digest": "tat", "checkpoint": "tat", "indicator": "threatexchange"}
    return next((name for key, name in names.items() if key in keys), "") or _empty(text)


def _empty(text: str) -> str:
    """Return the format of an answer without entries, which only its keys tell."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    keys = answer.keys() if isinstance(answer, dict) else ()
    return "tat" if "results" in keys else "threatexchange" if "data" in keys else ""


def _lines(text: str) -> str:
    first = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")][:2]
    for line in first:
        if found := _line(line):
            return found
    return ""


def _line(line: str) -> str:
    """Return the format of which a line is typical."""
    cells = [cell.strip().strip('"') for cell in line.lower().split(",")]
    named = {
        ",".join(lines.TX_HEADER): "tx",
        "filepath,hash": "paths",
        "hash,quality,filename": "hasher",
        "indicator,indicator_id": "te-state",
    }
    if found := next((name for header, name in named.items() if ",".join(cells).startswith(header)), ""):
        return found
    if line.startswith("hash=") or (_is_pdq(cells[0]) and _QUALITY.fullmatch(",".join(cells[1:3]))):
        return "hasher"
    if len(cells) > 1 and is_kind(cells[0]):
        return "tx"
    if len(cells) > 1:
        return "te-state" if _is_pdq(cells[0]) else "paths" if _is_pdq(cells[-1]) else ""
    word, _, rest = line.partition(" ")
    return "pdq" if is_kind(word) and rest else _bare(word, rest)


def _bare(word: str, rest: str) -> str:
    """Return the format of a line with a hash, alone or before a file's name. 64 digits alone are a PDQ hash."""
    digits = _HEX.fullmatch(word)
    if not digits or len(digits[1]) not in DIGITS.values():
        return ""
    return "pdq" if len(digits[1]) == DIGITS["pdq"] and not rest else "digests"


def _is_pdq(cell: str) -> bool:
    digits = _HEX.fullmatch(cell)
    return bool(digits) and len(cell) == DIGITS["pdq"]
