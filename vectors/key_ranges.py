"""Ranges of primary keys, so that very many rows are read in parts of a size that one answer can have. Pure.

Milvus has an iterator for that. In Milvus Lite each of its steps looks at all rows: a set of 1,000,000 hashes took more
than an hour. Keys that begin with the digits of a hash are spread evenly, so a range of them has a predictable number
of rows. Keys of another form are in some range too, but perhaps very many in one.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

DIGITS = 4  # of the limits of ranges, in hexadecimal: at most 65,536 ranges


class KeyRange(NamedTuple):
    """Keys from `low` on, below `high`; an empty text is no limit."""

    low: str = ""
    high: str = ""

    def condition(self, also: str = "") -> str:
        """Return the condition for rows with such a key, as a filter of Milvus, for which `also` holds too."""
        terms = [f'id >= "{self.low}"' if self.low else "", f'id < "{self.high}"' if self.high else "", also]
        return " and ".join(f"({term})" for term in terms if term)


def ranges(rows: int, size: int) -> Iterator[KeyRange]:
    """Yield ranges that together have all keys: each is expected to have at most `size` of that many rows."""
    number = max(1, min(16**DIGITS, -(-rows // size)))
    limits = [f"{16**DIGITS * part // number:0{DIGITS}x}" for part in range(1, number)]
    for low, high in pairwise(["", *limits, ""]):
        yield KeyRange(low, high)
