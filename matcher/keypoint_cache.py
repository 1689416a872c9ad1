"""What is stored of recently checked references: reading it from Milvus takes longer than checking them."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from embedding.local.features import FeaturesError, unpack
from embedding.local.keypoints import Keypoints
from matcher.keypoint_file import KeypointFile
from reference_sets.model import NO_FACTS, Neighbour, ReferenceFacts, ReferenceSet, Verify
from reference_sets.store import Store

log = logging.getLogger("vigilens.sets")

Row = tuple[str, bool]  # id, mirrored
Key = tuple[str, Row]  # set and row

# 450 keypoints take 21 KB as arrays, and the objects around those 1 KB.
_OVERHEAD = 1024
# A server may answer a read with a row as it was seconds ago. Rows of that many versions before the first that we see,
# and that many rows that changed later, are not taken so.
_RECENT_VERSIONS = 10
_RECENT_ROWS = 100_000


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


@dataclass(slots=True)
class _Seen:
    """What is known of a set: nothing is kept of it that was read before this version was there.

    Attributes:
        written: row → the version that wrote it, of those that changed last.
    """

    created: str
    verify: Verify
    version: int
    written: OrderedDict[Row, int]


class KeypointCache:
    """Keeps the keypoints that were used last, within bounds. Safe to use from several threads.

    When a set has changed, the rows that its later versions wrote are read again, and no others. Rows that were removed
    are kept until they are overwritten: no search finds them.

    Args:
        store: to read the features from.
        max_bytes: bound for the keypoints that are kept in memory.
        file: keeps the features of more references; None: they are read from Milvus again.
    """

    def __init__(self, store: Store, max_bytes: int, file: KeypointFile[Key] | None = None) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._file = file
        self._lock = threading.Lock()
        self._updating = threading.Lock()
        self._seen: dict[str, _Seen] = {}
        self._kept: OrderedDict[Key, Stored] = OrderedDict()
        self._bytes = 0
        self._damaged: dict[str, dict[Row, int]] = {}  # set → row → version of the set in which it is damaged

    def stored(self, known: ReferenceSet, neighbours: Iterable[Neighbour]) -> dict[Row, Stored]:
        """What is stored, by id and mirrored. References that were removed are missing.

        Raises:
            StoreError, Away: see `Store.features`.
        """
        wanted = {(one.id, one.mirrored): one for one in neighbours}
        self._update(known)
        with self._lock:
            seen = self._seen[known.name]
            version, least = seen.version, {row: seen.written[row] for row in wanted if row in seen.written}
            found = {row: kept for row in wanted if (kept := self._recalled((known.name, row)))}
        missing = [one for row, one in wanted.items() if row not in found]
        if missing:
            read = self._store.features(known.name, missing, least)
            fresh = {row: self._unpacked(known, row, *data) for row, data in read.items()}
            with self._lock:
                # Else the set has changed since, and what was read may be older than that.
                if self._seen[known.name] is seen and seen.version == version:
                    self._keep(known, {row: one for row, one in fresh.items() if not one.damaged}, read)
            found |= fresh
        return found

    def _update(self, known: ReferenceSet) -> None:
        """Forget what has changed since, if this is a later version than was seen, or another set of that name."""
        with self._updating:
            seen = self._seen.get(known.name)
            same = seen is not None and (seen.created, seen.verify) == (known.created, known.verify)
            if seen is not None and same and seen.version >= known.version:
                return
            since = seen.version if seen is not None and same else max(0, known.version - _RECENT_VERSIONS)
            changed = dict(self._store.written_since(known.name, since, _RECENT_ROWS))
            with self._lock:
                if seen is None or not same or len(changed) == _RECENT_ROWS:
                    self._forget([key for key in self._all() if key[0] == known.name])
                    seen = self._seen[known.name] = _Seen(known.created, known.verify, known.version, OrderedDict())
                self._forget([(known.name, row) for row in changed])
                for row, version in changed.items():
                    seen.written[row] = version
                    seen.written.move_to_end(row)
                while len(seen.written) > _RECENT_ROWS:
                    seen.written.popitem(last=False)
                seen.version = known.version

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

    def _recalled(self, key: Key) -> Stored | None:
        """What is kept, in memory or else in the file."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        filed = self._file.read(key) if self._file is not None else None
        if filed is None:
            return None
        try:
            one = Stored(unpack(filed[0]), filed[1])
        except FeaturesError:  # the disk's fault: Milvus is asked again
            self._forget([key])
            return None
        self._keep_in_memory(key, one)
        return one

    def _keep(self, known: ReferenceSet, fresh: Mapping[Row, Stored], read: Mapping[Row, tuple[bytes, Any]]) -> None:
        for row, one in fresh.items():
            self._keep_in_memory((known.name, row), one)
            if self._file is not None:
                self._file.write((known.name, row), *read[row])

    def _keep_in_memory(self, key: Key, one: Stored) -> None:
        if key not in self._kept:
            self._kept[key] = one
            self._bytes += _size(one)
        while self._bytes > self._max_bytes and self._kept:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= _size(oldest)

    def _forget(self, keys: Collection[Key]) -> None:
        for key in keys:
            if key in self._kept:
                self._bytes -= _size(self._kept.pop(key))
        if self._file is not None:
            self._file.forget(keys)

    def _all(self) -> list[Key]:
        return [*self._kept, *(self._file.keys() if self._file is not None else ())]


def _size(one: Stored) -> int:
    return (one.keypoints.bytes if one.keypoints else 0) + _OVERHEAD
