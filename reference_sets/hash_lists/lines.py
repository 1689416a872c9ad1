"""Lists with one hash per line: bare hex, `pdq HASH`, output of digest programs and of PDQ's own programs, and CSV.

Each reader gets the lines of a file, without a byte order mark, and yields what becomes of each. A line without
characters, or that begins with #, counts as nothing.
"""

import csv
from collections.abc import Iterable, Iterator
from itertools import chain

from reference_sets.hash_lists.entry import (
    DIGITS,
    LEAST_QUALITY,
    LOW_QUALITY,
    NO_VALUE,
    WRONG_LENGTH,
    BadList,
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
    for where, row in _rows(lines):
        if [cell.strip().lower() for cell in row] == TX_HEADER:
            continue
        kind, value, collab, category, tags = (*row, "", "", "", "", "")[:5]
        opinion = OPINIONS.get(category.strip().lower(), "" if not category.strip() else "review")
        id_ = f"{collab.strip()}/{value.strip().lower()}" if collab.strip() else ""
        yield item(where, kind, value, source_id=id_, tags=words(tags), ceiling=opinion)


def old_state(lines: Lines) -> Iterator[Item]:
    """Read the state of older command lines: indicator,descriptor_id,added_on,tags; or with indicator_id second."""
    for where, row in _rows(lines):
        if row[0].strip().lower() == "indicator":
            continue
        id_ = row[1].strip() if len(row) > 1 else ""
        tags = words(row[-1]) if len(row) > 2 else ()  # noqa: PLR2004 (indicator and id)
        yield item(where, "pdq", row[0], source_id=id_, tags=tags)


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
        if quality.strip().isdigit() and int(quality) < LEAST_QUALITY:
            yield Unusable(where, LOW_QUALITY, line)
        else:
            yield item(where, "pdq", value, label=name.strip().strip('"'))


def paths(lines: Lines) -> Iterator[Item]:
    """Read PDQ's own test data: FilePath,Hash."""
    for where, row in _rows(lines):
        if [cell.strip().lower() for cell in row] == ["filepath", "hash"]:
            continue
        yield item(where, "pdq", row[-1], label=row[0].strip()) if len(row) > 1 else Unusable(where, NO_VALUE, row[0])


def _hex(text: str) -> bool:
    return len(text) in DIGITS.values() and all(one in "0123456789abcdefABCDEF" for one in text)


def _lines(lines: Lines) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield f"line {number}", text.replace("\t", " ")


def _rows(lines: Lines) -> Iterator[tuple[str, list[str]]]:
    """Yield the rows of a CSV file that are not empty, each with the number of its last line."""
    reader = csv.reader(chain(lines))
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield f"line {reader.line_num}", row
    except csv.Error as error:
        raise BadList(f"line {reader.line_num} is not CSV: {error}") from error
