"""Lists with one hash per line: bare hex, `pdq HASH`, output of digest programs and of PDQ's own programs, and CSV.

Each reader gets the lines of a file, without a byte order mark, and yields what becomes of each. A line without
characters, or that begins with #, counts as nothing.
"""

import csv
from collections.abc import Callable, Iterable, Iterator

from reference_sets.hash_lists.entry import (
    BAD_QUALITY,
    DIGITS,
    LEAST_QUALITY,
    LOW_QUALITY,
    NO_VALUE,
    NOT_CSV,
    WRONG_LENGTH,
    Ceiling,
    Item,
    Unusable,
    is_kind,
    item,
    words,
)

# The field's words for an opinion about a hash, and the highest level that a match may have then.
OPINIONS: dict[str, Ceiling] = {
    "positive_class": "",
    "negative_class": "nothing",  # known good
    "investigation_seed": "review",  # nobody has confirmed it
    "disputed": "review",
}
TX_HEADER = ["signal_type", "signal_str", "collab", "category", "tags"]
_BY_LENGTH = {length: kind for kind, length in DIGITS.items() if kind != "pdq"}

Lines = Iterable[str]


def hashes(lines: Lines) -> Iterator[Item]:
    """Read `pdq HASH` and bare hashes, which are PDQ: what pytx keeps, and `tx hash` prints."""
    for where, line in _lines(lines):
        first, _, rest = line.partition(" ")
        if rest and is_kind(first):
            yield item(where, first, rest)
        elif rest:
            yield item(where, first, rest) if not _hex(first) else item(where, "pdq", first, label=rest.strip())
        else:
            yield item(where, "pdq", line.strip('"'))


def digests(lines: Lines) -> Iterator[Item]:
    """Read MD5, SHA-1 and SHA-256, told apart by their length; alone or before a file's name, as `sha256sum` prints."""
    for where, line in _lines(lines):
        value, _, label = line.strip('"').partition(" ")
        kind = _BY_LENGTH.get(len(value))
        label = label.strip().removeprefix("*")
        yield item(where, kind, value, label=label) if kind else Unusable(where, WRONG_LENGTH, line)


def tx(lines: Lines) -> Iterator[Item]:
    """Read `tx dataset -P --csv`: signal_type,signal_str,collab,category,tags."""
    return _each_row(lines, _tx_row)


def _tx_row(where: str, row: list[str]) -> Item | None:
    if [cell.strip().lower() for cell in row] == TX_HEADER:
        return None
    kind, value, collab, category, tags = (*row, "", "", "", "", "")[:5]
    opinion = OPINIONS.get(category.strip().lower(), "" if not category.strip() else "review")
    id_ = f"{collab.strip()}/{value.strip().lower()}" if collab.strip() else ""
    return item(where, kind, value, source_id=id_, tags=words(tags), ceiling=opinion)


def old_state(lines: Lines) -> Iterator[Item]:
    """Read the state of older command lines: indicator,descriptor_id,added_on,tags; or with indicator_id second."""
    return _each_row(lines, _old_row)


def _old_row(where: str, row: list[str]) -> Item | None:
    if row[0].strip().lower() == "indicator":
        return None
    id_ = row[1].strip() if len(row) > 1 else ""
    tags = words(row[-1]) if len(row) > 2 else ()  # noqa: PLR2004 (indicator and id)
    return item(where, "pdq", row[0], source_id=id_, tags=tags)


def hasher(lines: Lines) -> Iterator[Item]:
    """Read what `pdq-photo-hasher` prints: hash,quality,filename; or hash=…,quality=…,filename=… with -d."""
    for where, line in _lines(lines):
        if line.startswith("hash="):
            facts, _, name = line.partition(",filename=")
            named = dict(pair.split("=", 1) for pair in facts.split(",") if "=" in pair)
            value, quality = named["hash"], named.get("quality", "")
        else:
            value, quality, name = (*line.split(",", 2), "", "")[:3]
        if value.strip().lower() == "hash":
            continue
        if why := _unusable_quality(quality.strip()):
            yield Unusable(where, why, line)
        else:
            yield item(where, "pdq", value, label=name.strip().strip('"'))


def _unusable_quality(quality: str) -> str:
    """Return why a hash of this quality cannot be used; "" if it can, or if the list does not give the quality."""
    try:
        good = not quality or float(quality) >= LEAST_QUALITY
    except ValueError:
        return BAD_QUALITY
    return "" if good else LOW_QUALITY


def paths(lines: Lines) -> Iterator[Item]:
    """Read PDQ's own test data: FilePath,Hash."""
    return _each_row(lines, _path_row)


def _path_row(where: str, row: list[str]) -> Item | None:
    if [cell.strip().lower() for cell in row] == ["filepath", "hash"]:
        return None
    return item(where, "pdq", row[-1], label=row[0].strip()) if len(row) > 1 else Unusable(where, NO_VALUE, row[0])


def _hex(text: str) -> bool:
    return len(text) in DIGITS.values() and all(one in "0123456789abcdefABCDEF" for one in text)


def _lines(lines: Lines) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield f"line {number}", text.replace("\t", " ")


def _each_row(lines: Lines, read: Callable[[str, list[str]], Item | None]) -> Iterator[Item]:
    """Yield what `read` makes of the rows of a CSV file that are not empty; None: nothing, as for a header.

    Each line is read by itself. So a quote that is not closed spoils one line, and not all up to the next quote.
    """
    for number, line in enumerate(lines, 1):
        where = f"line {number}"
        try:
            row = next(csv.reader([line], strict=True), [])
        except csv.Error:
            yield Unusable(where, NOT_CSV, line)
            continue
        if any(cell.strip() for cell in row) and (found := read(where, row)):
            yield found
