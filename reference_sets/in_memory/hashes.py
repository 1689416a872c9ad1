"""The hashes of one set, in memory: 32 bytes for each, and 8 for its id in a list of hashes, 40 in a set of pictures.

Most rows are in `base`, which is never changed, so that processes can share it as a file. Those that were written since
are in `recent`, which is searched beside it. A row has a key of 40 bytes, from which its id is made.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

BITS = 256
BYTES = BITS // 8
KEY = 40  # bytes
# Bytes of a key that are kept. The id of an entry of a list begins with its hash, as does its key.
OF_LIST, OF_PICTURES = KEY - BYTES, KEY
_USUAL_ID = re.compile(r"[0-9a-f]{64}-[0-9a-f]{16}")
RECENT, SHARE = 20_000, 1 / 50  # rows, or this share of the base: then they are put into it, 0.2 s for a million
MORE = 4  # times as many are looked at if some of the nearest do not count

Bits = NDArray[np.uint8]
_ODD = 0xA0761D6478BD642F  # any odd number of 64 bits whose digits look random


class Rows(NamedTuple):
    """References, and their hashes (n, 32)."""

    ids: Sequence[str]
    bits: Bits


class Hit(NamedTuple):
    """A reference near a hash, its Hamming distance, and its key."""

    id: str
    distance: int
    key: bytes


class Block(NamedTuple):
    """Hashes (n, 32), and the last bytes of their keys (n, 8 or 40). No key is there twice."""

    bits: Bits
    tails: Bits

    def keys(self) -> Bits:
        """Return the keys of all rows (n, 40)."""
        return self.tails if self.tails.shape[1] == KEY else np.concatenate([self.bits, self.tails], axis=1)

    def key(self, row: int) -> bytes:
        """Return the key of a row."""
        tail: bytes = self.tails[row].tobytes()
        hash_: bytes = self.bits[row].tobytes()
        return tail if len(tail) == KEY else hash_ + tail

    def without(self, keys: Collection[bytes]) -> "Block":
        """Return the rows that have other keys."""
        if not len(gone := self.rows(keys)):
            return self
        return Block(np.delete(self.bits, gone, 0), np.delete(self.tails, gone, 0))

    def rows(self, keys: Collection[bytes]) -> NDArray[np.intp]:
        """Return the rows that have one of these keys."""
        if not keys or not len(self.bits):
            return np.zeros(0, np.intp)
        wanted = np.sort(_mixed(np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY)))
        mixed = _mixed(self.keys())
        possible = np.flatnonzero(wanted[np.searchsorted(wanted, mixed) % len(wanted)] == mixed).tolist()
        return np.asarray([row for row in possible if self.key(row) in keys], np.intp)

    def nearest(self, bits: Bits, number: int) -> list[tuple[list[int], list[int]]]:
        """Return for each hash (n, 32) the distances of the nearest rows, in order, and the rows."""
        faiss.omp_set_num_threads(1)  # only the calling thread: FAISS's own wait for each other, on busy cores 60 ms
        distances, rows = faiss.knn_hamming(bits, self.bits, min(number, len(self.bits)))
        return list(zip(distances.tolist(), rows.tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Hashes:
    """The hashes of a set; never changed.

    Attributes:
        base: most of them.
        recent: those that were written since.
        old: keys of rows of the base that do not count: they are in `recent`, were written again with another hash, or
            are not in the set any more. Perhaps also keys that are not in the base.
        odd: key → id, for ids of another form than usual.
        settled_: whether all old keys are in the base.
    """

    base: Block
    recent: Block
    old: frozenset[bytes] = frozenset()
    odd: Mapping[bytes, str] = field(default_factory=dict)
    settled_: bool = False

    @classmethod
    def empty(cls, tail: int) -> "Hashes":
        """Return no hashes, for a list (`OF_LIST`) or a set of pictures (`OF_PICTURES`)."""
        nothing = Block(np.zeros((0, BYTES), np.uint8), np.zeros((0, tail), np.uint8))
        return cls(nothing, nothing)

    def __len__(self) -> int:
        """Return the number of rows, of some that were written again perhaps twice until it is settled."""
        return len(self.base.bits) + len(self.recent.bits) - (len(self.old) if self.settled_ else 0)

    def with_rows(self, parts: Iterable[Rows]) -> "Hashes":
        """Return hashes that also have these rows. Of several rows with one id, the last counts."""
        blocks: list[Block] = []
        others: dict[bytes, str] = {}
        again: set[str] = set()  # ids of another form that were there before, perhaps with another hash
        before_ids = set(self.odd.values())
        for ids, bits in parts:
            block, odd = self._block(ids, bits)
            blocks.append(block)
            others |= odd
            again |= before_ids.intersection(ids)
        if not blocks:
            return self
        if not len(self.base.bits) and not len(self.recent.bits):
            return Hashes(_joined(blocks), self.recent, odd=others)
        before = self._without_former({*others.values(), *again})
        recent = _joined([before.recent, *blocks])
        old = before.old.union(*(map(bytes, block.keys()) for block in blocks))
        now = Hashes(self.base, recent, old, {**before.odd, **others})
        return now.in_one() if len(recent.bits) > max(RECENT, SHARE * len(self.base.bits)) else now

    def _block(self, ids: Sequence[str], bits: Bits) -> tuple[Block, dict[bytes, str]]:
        """Return rows as a block, and the ids of another form than usual by their keys."""
        tail, keys, odd = self.base.tails.shape[1], [], {}
        for id_, own in zip(ids, map(bytes, bits), strict=True):
            key = _usual_key(id_)
            if not key or (tail == OF_LIST and not key.startswith(own)):
                digest = hashlib.sha256(id_.encode()).digest()
                key = (own if tail == OF_LIST else digest) + digest[:OF_LIST]
                odd[key] = id_
            keys.append(key)
        every = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY)
        return Block(bits, np.ascontiguousarray(every[:, KEY - tail :])), odd

    def _without_former(self, ids: Collection[str]) -> "Hashes":
        """Return hashes without the rows that these ids had, in a list perhaps with other hashes."""
        if not ids:
            return self
        former = {key for key, id_ in self.odd.items() if id_ in ids} | {key for id_ in ids if (key := _usual_key(id_))}
        return self.without(former)

    def without(self, keys: Collection[bytes]) -> "Hashes":
        """Return hashes without the rows with these keys."""
        odd = {key: id_ for key, id_ in self.odd.items() if key not in keys}
        return Hashes(self.base, self.recent.without(keys), self.old.union(keys), odd)

    def in_one(self) -> "Hashes":
        """Return the same with all rows in the base."""
        base = _stacked([self.base.without(self.old), self.recent])
        return Hashes(base, Block(base.bits[:0], base.tails[:0]), odd=self.odd)

    def settled(self) -> "Hashes":
        """Return the same without recent rows that are in the base already; its length is exact."""
        there = self.base.rows(self.old)
        in_base = {self.base.key(row): self.base.bits[row].tobytes() for row in there}
        again = {
            key
            for row in range(len(self.recent.bits))
            if in_base.get(key := self.recent.key(row)) == self.recent.bits[row].tobytes()
        }
        return Hashes(self.base, self.recent.without(again), frozenset(in_base) - again, self.odd, settled_=True)

    def nearest(self, bits: Bits, number: int) -> list[list[Hit]]:
        """Return for each hash (n, 32) the nearest `number` references, in order, or all if there are fewer."""
        found: dict[int, list[Hit]] = {}
        bits, blocks, most = (
            np.ascontiguousarray(bits),
            [one for one in (self.base, self.recent) if len(one.bits)],
            number,
        )
        while left := [row for row in range(len(bits)) if row not in found]:
            near = [one.nearest(bits[left], most) for one in blocks]
            for place, row in enumerate(left):
                hits = self._merged(blocks, [one[place] for one in near], number)
                if hits is not None:
                    found[row] = hits
            most *= MORE
        return [found[row] for row in range(len(bits))]

    def _merged(
        self, blocks: Sequence[Block], near: Sequence[tuple[list[int], list[int]]], number: int
    ) -> list[Hit] | None:
        """Return the nearest rows of all blocks that count; None if more must be looked at in a block."""
        # A block of which not all rows were looked at may have others from its last distance on.
        last = [near_[0][-1] for block, near_ in zip(blocks, near, strict=True) if len(near_[0]) < len(block.bits)]
        complete = min(last, default=BITS)
        hits = []
        every = [(*pair, block) for block, near_ in zip(blocks, near, strict=True) for pair in zip(*near_, strict=True)]
        for distance, row, block in sorted(every, key=lambda one: one[0]):
            key = block.key(row)
            if block is self.base and key in self.old:
                continue
            if distance > complete:
                return None
            hits.append(Hit(self.odd.get(key) or f"{key[:BYTES].hex()}-{key[BYTES:].hex()}", distance, key))
            if len(hits) == number:
                return hits
        return None if last else hits


def _usual_key(id_: str) -> bytes:
    """Return the key that an id has by its form; empty if it has another form."""
    return bytes.fromhex(id_[:64] + id_[65:]) if _USUAL_ID.fullmatch(id_) else b""


def _stacked(blocks: Sequence[Block]) -> Block:
    """Return all rows of the blocks."""
    return Block(np.concatenate([one.bits for one in blocks]), np.concatenate([one.tails for one in blocks]))


def _joined(blocks: Sequence[Block]) -> Block:
    """Return all rows of the blocks, of one key the last."""
    every = _stacked(blocks)
    mixed = _mixed(every.keys())
    if len(np.unique(mixed)) == len(mixed):
        return every
    last = {key.tobytes(): row for row, key in enumerate(every.keys())}
    rows = sorted(last.values())
    return Block(every.bits[rows], every.tails[rows])


def _mixed(rows: Bits) -> NDArray[np.uint64]:
    """Return a number for each row (n, 40); equal rows have equal numbers, and others almost never."""
    mixed = np.zeros(len(rows), np.uint64)
    for column in np.ascontiguousarray(rows).view(np.uint64).T:
        mixed = (mixed ^ column) * np.uint64(_ODD)
        mixed ^= mixed >> np.uint64(32)
    return mixed
