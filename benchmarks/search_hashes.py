"""Lists of hashes for the benchmark of searches: stored in Milvus, and searched in the memory of this process."""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from numpy.typing import NDArray

from reference_sets.in_memory.constants import IN_MEMORY, NO_VECTOR
from reference_sets.in_memory.hash_table import HashTable
from reference_sets.in_memory.hashes import BYTES
from reference_sets.in_memory.on_disk import OnDisk
from reference_sets.model import Reference, ReferenceSet
from reference_sets.store import Store

_MOST = 256  # queries at once


class Costs(NamedTuple):
    """What a list costs the service, besides searches.

    Attributes:
        own: bytes of its memory.
        copied_s: from its start to the first result, if there is a copy of the hashes on disk.
        change_s: from a hash that is added, or removed, to the first result.
    """

    own: int
    copied_s: float
    change_s: float


def of_hashes(described: ReferenceSet) -> ReferenceSet:
    """The set as a list of hashes."""
    return replace(described, index=IN_MEMORY, needs=("index",), dimension=len(NO_VECTOR), probe=NO_VECTOR)


def hashes(count: int, at_once: int) -> Iterator[list[Reference]]:
    """Random entries of a list, in parts."""
    for start in range(0, count, at_once):
        texts = [bits.tobytes().hex() for bits in random_bits(min(at_once, count - start), start)]
        yield [Reference(f"{text}-{0:016x}", "", NO_VECTOR, digest=text) for text in texts]


def random_bits(rows: int, seed: int) -> NDArray[np.uint8]:
    """Random hashes (rows, BYTES)."""
    return np.random.default_rng((6, seed)).integers(0, 256, (rows, BYTES), dtype=np.uint8)


def first_result(store: Store, name: str, on_disk: OnDisk | None = None) -> tuple[HashTable, float]:
    """A table that has answered one query, and the seconds that this took."""
    begun = time.monotonic()
    table = HashTable(store, on_disk)
    table.find(store.describe(name), random_bits(1, 2**30), 1)
    return table, time.monotonic() - begun


def prepared(store: Store, name: str) -> tuple[Callable[[int, int], Any], Costs]:
    """A function that searches for so many queries and their so many nearest; and what the list costs."""
    before = psutil.Process().memory_info().rss
    with tempfile.TemporaryDirectory() as folder:
        on_disk = OnDisk(Path(folder), "bench", 1)
        first_result(store, name, on_disk)
        table, copied_s = first_result(store, name, on_disk)
    own, query = psutil.Process().memory_info().rss - before, random_bits(1, 2**30)
    (more,) = next(hashes(1, 1))
    begun = time.monotonic()
    store.upsert(name, [replace(more, id="more")])
    table.find(store.describe(name), query, 1)
    store.delete(name, ["more"])
    known = store.describe(name)
    table.find(known, query, 1)
    costs = Costs(own, copied_s, (time.monotonic() - begun) / 2)
    queries = random_bits(_MOST, 2**31)
    return lambda batch, top: table.find(known, queries[:batch], top), costs
