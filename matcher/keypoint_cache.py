"""Keypoints of references that were checked lately: reading them from Milvus costs more than checking them."""

import threading
from collections import OrderedDict
from collections.abc import Iterable

from embedding.local.features import FeaturesError, unpack
from embedding.local.keypoints import Keypoints
from reference_sets.model import Neighbour, ReferenceSet
from reference_sets.store import Store, StoreError

Row = tuple[str, bool]  # id, mirrored
Key = tuple[str, int, Row]  # set, its version

# Keypoints as arrays: 450 of them take 21 KB, and the objects around them 1 KB.
_OVERHEAD = 1024


class Shelf:
    """Keeps what was used last, within a bound. Safe to use from several threads.

    A set's version is part of the key, so what was read before a change is never used after it.

    Args:
        store: where the features are.
        max_bytes: bound of what is kept.
    """

    def __init__(self, store: Store, max_bytes: int) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, Keypoints] = OrderedDict()
        self._bytes = 0

    def keypoints(self, known: ReferenceSet, neighbours: Iterable[Neighbour]) -> dict[Row, Keypoints]:
        """By id and mirrored; those that are gone from the set meanwhile, or have none, are missing.

        Raises:
            StoreError: as the store does; or features are damaged or of another version.
            Away: as the store does.
        """
        wanted = {(one.id, one.mirrored): one for one in neighbours}
        found: dict[Row, Keypoints] = {}
        with self._lock:
            for row in wanted:
                key = (known.name, known.version, row)
                if key in self._kept:
                    self._kept.move_to_end(key)
                    found[row] = self._kept[key]
        missing = [one for row, one in wanted.items() if row not in found]
        if missing:
            read = self._store.features(known.name, missing)
            fresh = {row: _unpacked(known, row, data) for row, data in read.items() if data}
            self._keep(known, fresh)
            found |= fresh
        return found

    def _keep(self, known: ReferenceSet, fresh: dict[Row, Keypoints]) -> None:
        with self._lock:
            for row, keypoints in fresh.items():
                key = (known.name, known.version, row)
                if key not in self._kept:
                    self._kept[key] = keypoints
                    self._bytes += _size(keypoints)
            while self._bytes > self._max_bytes and self._kept:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= _size(oldest)


def _unpacked(known: ReferenceSet, row: Row, data: bytes) -> Keypoints:
    try:
        return unpack(data)
    except FeaturesError as error:
        raise StoreError(f"the reference {row[0]} of the set {known.name} cannot be checked: {error}") from error


def _size(keypoints: Keypoints) -> int:
    return keypoints.bytes + _OVERHEAD
