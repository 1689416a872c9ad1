"""Finds references of a set by their ids, labels, digests and sources, without what they are compared by."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_sets import rows
from reference_sets.catalogue import Catalogue
from vectors.database import STRONG, parts

ID_ROWS = 1000  # keys in one call
VECTOR_ROWS = 4000  # vectors in one call: 33 MB as Python's numbers if they have 256 values
OWN = 'part == ""'  # the row of a reference itself
STORED = ("id", "label", "digest", "version", *rows.FACTS)  # what `rows.stored_of` reads


class Lookup(Catalogue):
    """The sets of one Milvus database, and what is stored of their references. Safe to use from several threads.

    For the arguments, and for what every method raises, see `Catalogue`.
    """

    def known(self, name: str, ids: Sequence[str]) -> set[str]:
        """Return those of the ids that are in the set. An invalid id is in no set."""
        return self._on(name, lambda collection: self._known(collection, ids))

    def _known(self, collection: str, ids: Sequence[str]) -> set[str]:
        possible = sorted({one for one in ids if rows.ID.fullmatch(one)})
        return {
            row["id"] for part in parts(possible, ID_ROWS) for row in self._with_keys(collection, part, ["id"], STRONG)
        }

    def digests(self, name: str, ids: Sequence[str]) -> dict[str, str]:
        """Return id → SHA-256 of the reference's file, for the ids that are in the set and have one recorded."""

        def read(collection: str) -> dict[str, str]:
            some = (self._with_keys(collection, part, ["id", "digest"], STRONG) for part in parts(possible, ID_ROWS))
            return {row["id"]: row["digest"] for part in some for row in part if row["digest"]}

        possible = sorted({one for one in ids if rows.ID.fullmatch(one)})
        return self._on(name, read)

    def labelled(self, name: str, *labels: str) -> set[str]:
        """Return the ids of the references with one of these labels, in exactly this spelling."""
        return self._on(name, lambda collection: self._ids(collection, "label", labels))

    def made_of(self, name: str, *digests: str) -> set[str]:
        """Return the ids of the references that were made from files with one of these SHA-256 digests."""
        return self._on(name, lambda collection: self._ids(collection, "digest", digests))

    def stored(self, name: str, ids: Sequence[str], consistency: str = STRONG) -> dict[str, rows.Stored]:
        """Return id → what is stored besides the vector, for those of the ids that are in the set now."""

        def read(collection: str) -> dict[str, rows.Stored]:
            some = (self._with_keys(collection, part, STORED, consistency) for part in parts(possible, ID_ROWS))
            return {row["id"]: rows.stored_of(row) for part in some for row in part}

        possible = sorted({one for one in ids if rows.ID.fullmatch(one)})
        return self._on(name, read) if possible else {}

    def extras(self, name: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return id → the column `extra`, for those of the ids that are in the set now."""

        def read(collection: str) -> dict[str, dict[str, Any]]:
            some = (self._with_keys(collection, part, ["id", "extra"], STRONG) for part in parts(possible, ID_ROWS))
            return {row["id"]: dict(row["extra"]) for part in some for row in part}

        possible = sorted({one for one in ids if rows.ID.fullmatch(one)})
        return self._on(name, read) if possible else {}

    def digests_since(self, name: str, version: int) -> Iterator[list[tuple[str, str]]]:
        """Yield id and digest of the references that later versions of the set wrote, thousands at a time."""
        filter_ = f'version > {version} and digest != "" and {OWN}'
        found = self._found(name)
        for some in self._database.read(found.collection, filter_, ["id", "digest"]):
            yield [(row["id"], row["digest"]) for row in some]

    def written_since(self, name: str, version: int, most: int) -> list[tuple[tuple[str, bool], int]]:
        """Return id, `mirrored` and version of the rows that later versions of the set wrote; at most `most`."""
        found: list[tuple[tuple[str, bool], int]] = []
        for some in self._database.read(self._found(name).collection, f"version > {version}", ["id", "version"]):
            found += [(rows.of_key(row["id"]), int(row["version"])) for row in some]
            if len(found) >= most:
                break
        return found[:most]

    def vectors_since(self, name: str, version: int) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
        """Yield ids and vectors of the references that later versions of the set wrote, thousands at a time."""
        found = self._found(name)
        for some in self._database.read(
            found.collection, f"version > {version} and {OWN}", ["id", "vector"], size=VECTOR_ROWS
        ):
            if some:
                yield [row["id"] for row in some], np.asarray([row["vector"] for row in some], np.float32)

    def listed(self, name: str, source: str = "") -> Iterator[list[tuple[str, rows.Stored]]]:
        """Yield id and facts of all references, or of those that this source gave, thousands at a time."""
        filter_ = f"source == {_quoted(source)} and {OWN}" if source else OWN
        found = self._found(name)
        for some in self._database.read(found.collection, filter_, STORED):
            yield [(row["id"], rows.stored_of(row)) for row in some]

    def _ids(self, collection: str, field: str, values: Sequence[str]) -> set[str]:
        filter_ = f"{field} in [{', '.join(map(_quoted, values))}] and {OWN}"
        return {row["id"] for some in self._database.read(collection, filter_, ["id"]) for row in some}

    def count(self, name: str) -> int:
        """Return the number of references."""
        return self._on(name, lambda collection: self._database.count(collection, OWN))

    def any_disabled(self, name: str) -> bool:
        """Return whether a reference is disabled, perhaps only until some time."""
        return self._on(name, lambda collection: bool(self._database.count(collection, rows.IS_DISABLED)))

    def _with_keys(
        self, collection: str, keys: Sequence[str], fields: Sequence[str], consistency: str
    ) -> list[dict[str, Any]]:
        return self._database.query(collection, f"id in {json.dumps(keys)}", fields, consistency=consistency)


def _quoted(text: str) -> str:
    """Return a text as a literal of a filter. Milvus Lite does not know JSON's escapes of control characters."""
    for character, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(character, escape)
    return f'"{text}"'
