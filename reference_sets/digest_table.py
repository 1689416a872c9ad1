"""The digests of the references' files, in memory: is a file exactly a reference's, in whatever set?

Milvus would read all rows of a set for each question. Here a digest is found by its first 64 bits in a sorted array, 8
bytes for each reference; only the few that are found are read from Milvus. A set's array belongs to a version of the
set. Later versions add rows to it; one that removed rows, or a set that was created again, makes it anew.
"""

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference_sets.model import Known, ReferenceSet
from reference_sets.store import Store

_DIGITS = 16  # of a SHA-256 in hexadecimal: 64 bits
_KEPT = 10_000  # answers of Milvus that are kept

Keys = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class _Table:
    """The digests of a set at a version, sorted."""

    version: int
    created: str
    keys: Keys

    def leads_to(self, known: ReferenceSet) -> bool:
        """Whether the set as it is now has all rows of this table."""
        return known.created == self.created and known.removed_version <= self.version <= known.version


class DigestTable:
    """Finds references by the digests of their files. Safe to use from several threads.

    Args:
        store: where the sets are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._tables: dict[str, _Table] = {}
        self._known: OrderedDict[tuple[str, str, int, str], tuple[Known, ...]] = OrderedDict()

    def find(self, known: ReferenceSet, digests: Collection[str]) -> dict[str, tuple[Known, ...]]:
        """Digest → the references of the set that were made of files with this SHA-256, of those that there are.

        Args:
            known: the set, as the caller read it.
            digests: in hexadecimal.

        Raises:
            StoreError, Away: see `Store`.
        """
        wanted = sorted(set(digests))
        table = self._table(known)
        keys = _keys(wanted)
        at = np.searchsorted(table.keys, keys).clip(max=max(0, len(table.keys) - 1))
        there = table.keys[at] == keys if len(table.keys) else np.zeros(len(keys), np.bool_)
        likely = [digest for digest, found in zip(wanted, there, strict=True) if found]
        found = {digest: self._rows(known, digest) for digest in likely}
        return {digest: rows for digest, rows in found.items() if rows}

    def _table(self, known: ReferenceSet) -> _Table:
        with self._lock:  # others wait for the one that reads, rather than read as well
            table = self._tables.get(known.name)
            if table is None or not table.leads_to(known):
                table = _Table(0, known.created, np.zeros(0, np.uint64))
            if known.version != table.version:
                added = [_keys(part) for part in self._store.digests_since(known.name, table.version)]
                table = _Table(known.version, known.created, np.unique(np.concatenate([table.keys, *added])))
                self._tables[known.name] = table
            return table

    def _rows(self, known: ReferenceSet, digest: str) -> tuple[Known, ...]:
        key = (known.name, known.created, known.version, digest)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        rows = self._store.same_content(known.name, digest)
        with self._lock:
            self._known[key] = rows
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return rows


def _keys(digests: Sequence[str]) -> Keys:
    return np.array([int(digest[:_DIGITS], 16) for digest in digests], np.uint64)
