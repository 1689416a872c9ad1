"""Keypoints of recently checked references: reading them from Milvus takes longer than checking them."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from embedding.local.features import FeaturesError, unpack
from embedding.local.keypoints import Keypoints
from reference_sets.model import Neighbour, ReferenceSet, Verify
from reference_sets.store import Store

log = logging.getLogger("vigilens.sets")

Row = tuple[str, bool]  # id, mirrored
Key = tuple[str, int, Row]  # set, its version

# 450 keypoints take 21 KB as arrays, and the objects around those 1 KB.
_OVERHEAD = 1024


class KeypointCache:
    """Keeps the keypoints that were used last, within a bound. Safe to use from several threads.

    A set's version is part of the key, so keypoints that were read before a change are never used after it.

    Args:
        store: to read the features from.
        max_bytes: bound for the keypoints that are kept.
    """

    def __init__(self, store: Store, max_bytes: int) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, Keypoints] = OrderedDict()
        self._bytes = 0
        self._damaged: dict[str, dict[Row, int]] = {}  # set → row → version of the set in which it is damaged

    def keypoints(self, known: ReferenceSet, neighbours: Iterable[Neighbour]) -> dict[Row, Keypoints | None]:
        """Keypoints by id and mirrored; None if damaged. References without keypoints, or removed ones, are missing.

        Raises:
            StoreError, Away: see `Store.features`.
        """
        wanted = {(one.id, one.mirrored): one for one in neighbours}
        found: dict[Row, Keypoints | None] = {}
        with self._lock:
            for row in wanted:
                key = (known.name, known.version, row)
                if key in self._kept:
                    self._kept.move_to_end(key)
                    found[row] = self._kept[key]
        missing = [one for row, one in wanted.items() if row not in found]
        if missing:
            read = self._store.features(known.name, missing)
            if known.verify is not Verify.REQUIRED:  # a reference without keypoints can match by similarity
                read = {row: data for row, data in read.items() if data}
            fresh = {row: self._unpacked(known, row, data) for row, data in read.items()}
            self._keep(known, {row: keypoints for row, keypoints in fresh.items() if keypoints})
            found |= fresh
        return found

    def damaged(self, sets: Iterable[ReferenceSet]) -> Mapping[str, int]:
        """Set → number of rows whose keypoints are known to be damaged, if there are any."""
        with self._lock:
            versions = {known.name: known.version for known in sets}
            counts = {
                name: sum(version == versions.get(name) for version in rows.values())
                for name, rows in self._damaged.items()
            }
            return {name: count for name, count in counts.items() if count}

    def _unpacked(self, known: ReferenceSet, row: Row, data: bytes) -> Keypoints | None:
        try:
            return unpack(data)
        except FeaturesError as error:
            self._report(known, row, str(error))
            return None

    def _report(self, known: ReferenceSet, row: Row, why: str) -> None:
        """Log it once for each row: it is found again with each picture that is near it."""
        with self._lock:
            rows = self._damaged.setdefault(known.name, {})
            new, rows[row] = row not in rows, known.version
        if new:
            fields = {"set": known.name, "reference": row[0], "why": why}
            log.error("a damaged reference is left out: add its picture again", extra={"fields": fields})

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


def _size(keypoints: Keypoints) -> int:
    return keypoints.bytes + _OVERHEAD
