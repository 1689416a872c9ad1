"""Perceptual hashes (PDQ), searched in memory: lists of hashes, and sets of pictures that only their hash decides on.

Milvus compares 256 values for each hash, and Milvus Lite keeps 9 KB for it in memory. FAISS compares a hash with
1,000,000 others in 0.7 to 1.6 ms. An index for many hashes is not worth it: docs/hash-lists.md.
"""

import time
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from reference_sets.in_memory.constants import IN_MEMORY
from reference_sets.in_memory.hashes import BITS, BYTES, OF_LIST, OF_PICTURES, Bits, Hashes, Hit, Rows
from reference_sets.in_memory.on_disk import OnDisk
from reference_sets.in_memory.up_to_date import StoredRows, UpToDate
from reference_sets.model import Kind, Mirrored, Neighbour, ReferenceSet, Thresholds, Verify
from reference_sets.rows import Stored
from reference_sets.store import Store

PDQ = "pdq:"  # the fingerprints of its encoder begin so
VALUE = 1 / 16  # or -1/16 are the values of a hash as a vector
TOLERANCE = 1e-3
MORE = 4  # times as many are looked at if the nearest cannot match
SHOWN = 3  # the nearest, whose facts are read in any case: a verdict names as many candidates by similarity


class _NotHashes(Exception):  # noqa: N818 (named after what is wrong)
    """Some vectors of a set are not those of hashes."""


class HashTable:
    """Finds the nearest hashes. Safe to use from several threads, and uses the thread that calls it.

    Args:
        store: where the sets are.
        on_disk: copies of large sets. None: there are none.
    """

    def __init__(self, store: Store, on_disk: OnDisk | None = None) -> None:
        self._lists = UpToDate(store, Hashes.empty(OF_LIST), partial(_of_list, store), on_disk)
        self._pictures = UpToDate(store, Hashes.empty(OF_PICTURES), partial(_of_pictures, store), on_disk)
        self._rows = StoredRows(store)
        self._no_hashes: set[tuple[str, str]] = set()  # sets of pictures with other vectors: name and creation

    def holds(self, known: ReferenceSet) -> bool:
        """Return whether `find` searches a set; Milvus searches the others.

        Raises:
            StoreError, Away: see `Store`.
        """
        if not only_hashes(known):
            return known.index == IN_MEMORY
        if (known.name, known.created) in self._no_hashes:
            return False
        try:
            self._pictures.of(known)
        except _NotHashes:
            self._no_hashes.add((known.name, known.created))
            return False
        return True

    def find(self, known: ReferenceSet, bits: Bits, top_k: int) -> list[list[Neighbour]]:
        """Return the references nearest to each hash, best first; the score is 1 - Hamming distance / 128.

        That is the cosine of the hashes as vectors of ±1/16. Label and facts are read for those at or above the set's
        review threshold, and for the `SHOWN` nearest; the others can neither match nor be shown. If these are disabled
        or have ceilings, so that one further away could reach a higher level, more are returned.

        Args:
            known: the set, as the caller read it, which `holds` has returned True for.
            bits: (n, 32); a hash's hexadecimal digits as bytes.
            top_k: the most references for each, if they can match.

        Raises:
            StoreError, Away: see `Store`.
        """
        found: dict[int, list[Neighbour]] = {}
        number, now = top_k, time.time()
        tables = self._lists if known.index == IN_MEMORY else self._pictures
        while left := [row for row in range(len(bits)) if row not in found]:
            near = tables.of(known).nearest(bits[left], number)
            deciding = [[one for one in some if _score(one) >= known.thresholds.review] for some in near]
            stored = self._rows.read(
                known, {one.id for some in deciding for one in some}, {one.id for some in near for one in some[:SHOWN]}
            )
            wanted = [{*some[:SHOWN], *more} for some, more in zip(near, deciding, strict=True)]
            gone = {one.key for some in wanted for one in some if one.id not in stored}
            if gone:  # removed since the table was read
                tables.without(known, partial(Hashes.without, keys=gone))
            more = False
            for row, some, whose in zip(left, near, wanted, strict=True):
                with_facts = [_with_facts(one, stored.get(one.id)) for one in some]
                if len(some) == number and _hide_others(with_facts, known.thresholds, now):
                    more = True
                elif not any(one.key in gone for one in whose):
                    found[row] = with_facts
            number *= MORE if more else 1
        return [found[row] for row in range(len(bits))]


def only_hashes(known: ReferenceSet) -> bool:
    """Return whether a set of pictures is compared by PDQ hashes alone."""
    return (
        known.index != IN_MEMORY
        and known.encoder.startswith(PDQ)
        and known.dimension == BITS
        and known.verify is Verify.OFF
        and known.mirrored is not Mirrored.STORED  # else it has rows without a usual id
        # Of a background and of similarities that are normalised with it, more than the nearest would have to be read.
        and known.kind is not Kind.BACKGROUND
        and not known.background
    )


def _of_list(store: Store, known: ReferenceSet, version: int) -> Iterator[Rows]:
    for some in store.digests_since(known.name, version):
        digits = "".join(digest for _, digest in some)
        yield Rows([id_ for id_, _ in some], np.frombuffer(bytes.fromhex(digits), np.uint8).reshape(-1, BYTES))


def _of_pictures(store: Store, known: ReferenceSet, version: int) -> Iterator[Rows]:
    for ids, vectors in store.vectors_since(known.name, version):
        if (np.abs(np.abs(vectors) - VALUE) > TOLERANCE).any():
            raise _NotHashes
        yield Rows(ids, np.packbits(vectors > 0, axis=1))


def _score(one: Hit) -> float:
    return 1 - one.distance / (BITS / 2)


def _with_facts(one: Hit, its: Stored | None) -> Neighbour:
    return Neighbour(one.id, its.label, _score(one), facts=its.facts) if its else Neighbour(one.id, "", _score(one))


def _hide_others(near: Sequence[Neighbour], thresholds: Thresholds, now: float) -> bool:
    """Return whether a reference further away could reach a higher level than all of these, best first."""
    caps = {one.facts.cap or "block" for one in near if one.facts.in_use(now)}
    if "block" in caps:
        return False
    return near[-1].score >= (thresholds.block if "review" in caps else thresholds.review)
