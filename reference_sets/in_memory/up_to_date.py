"""What is kept in memory of each set, brought up to date when the set has changed.

What is kept belongs to a version of the set. Rows that later versions added are read and added to it. Rows that later
versions removed stay in it, because Milvus does not tell which they were: so whoever finds a row here must read it from
Milvus by its id before it counts. When there are many such rows, everything is read again.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from reference_sets.model import ReferenceSet
from reference_sets.rows import Stored
from reference_sets.store import Store

Rows = list[tuple[str, str]]  # ids and digests

KEPT = 50_000  # references of which the facts are kept: 25 MB
# From this share of removed rows on, everything is read again: 25 s for 1,000,000 rows in Milvus Lite.
TOO_MANY = 1.25
SOME = 10_000


class Contents(Protocol):
    """What is kept of one set; never changed."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def with_rows(self, parts: Iterable[Rows]) -> Self:
        """Return contents that also have these rows, each once."""


C = TypeVar("C", bound=Contents)


@dataclass(slots=True)
class _Kept(Generic[C]):
    version: int
    created: str
    contents: C


class UpToDate(Generic[C]):
    """Keeps contents of sets. Safe to use from several threads: those that need the same set wait for one that reads.

    Args:
        store: where the sets are.
        empty: contents without rows.
    """

    def __init__(self, store: Store, empty: C) -> None:
        self._store = store
        self._empty = empty
        self._lock = threading.Lock()
        self._reading: dict[str, threading.Lock] = {}
        self._kept: dict[str, _Kept[C]] = {}

    def of(self, known: ReferenceSet) -> C:
        """Return the contents of a set: all of its rows as of this version, and perhaps rows that are gone since.

        Raises:
            StoreError, Away: see `Store`.
        """
        with self._lock:
            reading = self._reading.setdefault(known.name, threading.Lock())
        with reading:
            kept = self._kept.get(known.name)
            if kept is None or kept.created != known.created:
                kept = _Kept(0, known.created, self._empty)
            if kept.version < known.version:  # else another thread has seen a newer version, with all of these rows
                removed = known.removed_version > kept.version > 0
                contents = kept.contents.with_rows(self._store.digests_since(known.name, kept.version))
                if removed and len(contents) > TOO_MANY * self._store.count(known.name) + SOME:
                    contents = self._empty.with_rows(self._store.digests_since(known.name, 0))
                self._kept[known.name] = kept = _Kept(known.version, known.created, contents)
            return kept.contents

    def without(self, known: ReferenceSet, remove: Callable[[C], C]) -> None:
        """Replace the contents of a set by what `remove` makes of them."""
        with self._reading[known.name]:
            kept = self._kept[known.name]
            if kept.created == known.created:
                self._kept[known.name] = _Kept(kept.version, kept.created, remove(kept.contents))


class StoredRows:
    """Reads references by their ids, and keeps what it read last. Safe to use from several threads.

    Args:
        store: where the sets are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str, int, str], Stored | None] = OrderedDict()

    def read(self, known: ReferenceSet, ids: Collection[str]) -> dict[str, Stored]:
        """Return id → what is stored of it, for those of the ids that are in the set; at most one call per 1,000.

        Raises:
            StoreError, Away: see `Store`.
        """
        set_ = (known.name, known.created, known.version)
        found: dict[str, Stored | None] = {}
        with self._lock:
            for id_ in ids:
                if (*set_, id_) in self._known:
                    self._known.move_to_end((*set_, id_))
                    found[id_] = self._known[(*set_, id_)]
        missing = [id_ for id_ in ids if id_ not in found]
        if missing:
            read = self._store.stored(known.name, missing)
            found |= {id_: read.get(id_) for id_ in missing}
            with self._lock:
                self._known |= {(*set_, id_): found[id_] for id_ in missing}
                while len(self._known) > KEPT:
                    self._known.popitem(last=False)
        return {id_: one for id_, one in found.items() if one is not None}
