"""The sets in Milvus, with their references: exact search by cosine.

A stored mirror image is a row of its own, which only `search` and `features` speak of: elsewhere a reference is one,
with its mirror image.

What a version promises: each row carries the version that wrote it. No two writers publish the same version
(`claims.py`), and a version is published when all of its rows are there. So a reader that has read all rows at version
N and comes again has missed only rows with a version above N, unless `removed_version` is above N: then rows were
removed, and it reads all rows again. While version N + 1 is being written, a reader may find some of its rows already.
Facts change together with the version, in one call.
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
from reference_sets.model import Changes, Mirrored, Neighbour, Reference, ReferenceSet, Verify
from vectors.database import ANY, STRONG, parts
from vectors.errors import StoreError

__all__ = ["Away", "BadDescription", "DamagedSet", "NewerSet", "Store", "StoreError", "UnknownSet"]

ID_ROWS = 1000  # keys in one call
FEATURE_ROWS = 500  # 33 MB with full features, 11 MB with those of most pictures; larger parts are no faster
OWN = 'part == ""'  # the row of a reference itself


class Store(Catalogue):
    """Sets in one Milvus database, and their references. Safe to use from several threads.

    The arguments and what every method raises: see `Catalogue`.
    """

    def change(self, name: str, **changes: Unpack[Changes]) -> ReferenceSet:
        """Change what is given, raise the version, and return the set as it is now.

        Stored mirror images are deleted when the set is to store none. What is damaged in the description and not
        given does not matter, so that one property can be repaired after the other.

        Raises:
            StoreError: the check is switched on, or mirror images are to be stored, and there are references without.
            DamagedSet: another property is damaged still; the changes are made.
            NewerSet: what its keys mean is not known here; nothing is changed.
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
                f"the references of {name} have no features to check: make a set with `vigilens sets create` and "
                "--verify, and add the pictures again"
            )

    def _need_mirrors(self, name: str, collection: str) -> None:
        if self._database.count(collection, OWN) != self._database.count(collection, "mirrored == true"):
            raise StoreError(
                f"the references of {name} have no mirror images: make a set with `vigilens sets create` and "
                "--mirrored stored, and add the pictures again"
            )

    def _delete_mirrors(self, collection: str, claim: Claim) -> bool:
        """Whether there was one."""
        found = False
        # By key: Milvus Lite would read all of the rows into memory at once to delete them by a condition.
        while there := self._database.query(collection, "mirrored == true", ["id"], limit=ID_ROWS):
            self._database.delete(collection, [row["id"] for row in there])
            claim.renew()
            found = True
        return found

    def upsert(self, name: str, references: Sequence[Reference]) -> None:
        """Add references, or replace those with the same id, as one new version.

        Raises:
            StoreError: see `rows.check`; nothing is written then.
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
        """Remove references; how many of the ids there were. The version is raised if there was one."""
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
        """Write what was added as one segment; for the end of a bulk load. Milvus Lite searches loose rows slowly."""
        self._on(name, self._database.flush)

    def known(self, name: str, ids: Sequence[str]) -> set[str]:
        """Those of the ids that are in the set. An id that no reference can have is in none."""
        return self._on(name, lambda collection: self._known(collection, ids))

    def _known(self, collection: str, ids: Sequence[str]) -> set[str]:
        possible = sorted({one for one in ids if rows.ID.fullmatch(one)})
        return {
            row["id"] for part in parts(possible, ID_ROWS) for row in self._with_keys(collection, part, ["id"], STRONG)
        }

    def digests(self, name: str, ids: Sequence[str]) -> dict[str, str]:
        """Id → SHA-256 of the file that the reference was made of, of those that are in the set and record it."""

        def read(collection: str) -> dict[str, str]:
            some = (self._with_keys(collection, part, ["id", "digest"], STRONG) for part in parts(possible, ID_ROWS))
            return {row["id"]: row["digest"] for part in some for row in part if row["digest"]}

        possible = sorted({one for one in ids if rows.ID.fullmatch(one)})
        return self._on(name, read)

    def labelled(self, name: str, *labels: str) -> set[str]:
        """Ids of the references with one of these labels, in exactly this spelling."""
        return self._on(name, lambda collection: self._ids(collection, "label", labels))

    def made_of(self, name: str, *digests: str) -> set[str]:
        """Ids of the references that were made of files with one of these SHA-256 digests."""
        return self._on(name, lambda collection: self._ids(collection, "digest", digests))

    def _ids(self, collection: str, field: str, values: Sequence[str]) -> set[str]:
        filter_ = f"{field} in {json.dumps(values, ensure_ascii=False)} and {OWN}"
        return {row["id"] for some in self._database.iterate(collection, filter_, ["id"]) for row in some}

    def count(self, name: str) -> int:
        """Number of references."""
        return self._on(name, lambda collection: self._database.count(collection, OWN))

    def features(self, name: str, neighbours: Sequence[Neighbour]) -> dict[tuple[str, bool], bytes]:
        """What the geometric check needs of the neighbours that a search found.

        One call for up to `FEATURE_ROWS` different ones: ask for a whole batch's at once.

        Returns:
            The features by id and `mirrored`; b"" where none were stored; those removed meanwhile are missing.
        """
        keys = {rows.key(one.id, mirrored=one.mirrored) for one in neighbours}
        # A search has found the row and an id's content never changes, so there is no need to wait for what is newer.
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
        """All references of a set, some hundred at a time. Changes meanwhile may or may not be among them."""
        found = self._found(name)
        stored = found.described().mirrored is Mirrored.STORED
        for some in self._database.iterate(found.collection, OWN, rows.ALL):
            keys = [rows.key(row["id"], mirrored=True) for row in some] if stored else []
            mirrors = self._with_keys(found.collection, keys, rows.ALL, STRONG) if keys else []
            by_key = {row["id"]: row for row in mirrors}
            yield from (rows.from_rows(row, by_key.get(rows.key(row["id"], mirrored=True))) for row in some)

    def search(self, name: str, vectors: NDArray[np.float32], top_k: int) -> list[list[Neighbour]]:
        """The nearest rows of each query, best first: references and, where the set stores them, mirror images.

        A reference can come twice, once as itself and once mirrored; which of the two counts is the caller's to decide.

        Args:
            name: of the set.
            vectors: (n, dimension), unit length. Search a batch at once: Milvus's cost is per call more than per query.
            top_k: at most so many rows for each query; fewer if the set has fewer.

        Returns:
            n lists; empty ones for an empty set.
        """
        answers = self._on(name, lambda on: self._database.search(on, vectors, top_k, ["label"]))
        return [[_neighbour(hit) for hit in hits] for hits in answers]


def _neighbour(hit: Any) -> Neighbour:
    score = max(-1.0, min(1.0, float(hit["distance"])))  # rounding puts identical vectors a hair above 1
    id_, mirrored = rows.of_key(hit["id"])
    return Neighbour(id_, hit["entity"]["label"], score, mirrored)
