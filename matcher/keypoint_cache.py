"""What is stored of recently checked references: reading it from Milvus takes longer than checking them."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from embedding.local.features import FeaturesError, unpack
from embedding.local.keypoints import Keypoints
from reference_sets.model import NO_FACTS, Neighbour, ReferenceFacts, ReferenceSet, Verify
from reference_sets.store import Store

log = logging.getLogger("vigilens.sets")

Row = tuple[str, bool]  # id, mirrored
Key = tuple[str, str, int, Row]  # set, its creation and version

# 450 keypoints take 21 KB as arrays, and the objects around those 1 KB.
_OVERHEAD = 1024


class Stored(NamedTuple):
    """What a set stores of a reference for the check.

    Attributes:
        keypoints: None if there are none, or they are damaged.
        facts: see there.
        damaged: the reference must not count: the check cannot be made.
    """

    keypoints: Keypoints | None
    facts: ReferenceFacts = NO_FACTS
    damaged: bool = False


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
        self._kept: OrderedDict[Key, Stored] = OrderedDict()
        self._bytes = 0
        self._damaged: dict[str, dict[Row, int]] = {}  # set → row → version of the set in which it is damaged

    def stored(self, known: ReferenceSet, neighbours: Iterable[Neighbour]) -> dict[Row, Stored]:
        """What is stored, by id and mirrored. References that were removed are missing.

        Raises:
            StoreError, Away: see `Store.features`.
        """
        wanted = {(one.id, one.mirrored): one for one in neighbours}
        found: dict[Row, Stored] = {}
        with self._lock:
            for row in wanted:
                key = _key(known, row)
                if key in self._kept:
                    self._kept.move_to_end(key)
                    found[row] = self._kept[key]
        missing = [one for row, one in wanted.items() if row not in found]
        if missing:
            read = self._store.features(known.name, missing)
            fresh = {row: self._unpacked(known, row, *data) for row, data in read.items()}
            self._keep(known, {row: one for row, one in fresh.items() if not one.damaged})
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

    def _unpacked(self, known: ReferenceSet, row: Row, data: bytes, facts: ReferenceFacts) -> Stored:
        if not data and known.verify is not Verify.REQUIRED:  # it can match by similarity
            return Stored(None, facts)
        try:
            return Stored(unpack(data), facts)
        except FeaturesError as error:
            self._report(known, row, str(error))
            return Stored(None, facts, damaged=True)

    def _report(self, known: ReferenceSet, row: Row, why: str) -> None:
        """Log it once for each row: it is found again with each picture that is near it."""
        with self._lock:
            rows = self._damaged.setdefault(known.name, {})
            new, rows[row] = row not in rows, known.version
        if new:
            fields = {"set": known.name, "reference": row[0], "why": why}
            log.error("a damaged reference is left out: add its picture again", extra={"fields": fields})

    def _keep(self, known: ReferenceSet, fresh: dict[Row, Stored]) -> None:
        with self._lock:
            for row, one in fresh.items():
                key = _key(known, row)
                if key not in self._kept:
                    self._kept[key] = one
                    self._bytes += _size(one)
            while self._bytes > self._max_bytes and self._kept:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= _size(oldest)


def _key(known: ReferenceSet, row: Row) -> Key:
    return known.name, known.created, known.version, row


def _size(one: Stored) -> int:
    return (one.keypoints.bytes if one.keypoints else 0) + _OVERHEAD
