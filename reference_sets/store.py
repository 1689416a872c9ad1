"""The sets in Milvus, with their references: search by cosine, with exact scores.

A stored mirror image is a row of its own. Only `search` and `features` return it separately; everywhere else a
reference and its mirror image are one.

What a version promises: each row has the version that wrote it. No two writers publish the same version (`claims.py`),
and a version is published when all of its rows are there. So a reader that has read all rows at version N, and reads
again later, has missed only rows with a version above N, unless `removed_version` is above N: then rows were removed,
and it must read all rows again. While version N + 1 is being written, a reader may already find some of its rows. Facts
change together with the version, in one call.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from patience import Away
from reference_sets import description, rows
from reference_sets.claims import Claim
from reference_sets.errors import BadDescription, DamagedSet, NewerSet, UnknownSet
from reference_sets.in_memory.constants import IN_MEMORY
from reference_sets.lookup import ID_ROWS, OWN, Lookup
from reference_sets.model import (
    NO_FACTS,
    Changes,
    Mirrored,
    Neighbour,
    Reference,
    ReferenceFacts,
    ReferenceSet,
    Verify,
)
from vectors.database import ANY, STRONG, parts
from vectors.errors import StoreError
from vectors.index import Index
from vectors.key_ranges import ranges

__all__ = ["Away", "BadDescription", "DamagedSet", "NewerSet", "Store", "StoreError", "UnknownSet"]

NOTHING: Mapping[tuple[str, bool], int] = {}
FEATURE_ROWS = 500  # 33 MB with full features, 11 MB with those of most pictures; larger parts are not faster
SAMPLE_ROWS = 500  # rows that are near one another by their keys, in a sample


class Store(Lookup):
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
            NewerSet: the set needs what this version does not know, also with the changes; nothing has been changed.
        """

        def write(collection: str, claim: Claim) -> Mapping[str, str]:
            facts = description.changed(changes, claim.facts)
            description.check_needs(name, {**claim.facts, **facts})
            if changes.get("verify", Verify.OFF) is not Verify.OFF:
                self._need_features(name, collection)
            if changes.get("mirrored") is Mirrored.STORED:
                self._need_mirrors(name, collection)
            elif "mirrored" in changes and self._delete_mirrors(collection, claim):
                return {**facts, "removed_version": str(claim.version)}
            return facts

        self._publish(name, write)
        return self.describe(name)

    def set_index(self, name: str, kind: str, options: Mapping[str, float]) -> None:
        """Search a set in another way from now on; the version is raised. Searches wait while the index is built.

        If this is interrupted, whoever opens the set next completes it.

        Args:
            name: of the set.
            kind: `exact`, or one of `vectors.index.APPROXIMATE`.
            options: see `indexes`.

        Raises:
            StoreError: it is a list of hashes: its rows have no vectors.
        """
        if self.describe(name).index == IN_MEMORY:
            raise StoreError(f"{name} is a list of hashes, which is searched in memory: there is no index to choose")
        self.change(name, index=kind, index_options=json.dumps(options) if options else "")
        self._on(name, self._database.index)

    def sample(
        self, name: str, number: int, random: np.random.Generator
    ) -> tuple[list[tuple[str, bool]], NDArray[np.float32]]:
        """Return up to `number` rows, chosen at random: id and whether it is a mirror image, and vectors (rows, d)."""

        def read(collection: str) -> list[dict[str, Any]]:
            parts = list(ranges(self._database.count(collection), min(number, SAMPLE_ROWS)))
            most = 2 * number // SAMPLE_ROWS + 1
            chosen = [parts[part].condition() for part in random.permutation(len(parts))[:most]]
            found: list[dict[str, Any]] = []
            for condition in (*chosen, ""):  # the last one: ids that do not begin with hexadecimal digits
                if len(found) < number and (condition or not found):
                    found += self._database.query(collection, condition, ["id", "vector"], limit=number - len(found))
            return found

        found = self._on(name, read)
        vectors = np.array([row["vector"] for row in found], np.float32)
        return [rows.of_key(row["id"]) for row in found], vectors

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

    def rewrite(
        self, name: str, ids: Sequence[str], change: Callable[[Reference], Reference | None]
    ) -> list[Reference]:
        """Write references again as `change` returns them, and return those. The version is raised if there is one.

        Args:
            name: of the set.
            ids: of the references; those that are not in the set are left out.
            change: None: the reference stays as it is. Called again if another process took the version.
        """
        new: list[Reference] = []

        def write(collection: str, claim: Claim) -> Mapping[str, str] | None:
            mirrored = description.from_facts(name, claim.facts).mirrored is Mirrored.STORED
            possible = sorted({one for one in ids if rows.ID.fullmatch(one)})
            own = [self._with_keys(collection, part, rows.ALL, STRONG) for part in parts(possible, FEATURE_ROWS)]
            whole = (one for some in own for one in self._whole(collection, some, mirrored=mirrored))
            changed = (change(one) for one in whole)
            new[:] = [replace(one, version=claim.version) for one in changed if one is not None]
            for message in rows.messages(new, claim.version):
                claim.renew()
                self._database.upsert(collection, message)
            return {} if new else None

        self._publish(name, write)
        return new

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

    def features(
        self, name: str, neighbours: Sequence[Neighbour], least: Mapping[tuple[str, bool], int] = NOTHING
    ) -> dict[tuple[str, bool], tuple[bytes, ReferenceFacts]]:
        """Return what the geometric check needs of the neighbours that a search found, and their facts.

        Milvus is called once for up to `FEATURE_ROWS` different neighbours: ask for those of a whole batch at once.

        Args:
            name: of the set.
            neighbours: which.
            least: rows that are known to have changed, with the version of the set that wrote them.

        Returns:
            By id and `mirrored`; b"" if no features are stored; neighbours removed meanwhile are missing.
        """
        keys = {rows.key(one.id, mirrored=one.mirrored) for one in neighbours}
        # A search has found the row, and the content of an id never changes, so newer rows need not be waited for.
        found = self._features(name, sorted(keys), ANY)
        old = {rows.key(id_, mirrored=side) for (id_, side), version in least.items()} & found.keys()
        for key in [key for key in old if found[key][2] < least[rows.of_key(key)]]:
            del found[key]
        found |= self._features(name, sorted(keys - found.keys()), STRONG)
        return {rows.of_key(key): (data, facts) for key, (data, facts, _) in found.items()}

    def _features(
        self, name: str, keys: Sequence[str], consistency: str
    ) -> dict[str, tuple[bytes, ReferenceFacts, int]]:
        def read(collection: str) -> dict[str, tuple[bytes, ReferenceFacts, int]]:
            fields = ["id", "features", "version", *rows.FACTS]
            some = (self._with_keys(collection, part, fields, consistency) for part in split)
            found = (row for part in some for row in part)
            return {row["id"]: (rows.features_of(row), rows.facts_of(row), int(row["version"])) for row in found}

        split = list(parts(keys, FEATURE_ROWS))
        return self._on(name, read)

    def references(self, name: str) -> Iterator[Reference]:
        """Yield all references of a set, read a few hundred at a time. Changes meanwhile may or may not be included."""
        found = self._found(name)
        stored = found.described().mirrored is Mirrored.STORED
        for some in self._database.iterate(found.collection, OWN, rows.ALL):
            yield from self._whole(found.collection, some, mirrored=stored)

    def _whole(self, collection: str, some: Sequence[dict[str, Any]], *, mirrored: bool) -> Iterator[Reference]:
        """Yield the references whose own rows these are, with their mirror images if there are any."""
        keys = [rows.key(row["id"], mirrored=True) for row in some] if mirrored else []
        mirrors = self._with_keys(collection, keys, rows.ALL, STRONG) if keys else []
        by_key = {row["id"]: row for row in mirrors}
        return (rows.from_rows(row, by_key.get(rows.key(row["id"], mirrored=True))) for row in some)

    def search(  # noqa: PLR0913 (the last three by keyword)
        self,
        name: str,
        vectors: NDArray[np.float32],
        top_k: int,
        *,
        facts: bool = False,
        in_use: float | None = None,
        index: Index | None = None,
    ) -> list[list[Neighbour]]:
        """Return the rows nearest to each query, best first: references and, if the set stores them, mirror images.

        A reference can be returned twice, as itself and mirrored; the caller decides which of the two counts.

        Args:
            name: of the set.
            vectors: (n, dimension), unit length. Search for a whole batch at once: most of the cost is per call.
            top_k: the most rows for each query; fewer if the set has fewer.
            facts: whether to return the references' facts too. For 50 rows, it takes more time than the search itself.
            in_use: only references that are in use at this time, in seconds since 1970, UTC; a search then takes half
                as long again. None: all.
            index: of the set; None: exact.

        Returns:
            n lists. Empty lists for an empty set.
        """
        fields = ["label", *rows.FACTS] if facts else ["label"]
        filter_ = "" if in_use is None else rows.in_use(in_use)
        answers = self._on(name, lambda on: self._database.search(on, vectors, top_k, fields, filter_, index))
        return [[_neighbour(hit, facts=facts) for hit in hits] for hits in answers]


def _neighbour(hit: Any, *, facts: bool) -> Neighbour:
    # As a plain dictionary: pymilvus's class takes ten times as long, and there are hundreds of hits for each picture.
    key, distance, entity = (dict.__getitem__(hit, name) for name in ("id", "distance", "entity"))
    score = max(-1.0, min(1.0, float(distance)))  # rounding can make it slightly more than 1
    id_, mirrored = rows.of_key(key)
    return Neighbour(id_, entity["label"], score, mirrored, rows.facts_of(entity) if facts else NO_FACTS)
