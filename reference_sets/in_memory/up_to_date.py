"""What is kept in memory of each set, brought up to date when the set has changed.

What is kept belongs to a version of the set. Rows that later versions added are read and added to it. Rows that later
versions removed stay in it, because Milvus does not tell which they were: so whoever finds a row here must read it from
Milvus by its id before it counts. When there are many such rows, everything is read again.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

from reference_sets.model import ReferenceSet
from reference_sets.rows import Stored
from reference_sets.store import Store
from vectors.database import ANY

log = logging.getLogger(__name__)

KEPT = 50_000  # references of which the facts are kept: 25 MB
# From this share of removed rows on, everything is read again: 25 s for 1,000,000 rows in Milvus Lite.
TOO_MANY = 1.25
SOME = 10_000


class Contents(Protocol):
    """What is kept of one set; never changed."""

    def __len__(self) -> int:
        """Return the number of rows, perhaps with some that are gone."""

    def with_rows(self, parts: Iterable[Any]) -> Self:
        """Return contents that also have these rows, each once."""

    def settled(self) -> Self:
        """Return contents whose length is the number of rows, if none is gone."""


C = TypeVar("C", bound=Contents)
Read = Callable[[ReferenceSet, int], Iterable[Any]]  # the rows of a set that versions after this one wrote, in parts


class Saved(Protocol[C]):
    """Copies of contents outside of this process."""

    def load(self, known: ReferenceSet) -> tuple[int, C] | None:
        """Return the copy of a set and its version, if there is one that can be used."""

    def save(self, known: ReferenceSet, version: int, contents: C, before: C) -> C:
        """Write a copy if one is due after a change; returns the contents, perhaps as they are in the copy."""


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
        read: reads rows, as the contents take them.
        saved: copies, with which a process need not read all rows when it starts. None: there are none.
    """

    def __init__(self, store: Store, empty: C, read: Read, saved: Saved[C] | None = None) -> None:
        self._store = store
        self._empty = empty
        self._read = read
        self._saved = saved
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
                kept = self._loaded(known) or _Kept(0, known.created, self._empty)
            if kept.version < known.version:  # else another thread has seen a newer version, with all of these rows
                removed = known.removed_version > kept.version > 0
                contents = kept.contents.with_rows(self._read(known, kept.version))
                if removed and len(contents) > TOO_MANY * self._store.count(known.name) + SOME:
                    contents = self._empty.with_rows(self._read(known, 0))
                if self._saved:
                    contents = self._saved.save(known, known.version, contents, kept.contents)
                kept = _Kept(known.version, known.created, contents)
            self._kept[known.name] = kept
            return kept.contents

    def _loaded(self, known: ReferenceSet) -> _Kept[C] | None:
        """Return the saved contents, with what was written since, if they have as many rows as the set."""
        if self._saved is None or not (found := self._saved.load(known)) or found[0] > known.version:
            return None
        version, before = found
        # The rows of its own version are read too: others than these were written if Milvus was restored from a backup.
        contents = before.with_rows(self._read(known, version - 1)).settled()
        rows = self._store.count(known.name)
        most = TOO_MANY * rows + SOME if known.removed_version > version else rows
        if not rows <= len(contents) <= most:
            log.warning("the copy of the set %s does not fit to it: it is read from Milvus", known.name)
            return None
        return _Kept(known.version, known.created, self._saved.save(known, known.version, contents, before))

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

    def read(self, known: ReferenceSet, ids: Collection[str], shown: Collection[str] = ()) -> dict[str, Stored]:
        """Return id → what is stored of it, for those of the ids that are in the set; at most one call per 1,000.

        Args:
            known: the set.
            ids: of references that decide.
            shown: of references that decide nothing. If there are no others, a change of the last seconds may be missed
                for them: a server would wait for 0.2 s until it is certain.

        Raises:
            StoreError, Away: see `Store`.
        """
        set_ = (known.name, known.created, known.version)
        found: dict[str, Stored | None] = {}
        with self._lock:
            for id_ in {*ids, *shown}:
                if (*set_, id_) in self._known:
                    self._known.move_to_end((*set_, id_))
                    found[id_] = self._known[(*set_, id_)]
        missing = {*ids, *shown} - found.keys()
        if missing and not missing.intersection(ids):
            found |= self._store.stored(known.name, sorted(missing), ANY)
            missing -= found.keys()
        if missing:
            read = self._store.stored(known.name, sorted(missing))
            found |= {id_: read.get(id_) for id_ in missing}
            with self._lock:
                self._known |= {(*set_, id_): found[id_] for id_ in missing}
                while len(self._known) > KEPT:
                    self._known.popitem(last=False)
        return {id_: one for id_, one in found.items() if one is not None}
