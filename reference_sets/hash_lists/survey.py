"""What a hash list says in the end: the last word about each of its entries, before anything is written.

A list can name one id several times, withdraw it, and give it again; some lists are not in the order of time. The
latest counts, by the list's own times and then by its order; what has no time is as new as the newest before it. For
each entry, 100 bytes are kept.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reference_sets.hash_lists.entry import DIGITS, Entry, Gone, Item, Kind, Left
from reference_sets.hash_lists.sets import ID_DIGITS, suffix

KINDS: tuple[Kind, ...] = tuple(DIGITS)
WIDTH = max(DIGITS.values()) + 1 + ID_DIGITS  # bytes of the longest id
EVERY = 10_000  # entries between two reports of progress

Ids = NDArray[np.bytes_]
Numbers = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Survey:
    """A list's last word.

    Attributes:
        source: who gave the list.
        kinds: number of entries of each kind, also of those that were named again later.
        left: what cannot be used.
        valid: for each entry in the order of the list, whether it is the last word.
        ids: ids of all entries in the order of the list.
        codes: kind of each entry, as its place in `KINDS`.
        gone: the ends of the ids of what is withdrawn or deleted.
        items: number of lines or records that say anything.
    """

    source: str
    kinds: Counter[Kind]
    left: Left
    valid: NDArray[np.bool_]
    ids: Ids
    codes: NDArray[np.uint8]
    gone: Numbers
    items: int

    def of(self, kinds: Iterable[Kind]) -> NDArray[np.bool_]:
        """Return for each entry whether it is the last word about a hash of one of these kinds."""
        return self.valid & np.isin(self.codes, [KINDS.index(kind) for kind in kinds])


@dataclass(slots=True)
class _Events:
    ids: bytearray = field(default_factory=bytearray)
    suffixes: bytearray = field(default_factory=bytearray)
    codes: bytearray = field(default_factory=bytearray)
    at: "array[float]" = field(default_factory=lambda: array("d"))
    gone: dict[int, tuple[float, int]] = field(default_factory=dict)  # end of an id → time, entries before it
    latest: float = 0.0

    def add(self, one: Entry, end: str) -> None:
        """Note an entry."""
        self.ids += f"{one.value}-{end}".encode().ljust(WIDTH, b"\0")
        self.suffixes += bytes.fromhex(end)
        self.codes.append(KINDS.index(one.kind))
        self.at.append(self._time(one))

    def withdraw(self, one: Gone, end: str) -> None:
        """Note that an id is gone."""
        key = int(end, 16)
        self.gone[key] = max(self.gone.get(key, (0.0, -1)), (self._time(one), len(self.codes)))

    def _time(self, one: Entry | Gone) -> float:
        """Return when it was changed; if the list does not say, it is as new as the newest before it."""
        self.latest = max(self.latest, one.at)
        return one.at or self.latest


def survey(items: Iterable[Item], source: str, progress: Callable[[int], None] = lambda _: None) -> Survey:
    """Read a list to its end.

    Args:
        items: of the list.
        source: who gave it.
        progress: called with the number of items read since the last call.

    Raises:
        BadList, OSError: see the readers.
    """
    events, left, kinds, number = _Events(), Left(), Counter[Kind](), 0
    for number, one in enumerate(items, 1):
        if isinstance(one, Entry):
            kinds[one.kind] += 1
            events.add(one, suffix(source, one.source_id))
        elif isinstance(one, Gone):
            events.withdraw(one, suffix(source, one.source_id))
        else:
            left.add(one)
        if number % EVERY == 0:
            progress(EVERY)
    progress(number % EVERY)
    suffixes = np.frombuffer(events.suffixes, ">u8").astype(np.uint64)
    codes, at = np.frombuffer(events.codes, np.uint8), np.frombuffer(events.at, np.float64)
    valid, gone = _last_words(suffixes, codes, at, events.gone)
    ids = np.frombuffer(events.ids, f"S{WIDTH}")
    return Survey(source, kinds, left, valid, ids, codes, gone, number)


def _last_words(
    suffixes: Numbers, codes: NDArray[np.uint8], at: NDArray[np.float64], gone: dict[int, tuple[float, int]]
) -> tuple[NDArray[np.bool_], Numbers]:
    """Return which entries are the last word about their id and kind, and the ids about which that is "gone"."""
    order = np.lexsort((np.arange(len(at)), at, codes, suffixes))
    last = np.ones(len(order), np.bool_)
    last[:-1] = (suffixes[order][1:] != suffixes[order][:-1]) | (codes[order][1:] != codes[order][:-1])
    valid = np.zeros(len(order), np.bool_)
    valid[order[last]] = True
    withdrawn = np.fromiter(gone, np.uint64, len(gone))
    for place in np.flatnonzero(valid & np.isin(suffixes, withdrawn)).tolist():
        # An entry has as many entries before it as its place says; "gone" at the same number comes before the entry.
        valid[place] = (float(at[place]), place) >= gone[int(suffixes[place])]
    return valid, withdrawn[~np.isin(withdrawn, suffixes[valid])]


def is_unusable(found: Survey) -> bool:
    """Return whether the list says something, but nothing that can be used."""
    return bool(found.left.counts) and not len(found.valid) and not len(found.gone)
