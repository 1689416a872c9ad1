"""The digests of files, in memory: is a file exactly a known one, in whatever set?

Two kinds of sets answer: a set of pictures, by the SHA-256 of its references' files, and a list of MD5, SHA-1 and
SHA-256. Milvus would read all rows of a set for each question. Here a digest is found by its first 64 bits in a sorted
array. The id of a reference is usually made of its digest and 64 bits more, which are kept beside them, so a reference
takes 16 bytes, and is then read from Milvus by its id.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reference_sets.in_memory.constants import EXACT, IN_MEMORY
from reference_sets.in_memory.up_to_date import StoredRows, UpToDate
from reference_sets.model import Known, ReferenceSet
from reference_sets.store import Store

_DIGITS = 16  # of a digest in hexadecimal: 64 bits
_SHA256_DIGITS = 64
SUFFIX = re.compile(r"-[0-9a-f]{16}")  # of an id that begins with the digest

Numbers = NDArray[np.uint64]
Rows = list[tuple[str, str]]  # ids and digests


def suffix_of(id_: str, digest: str) -> str:
    """Return the 16 digits after the digest in an id, or "" if the id is of another form."""
    rest = id_[len(digest) :]
    return rest[1:] if id_.startswith(digest) and SUFFIX.fullmatch(rest) else ""


@dataclass(frozen=True, slots=True)
class _Digests:
    """The digests of a set: sorted, with the second part of the ids; and the ids of another form."""

    keys: Numbers
    suffixes: Numbers
    odd: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # digest → ids

    def __len__(self) -> int:
        return len(self.keys) + len(self.odd)

    def with_rows(self, parts: Iterable[Rows]) -> "_Digests":
        """Return digests that also have these rows, each once."""
        keys, suffixes, odd = [self.keys], [self.suffixes], dict(self.odd)
        for rows in parts:
            found = [(digest, suffix_of(id_, digest)) for id_, digest in rows]
            keys.append(_numbers([digest[:_DIGITS] for digest, suffix in found if suffix]))
            suffixes.append(_numbers([suffix for _, suffix in found if suffix]))
            for (id_, digest), (_, suffix) in zip(rows, found, strict=True):
                if not suffix:
                    odd[digest] = tuple(sorted({*odd.get(digest, ()), id_}))
        if len(keys) == 1:
            return self
        all_keys, all_suffixes = np.concatenate(keys), np.concatenate(suffixes)
        order = np.lexsort((all_suffixes, all_keys))
        all_keys, all_suffixes = all_keys[order], all_suffixes[order]
        again = np.zeros(len(all_keys), np.bool_)
        again[1:] = (all_keys[1:] == all_keys[:-1]) & (all_suffixes[1:] == all_suffixes[:-1])
        return _Digests(all_keys[~again], all_suffixes[~again], odd)

    def settled(self) -> "_Digests":
        """Return the same: each row is there once."""
        return self

    def ids(self, digest: str) -> list[str]:
        """Return the ids that a reference with this digest may have."""
        key = np.uint64(int(digest[:_DIGITS], 16))
        start, end = np.searchsorted(self.keys, key), np.searchsorted(self.keys, key, side="right")
        return [f"{digest}-{int(suffix):016x}" for suffix in self.suffixes[start:end]] + list(self.odd.get(digest, ()))


class DigestTable:
    """Finds references by the digests of files. Safe to use from several threads.

    Args:
        store: where the sets are.
    """

    def __init__(self, store: Store) -> None:
        self._digests = UpToDate(
            store,
            _Digests(_numbers([]), _numbers([])),
            lambda known, version: store.digests_since(known.name, version),
        )
        self._rows = StoredRows(store)

    def find(self, known: ReferenceSet, digests: Collection[str]) -> dict[str, tuple[Known, ...]]:
        """Digest → the references of the set that are exactly this file, by id, of those that there are.

        Args:
            known: the set, as the caller read it. A list of perceptual hashes has no digests of files.
            digests: MD5s, SHA-1s and SHA-256s in hexadecimal; a set of pictures only knows SHA-256s.

        Raises:
            StoreError, Away: see `Store`.
        """
        if known.index == IN_MEMORY and known.encoder != EXACT:
            return {}
        table = self._digests.of(known)
        wanted = [one for one in set(digests) if known.encoder == EXACT or len(one) == _SHA256_DIGITS]
        possible = {digest: ids for digest in wanted if (ids := table.ids(digest))}
        if not possible:
            return {}
        stored = self._rows.read(known, [id_ for ids in possible.values() for id_ in ids])
        found = {
            digest: tuple(
                Known(id_, stored[id_].label, stored[id_].facts)
                for id_ in sorted(ids)
                if id_ in stored and stored[id_].digest == digest
            )
            for digest, ids in possible.items()
        }
        return {digest: rows for digest, rows in found.items() if rows}


def _numbers(digits: Collection[str]) -> Numbers:
    """Return texts of 16 hexadecimal digits as numbers."""
    return np.frombuffer(bytes.fromhex("".join(digits)), ">u8").astype(np.uint64)
