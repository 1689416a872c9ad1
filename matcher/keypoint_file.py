"""What is stored of references, on the disk: many more than fit into memory, and read faster than from Milvus."""

import logging
import os
import shutil
import tempfile
import weakref
from collections.abc import Collection, Hashable
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

from embedding.local.features import MAX_BYTES
from reference_sets.model import NO_FACTS, ReferenceFacts

log = logging.getLogger("vigilens.sets")

K = TypeVar("K", bound=Hashable)
MOST_OF_FREE = 0.25  # of the free space when it is opened: others need the disk too


class KeypointFile(Generic[K]):
    """Features and facts by key in an unnamed file, which is gone with the process. Not safe to use from threads.

    When it is full, what was written first is overwritten. When the disk is full or broken, nothing is kept any more.

    Args:
        folder: for the file. On a disk: a folder in memory takes the memory that it is to save.
        max_bytes: bound for the file; 0: nothing is kept.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._fd = -1
        self._slots = 0
        self._next = 0
        self._by_key: dict[K, tuple[int, int, ReferenceFacts]] = {}  # slot, length, facts
        self._in_slot: dict[int, K] = {}
        if max_bytes:
            try:
                with tempfile.TemporaryFile(dir=folder) as file:
                    self._fd = os.dup(file.fileno())
                weakref.finalize(self, os.close, self._fd)
                self._slots = int(min(max_bytes, MOST_OF_FREE * shutil.disk_usage(folder).free)) // MAX_BYTES
            except OSError as error:
                self._give_up(error)

    def __len__(self) -> int:
        return len(self._by_key)

    def read(self, key: K) -> tuple[bytes, ReferenceFacts] | None:
        """Return features and facts, if they are kept."""
        if key not in self._by_key:
            return None
        slot, length, facts = self._by_key[key]
        try:
            data = os.pread(self._fd, length, slot * MAX_BYTES)
        except OSError as error:
            self._give_up(error)
            return None
        return (data, facts) if len(data) == length else None

    def write(self, key: K, data: bytes, facts: ReferenceFacts) -> None:
        """Keep features and facts, if they are not too long."""
        if key in self._by_key or not self._slots or not 0 < len(data) <= MAX_BYTES:
            return
        slot = self._next
        self._by_key.pop(self._in_slot.pop(slot, key), None)
        try:
            written = os.pwrite(self._fd, data, slot * MAX_BYTES)
        except OSError as error:
            self._give_up(error)
            return
        if written == len(data):
            self._by_key[key] = slot, len(data), NO_FACTS if facts == NO_FACTS else facts
            self._in_slot[slot] = key
            self._next = (slot + 1) % self._slots

    def forget(self, keys: Collection[K]) -> None:
        """Keep these no longer."""
        for key in keys:
            if key in self._by_key:
                del self._in_slot[self._by_key.pop(key)[0]]

    def keys(self) -> Collection[K]:
        """Return the keys of all that is kept."""
        return self._by_key.keys()

    def _give_up(self, error: OSError) -> None:
        self._slots = 0
        self._by_key.clear()
        self._in_slot.clear()
        with suppress(OSError):  # others need the space: perhaps Milvus, on the same disk
            os.ftruncate(self._fd, 0)
        fields = {"why": error.strerror or str(error)}
        log.warning("references are not kept on the disk: see sets.keep_folder", extra={"fields": fields})
