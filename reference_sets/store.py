"""The sets in Milvus, with their references: exact search by cosine.

A stored mirror image is a row of its own. Only `search` and `features` return it separately; everywhere else a
reference and its mirror image are one.

What a version promises: each row has the version that wrote it. No two writers publish the same version (`claims.py`),
and a version is published when all of its rows are there. So a reader that has read all rows at version N, and reads
again later, has missed only rows with a version above N, unless `removed_version` is above N: then rows were removed,
and it must read all rows again. While version N + 1 is being written, a reader may already find some of its rows. Facts
change together with the version, in one call.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from patience import Away
from reference_sets import description, rows
from reference_sets.catalogue import Catalogue
from reference_sets.claims import Claim
from reference_sets.errors import BadDescription, DamagedSet, NewerSet, UnknownSet
from reference_sets.model import Changes, Known, Mirrored, Neighbour, Reference, ReferenceSet, Verify
from vectors.database import ANY, STRONG, parts
from vectors.errors import StoreError

__all__ = ["Away", "BadDescription", "DamagedSet", "NewerSet", "Store", "StoreError", "UnknownSet"]

ID_ROWS = 1000  # keys in one call
FEATURE_ROWS = 500  # 33 MB with full features, 11 MB with those of most pictures; larger parts are not faster
OWN = 'part == ""'  # the row of a reference itself


class Store(Catalogue):
    """The sets of one Milvus database, and their references. Safe to use from several threads.

    For the arguments, and for what every method raises, see `Catalogue`.
    """

    def change(self, name: str, **changes: Unpack[Changes]) -> ReferenceSet:
        """Change the given facts, raise the version, and return the set as it is now.

        If the set is to store mirror images no longer, they are deleted. Damaged facts that are not given do not
        matter, so that properties can be repaired one at a time.

        Raises:
            StoreError: the check is switched on, or mirror images are to be stored, and some references lack what is
                needed.
            DamagedSet: another property is still damaged; the changes have been made.
            NewerSet: the set needs keys that this version does not know; nothing has been changed.
        """
        facts = description.changed(changes)

        def write(collection: str, claim: Claim) -> Mapping[str, str]:
            description.check_needs(name, claim.facts)
            if changes.get("verify", Verify.OFF) is not Verify.OFF:
                self._need_features(name, collection)
            if changes.get("mirrored") is Mirrored.STORED:
                self._need_mirrors(name, collection)
            elif "mirrored" in changes and self._delete_mirrors(collection, claim):
                return {**facts, "removed_version": str(claim.version)}
            return facts

        self._publish(name, write)
        return self.describe(name)

    def _need_features(self, name: str, collection: str) -> None:
        if self._database.query(collection, 'features == ""', ["id"], limit=1):
            raise StoreError(
                f"the references of {name} have no features to check: create a set with `vigilens sets create` and "
                "--verify, and add the pictures again"
            )

    def _need_mirrors(self, name: str, collection: str) -> None:
        if self._database.count(collection, OWN) != self._database.count(collection, "mirrored == true"):
            raise StoreError(
                f"the references of {name} have no mirror images: create a set with `vigilens sets create` and "
                "--mirrored stored, and add the pictures again"
            )

    def _delete_mirrors(self, collection: str, claim: Claim) -> bool:
        """Delete all stored mirror images, and return whether there was one."""
        found = False
        # By key: to delete by a condition, Milvus Lite would read all of the rows into memory at once.
        while there := self._database.query(collection, "mirrored == true", ["id"], limit=ID_ROWS):
            self._database.delete(collection, [row["id"] for row in there])
            claim.renew()
            found = True
        return found

    def upsert(self, name: str, references: Sequence[Reference]) -> None:
        """Add references, or replace those with the same id, as one new version.

        Raises:
            StoreError: see `rows.check`; then nothing is written.
        """
        if not references:
            return

        def write(collection: str, claim: Claim) -> Mapping[str, str]:
            rows.check(references, description.from_facts(name, claim.facts))
            for number, message in enumerate(rows.messages(references, claim.version)):
                if number:
                    claim.renew()
                self._database.upsert(collection, message)
            return {}

        self._publish(name, write)

    def delete(self, name: str, ids: Sequence[str]) -> int:
        """Remove references, and return how many there were. The version is raised if there was one."""
        there: list[str] = []

        def write(collection: str, claim: Claim) -> Mapping[str, str] | None:
            there[:] = sorted({*there, *self._known(collection, ids)})
            for number, part in enumerate(parts(there, ID_ROWS // 2)):
                if number:
                    claim.renew()
                keys = [rows.key(id_, mirrored=mirrored) for id_ in part for mirrored in (False, True)]
                self._database.delete(collection, keys)
            return {"removed_version": str(claim.version)} if there else None

        self._publish(name, write)
        return len(there)

    def flush(self, name: str) -> None:
        """Write the added rows as one segment, at the end of a bulk load: Milvus Lite is slow with unwritten rows."""
        self._on(name, self._database.flush)

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

    def same_content(self, name: str, digest: str) -> tuple[Known, ...]:
        """Return the references that were made from files with this SHA-256 digest, by id. Reads all rows."""
        fields = ["id", "label", "ceiling"]

        def read(collection: str) -> tuple[Known, ...]:
            filter_ = f"digest in [{_quoted(digest)}] and {OWN}"
            rows_ = [row for some in self._database.iterate(collection, filter_, fields) for row in some]
            return tuple(sorted(Known(row["id"], row["label"], row["ceiling"]) for row in rows_))

        return self._on(name, read)

    def digests_since(self, name: str, version: int) -> Iterator[list[str]]:
        """Yield the digests of the references that later versions of the set wrote, a few hundred at a time."""
        filter_ = f'version > {version} and digest != "" and {OWN}'
        found = self._found(name)
        for some in self._database.iterate(found.collection, filter_, ["digest"]):
            yield [row["digest"] for row in some]

    def _ids(self, collection: str, field: str, values: Sequence[str]) -> set[str]:
        filter_ = f"{field} in [{', '.join(map(_quoted, values))}] and {OWN}"
        return {row["id"] for some in self._database.iterate(collection, filter_, ["id"]) for row in some}

    def count(self, name: str) -> int:
        """Return the number of references."""
        return self._on(name, lambda collection: self._database.count(collection, OWN))

    def features(self, name: str, neighbours: Sequence[Neighbour]) -> dict[tuple[str, bool], bytes]:
        """Return what the geometric check needs of the neighbours that a search found.

        Milvus is called once for up to `FEATURE_ROWS` different neighbours: ask for those of a whole batch at once.

        Returns:
            The features by id and `mirrored`; b"" if none are stored; neighbours removed meanwhile are missing.
        """
        keys = {rows.key(one.id, mirrored=one.mirrored) for one in neighbours}
        # A search has found the row, and the content of an id never changes, so newer rows need not be waited for.
        found = self._features(name, sorted(keys), ANY)
        found |= self._features(name, sorted(keys - found.keys()), STRONG)
        return {rows.of_key(key): features for key, features in found.items()}

    def _features(self, name: str, keys: Sequence[str], consistency: str) -> dict[str, bytes]:
        def read(collection: str) -> dict[str, bytes]:
            some = (self._with_keys(collection, part, ["id", "features"], consistency) for part in split)
            return {row["id"]: rows.features_of(row) for part in some for row in part}

        split = list(parts(keys, FEATURE_ROWS))
        return self._on(name, read)

    def _with_keys(
        self, collection: str, keys: Sequence[str], fields: Sequence[str], consistency: str
    ) -> list[dict[str, Any]]:
        return self._database.query(collection, f"id in {json.dumps(keys)}", fields, consistency=consistency)

    def references(self, name: str) -> Iterator[Reference]:
        """Yield all references of a set, read a few hundred at a time. Changes meanwhile may or may not be included."""
        found = self._found(name)
        stored = found.described().mirrored is Mirrored.STORED
        for some in self._database.iterate(found.collection, OWN, rows.ALL):
            keys = [rows.key(row["id"], mirrored=True) for row in some] if stored else []
            mirrors = self._with_keys(found.collection, keys, rows.ALL, STRONG) if keys else []
            by_key = {row["id"]: row for row in mirrors}
            yield from (rows.from_rows(row, by_key.get(rows.key(row["id"], mirrored=True))) for row in some)

    def search(self, name: str, vectors: NDArray[np.float32], top_k: int) -> list[list[Neighbour]]:
        """Return the rows nearest to each query, best first: references and, if the set stores them, mirror images.

        A reference can be returned twice, as itself and mirrored; the caller decides which of the two counts.

        Args:
            name: of the set.
            vectors: (n, dimension), unit length. Search for a whole batch at once: most of the cost is per call.
            top_k: the most rows for each query; fewer if the set has fewer.

        Returns:
            n lists. Empty lists for an empty set.
        """
        answers = self._on(name, lambda on: self._database.search(on, vectors, top_k, ["label"]))
        return [[_neighbour(hit) for hit in hits] for hits in answers]


def _neighbour(hit: Any) -> Neighbour:
    score = max(-1.0, min(1.0, float(hit["distance"])))  # rounding can make it slightly more than 1
    id_, mirrored = rows.of_key(hit["id"])
    return Neighbour(id_, hit["entity"]["label"], score, mirrored)


def _quoted(text: str) -> str:
    """Return a text as a literal of a filter. Milvus Lite does not know JSON's escapes of control characters."""
    for character, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(character, escape)
    return f'"{text}"'
