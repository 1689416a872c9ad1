"""Lists of perceptual hashes (PDQ), searched in memory: 32 bytes for each, and 8 for its id.

Milvus compares 256 values for each hash, and Milvus Lite keeps 9 KB for it in memory. FAISS compares a hash with
1,000,000 others in 1.2 ms.
"""

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import faiss
import numpy as np
from numpy.typing import NDArray

from reference_sets.in_memory.digest_table import suffix_of
from reference_sets.in_memory.up_to_date import Rows, StoredRows, UpToDate
from reference_sets.model import Neighbour, ReferenceSet, Thresholds
from reference_sets.rows import Stored
from reference_sets.store import Store

BITS = 256
BYTES = BITS // 8
MORE = 4  # times as many are looked at if the nearest cannot match
SHOWN = 3  # the nearest, whose facts are read in any case: a verdict names as many candidates by similarity

Bits = NDArray[np.uint8]
_ODD = 0xA0761D6478BD642F  # any odd number of 64 bits whose digits look random


@dataclass(frozen=True, slots=True)
class _Hashes:
    """The hashes of a set, with the second part of their ids; and the ids of another form by their row."""

    bits: Bits
    suffixes: Bits
    odd: Mapping[bytes, str] = field(default_factory=dict)  # hash and 8 bytes in place of the second part → id

    def __len__(self) -> int:
        return len(self.bits)

    def with_rows(self, parts: Iterable[Rows]) -> "_Hashes":
        """Return hashes that also have these rows, each once."""
        odd, made = dict(self.odd), []
        for rows in parts:
            digits = []
            for id_, digest in rows:
                suffix = suffix_of(id_, digest)
                if not suffix:
                    suffix = hashlib.sha256(id_.encode()).hexdigest()[:16]
                    odd[bytes.fromhex(digest + suffix)] = id_
                digits.append(digest + suffix)
            made.append(np.frombuffer(bytes.fromhex("".join(digits)), np.uint8).reshape(-1, BYTES + 8))
        if not made:
            return self
        new = _each_once(np.concatenate(made))
        new = new[~_among(new, np.concatenate([self.bits, self.suffixes], axis=1))] if len(self) else new
        bits, suffixes = np.concatenate([self.bits, new[:, :BYTES]]), np.concatenate([self.suffixes, new[:, BYTES:]])
        return _Hashes(bits, suffixes, odd)

    def id(self, row: int) -> str:
        """Return the id of the reference in a row."""
        if self.odd and (odd := self.odd.get(self.bits[row].tobytes() + self.suffixes[row].tobytes())):
            return odd
        return f"{self.bits[row].tobytes().hex()}-{self.suffixes[row].tobytes().hex()}"

    def without(self, ids: set[str]) -> "_Hashes":
        """Return hashes without the references with these ids."""
        odd = {key: id_ for key, id_ in self.odd.items() if id_ not in ids}
        texts = [key for key, id_ in self.odd.items() if id_ in ids]
        texts += [bytes.fromhex(id_.replace("-", "")) for id_ in ids - set(self.odd.values())]
        gone = np.frombuffer(b"".join(texts), np.uint8).reshape(-1, BYTES + 8)
        stay = ~_among(np.concatenate([self.bits, self.suffixes], axis=1), gone)
        return _Hashes(self.bits[stay], self.suffixes[stay], odd)


class HashTable:
    """Finds the nearest hashes. Safe to use from several threads, and uses the thread that calls it.

    Args:
        store: where the sets are.
    """

    def __init__(self, store: Store) -> None:
        self._hashes = UpToDate(store, _Hashes(np.zeros((0, BYTES), np.uint8), np.zeros((0, 8), np.uint8)))
        self._rows = StoredRows(store)

    def find(self, known: ReferenceSet, bits: Bits, top_k: int) -> list[list[Neighbour]]:
        """Return the references nearest to each hash, best first; the score is 1 - Hamming distance / 128.

        That is the cosine of the hashes as vectors of ±1/16. Label and facts are read for those at or above the set's
        review threshold, and for the `SHOWN` nearest; the others can neither match nor be shown. If these are disabled
        or have ceilings, so that one further away could reach a higher level, more are returned.

        Args:
            known: the set, as the caller read it.
            bits: (n, 32); a hash's hexadecimal digits as bytes.
            top_k: the most references for each, if they can match.

        Raises:
            StoreError, Away: see `Store`.
        """
        found: dict[int, list[Neighbour]] = {}
        number, now = top_k, time.time()
        while left := [row for row in range(len(bits)) if row not in found]:
            table = self._hashes.of(known)
            near = _nearest(table, bits[left], number)
            wanted = [_wanted(one, known.thresholds.review) for one in near]
            stored = self._rows.read(known, {one.id for some in wanted for one in some})
            gone = {one.id for some in wanted for one in some if one.id not in stored}
            if gone:  # removed since the table was read
                self._hashes.without(known, partial(_Hashes.without, ids=gone))
            more = False
            for row, some, whose in zip(left, near, wanted, strict=True):
                with_facts = [_with_facts(one, stored.get(one.id)) for one in some]
                if len(some) == number and _hide_others(with_facts, known.thresholds, now):
                    more = True
                elif not any(one.id in gone for one in whose):
                    found[row] = with_facts
            number *= MORE if more else 1
        return [found[row] for row in range(len(bits))]


def _nearest(table: _Hashes, bits: Bits, top_k: int) -> list[list[Neighbour]]:
    number = min(top_k, len(table))
    if not number:
        return [[] for _ in bits]
    distances, rows = faiss.knn_hamming(np.ascontiguousarray(bits), table.bits, number)
    return [
        [Neighbour(table.id(row), "", 1 - distance / (BITS / 2)) for distance, row in zip(*pair, strict=True)]
        for pair in zip(distances.tolist(), rows.tolist(), strict=True)
    ]


def _with_facts(one: Neighbour, its: Stored | None) -> Neighbour:
    return one._replace(label=its.label, facts=its.facts) if its else one


def _hide_others(near: Sequence[Neighbour], thresholds: Thresholds, now: float) -> bool:
    """Return whether a reference further away could reach a higher level than all of these, best first."""
    caps = {one.facts.cap or "block" for one in near if one.facts.in_use(now)}
    if "block" in caps:
        return False
    return near[-1].score >= (thresholds.block if "review" in caps else thresholds.review)


def _wanted(near: Sequence[Neighbour], review: float) -> list[Neighbour]:
    return [one for place, one in enumerate(near) if place < SHOWN or one.score >= review]


def _mixed(rows: Bits) -> NDArray[np.uint64]:
    """Return a number for each row (n, 40); equal rows have equal numbers, and others almost never."""
    mixed = np.zeros(len(rows), np.uint64)
    for column in np.ascontiguousarray(rows).view(np.uint64).T:
        mixed = (mixed ^ column) * np.uint64(_ODD)
        mixed ^= mixed >> np.uint64(32)
    return mixed


def _each_once(rows: Bits) -> Bits:
    """Return the rows, each once."""
    _, first = np.unique(np.ascontiguousarray(rows).view(f"V{rows.shape[1]}").ravel(), return_index=True)
    return rows[np.sort(first)]


def _among(rows: Bits, others: Bits) -> NDArray[np.bool_]:
    """Return for each row whether it is one of the others."""
    possible = np.isin(_mixed(rows), _mixed(others))
    some = {row.tobytes() for row in others[np.isin(_mixed(others), _mixed(rows[possible]))]}
    possible[possible] = [row.tobytes() in some for row in rows[possible]]
    return possible
