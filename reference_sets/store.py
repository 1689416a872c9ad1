"""The only place that talks to Milvus: sets and their references, in a Milvus Lite file or on a server.

One collection per set; all that describes the set in the collection's properties; exact search by cosine. Collections
without our properties are somebody else's and are left alone. A stored mirror image is a row of its own, which only
`search` and `features` speak of: elsewhere a reference is one, with its mirror image.

What a version promises: content is written first, then the version is raised. So a reader that has seen version N finds
all of N's content; while a change is under way it may already find some of N + 1's under the number N, and a kill
between the two leaves at most one part of a batch under the old number. Thresholds and other properties change together
with the version in one call. Writers do not lock each other out: let one person or program own a set.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import numpy as np
from numpy.typing import NDArray

from patience import Away, Patience
from reference_sets import description as properties
from reference_sets import rows as schema
from reference_sets.model import Changes, Mirrored, Neighbour, Reference, ReferenceSet, Verify
from reference_sets.session import Session
from vectors.errors import StoreError, UnknownSet
from vectors.repair import make_ready

if TYPE_CHECKING:
    from pymilvus import MilvusClient

T = TypeVar("T")

__all__ = ["Away", "Store", "StoreError", "UnknownSet"]

MAX_QUERIES = 16_384  # Milvus's limit of vectors for one search, and of rows for one query
READ_ROWS = 250
ID_ROWS = 1000  # keys in one call
FEATURE_ROWS = 500  # 33 MB with full features, 11 MB with those of most pictures; larger parts are no faster
STRONG = "Strong"  # reads see all writes acknowledged before; the default may be seconds behind
# Reads see what there is, without waiting 0.2 s for the server's next tick. Right for features: a search has seen the
# row, an id's content never changes, and what is not found is looked for again.
ANY = "Eventually"


@dataclass(frozen=True, slots=True)
class Unread:
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Listing:
    sets: tuple[ReferenceSet, ...]
    unreadable: tuple[Unread, ...]


class Store:
    """Sets in one Milvus database. Safe to use from several threads.

    Args:
        uri: path of a Milvus Lite file (one process at a time), or http(s)://host:port.
        token: "user:password" or an API key; never part of a message.
        database: name of the server's database; empty: its default.
        timeout_s: for one call. With a server that is away, a call returns within about twice that.
        patience: how calls wait for a server that is away. None: they do not.

    Every method raises `StoreError` for what trying again will not mend, `UnknownSet` for a name that is not there, and
    `Away` when Milvus does not answer (after waiting, if there is patience). So does the constructor, which connects.
    """

    def __init__(
        self,
        uri: str,
        *,
        token: str = "",
        database: str = "",
        timeout_s: float = 10.0,
        patience: Patience | None = None,
    ) -> None:
        self._milvus = Session(uri, token, database, timeout_s, patience)
        self._timeout_s = timeout_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and, as its last user in this process, the file. Can be repeated."""
        self._milvus.close()

    # Sets

    def create(self, new: ReferenceSet) -> None:
        """Make an empty set.

        Raises:
            StoreError: the name is taken or not a name, or a value is out of range.
        """
        schema.check_set(new)
        if self._milvus.call(lambda client: client.has_collection(new.name, timeout=self._timeout_s)):
            raise StoreError(f"{new.name} exists already in {self._milvus.place}; take another name or drop it")
        self._milvus.call(lambda client: self._make(client, new), new.name)

    def _make(self, client: "MilvusClient", new: ReferenceSet) -> None:
        # The description comes with the collection and the index after it, so what a kill leaves can be repaired.
        if not client.has_collection(new.name, timeout=self._timeout_s):
            client.create_collection(
                new.name,
                schema=schema.fields(new.dimension),
                properties=properties.to_properties(new),
                consistency_level=STRONG,
                timeout=self._timeout_s,
            )
        make_ready(client, new.name, self._timeout_s)

    def describe(self, name: str) -> ReferenceSet:
        """All that describes a set, of one moment."""
        return self._milvus.call(lambda client: self._milvus.described(client, name), name)

    def sets(self) -> tuple[ReferenceSet, ...]:
        """All sets of the database, by name."""
        return self._milvus.call(self._sets)

    def _sets(self, client: "MilvusClient") -> tuple[ReferenceSet, ...]:
        names = sorted(client.list_collections(timeout=self._timeout_s))
        found = (properties.read(client, name, self._timeout_s) for name in names)
        return tuple(known for known in found if known is not None)

    def listing(self) -> Listing:
        return Listing(self.sets(), ())

    def change(self, name: str, **changes: Unpack[Changes]) -> ReferenceSet:
        """Change what is given, raise the version, and return the set as it is now.

        Stored mirror images are deleted when the set is to store none.

        Raises:
            StoreError: the check is switched on, or mirror images are to be stored, and there are references without.
        """
        if changes.get("verify", Verify.OFF) is not Verify.OFF:
            self._need_features(name)
        if changes.get("mirrored") is Mirrored.STORED:
            self._need_mirrors(name)
        elif "mirrored" in changes:
            self._delete_mirrors(name)
        return self._next_version(name, changes)

    def _need_features(self, name: str) -> None:
        if self._query(name, 'features == ""', ["id"], limit=1):
            raise StoreError(
                f"the references of {name} have no features to check: make a set with `vigilens sets create` and "
                "--verify, and add the pictures again"
            )

    def _need_mirrors(self, name: str) -> None:
        if self.describe(name).mirrored is not Mirrored.STORED and self.count(name):
            raise StoreError(
                f"the references of {name} have no mirror images: make a set with `vigilens sets create` and "
                "--mirrored stored, and add the pictures again"
            )

    def _delete_mirrors(self, name: str) -> None:
        # By key: Milvus Lite would read all of the rows into memory at once to delete them by a condition.
        while rows := self._query(name, "mirrored == true", ["id"], limit=ID_ROWS):
            self._delete(name, [row["id"] for row in rows])

    def _next_version(self, name: str, changes: Changes) -> ReferenceSet:
        def write(client: "MilvusClient") -> ReferenceSet:
            described = self._milvus.described(client, name)
            return properties.next_version(client, described, changes, self._timeout_s)

        return self._milvus.call(write, name)

    def drop(self, name: str) -> None:
        """Remove a set and all its references; also one whose description is damaged."""
        if not self._milvus.call(lambda client: properties.is_ours(client, name, self._timeout_s), name):
            raise UnknownSet(name, self._milvus.place)
        self._milvus.forget(name)
        self._milvus.call(lambda client: client.drop_collection(name, timeout=self._timeout_s), name)

    # References

    def upsert(self, name: str, references: Sequence[Reference]) -> None:
        """Add references, or replace those with the same id. The version is raised after each message's rows.

        Raises:
            StoreError: see `schema.to_rows`; nothing is written then.
        """
        described = self.describe(name)
        rows = schema.to_rows(references, described)
        for part in _parts(rows, schema.rows_at_once(described.dimension)):
            self._upsert(name, part)
            self._next_version(name, {})

    def _upsert(self, name: str, rows: Sequence[dict[str, Any]]) -> None:
        self._milvus.call(lambda client: client.upsert(name, list(rows), timeout=self._timeout_s), name)

    def flush(self, name: str) -> None:
        """Write what was added as one segment; for the end of a bulk load. Milvus Lite searches loose rows slowly."""
        self._milvus.call_loaded(name, lambda client, _: client.flush(name, timeout=self._timeout_s))

    def delete(self, name: str, ids: Sequence[str]) -> int:
        """Remove references; how many of the ids there were. The version is raised if there was one."""
        there = sorted(self.known(name, ids))
        for part in _parts(there, ID_ROWS // 2):
            self._delete(name, [schema.key(id_, mirrored=mirrored) for id_ in part for mirrored in (False, True)])
            self._next_version(name, {})
        return len(there)

    def _delete(self, name: str, keys: list[str]) -> None:
        self._milvus.call_loaded(name, lambda client, _: client.delete(name, ids=keys, timeout=self._timeout_s))

    def known(self, name: str, ids: Sequence[str]) -> set[str]:
        """Those of the ids that are in the set. An id that no reference can have is in none."""
        possible = sorted({one for one in ids if schema.ID.fullmatch(one)})
        return {row["id"] for part in _parts(possible, ID_ROWS) for row in self._with_keys(name, part, ["id"])}

    def labelled(self, name: str, label: str) -> set[str]:
        """Ids of the references with this label, at most 16,384."""
        filter_ = f"label == {json.dumps(label, ensure_ascii=False)} and mirrored == false"
        return {row["id"] for row in self._query(name, filter_, ["id"], limit=MAX_QUERIES)}

    def count(self, name: str) -> int:
        """Number of references."""
        # Of all rows: Milvus Lite reads into memory what it counts by a condition. Each reference has a mirror or none.
        rows = int(self._query(name, "", ["count(*)"])[0]["count(*)"])
        return rows // 2 if self.describe(name).mirrored is Mirrored.STORED else rows

    def features(self, name: str, neighbours: Sequence[Neighbour]) -> dict[tuple[str, bool], bytes]:
        """What the geometric check needs of the neighbours that a search found.

        One call for up to `FEATURE_ROWS` different ones: ask for a whole batch's at once.

        Returns:
            The features by id and `mirrored`; b"" where none were stored; those removed meanwhile are missing.
        """
        keys = {schema.key(one.id, mirrored=one.mirrored) for one in neighbours}
        found = self._features(name, sorted(keys), ANY)
        found |= self._features(name, sorted(keys - found.keys()), STRONG)
        return {schema.of_key(key): features for key, features in found.items()}

    def _features(self, name: str, keys: Sequence[str], consistency: str) -> dict[str, bytes]:
        wanted = ["id", "features"]
        rows = (row for part in _parts(keys, FEATURE_ROWS) for row in self._with_keys(name, part, wanted, consistency))
        return {row["id"]: schema.features_of(row) for row in rows}

    def _with_keys(
        self, name: str, keys: Sequence[str], fields: list[str], consistency: str = STRONG
    ) -> list[dict[str, Any]]:
        return self._query(name, f"id in {json.dumps(keys)}", fields, consistency_level=consistency)

    def _query(self, name: str, filter_: str, fields: list[str], **others: object) -> list[dict[str, Any]]:
        def ask(client: "MilvusClient", _: int) -> list[dict[str, Any]]:
            options = {"consistency_level": STRONG, "timeout": self._timeout_s, **others}
            return list(client.query(name, filter=filter_, output_fields=fields, **options))

        return self._milvus.call_loaded(name, ask)

    def references(self, name: str) -> Iterator[Reference]:
        """All references of a set, some hundred at a time. Changes meanwhile may or may not be seen."""
        options = {"batch_size": READ_ROWS, "consistency_level": STRONG, "timeout": self._timeout_s}
        wanted = ["id", "label", "vector", "features"]
        stored = self.describe(name).mirrored is Mirrored.STORED
        reader = self._milvus.call_loaded(
            name,
            lambda client, _: client.query_iterator(name, filter="mirrored == false", output_fields=wanted, **options),
        )
        try:
            while rows := self._milvus.call(lambda _: reader.next(), name):
                keys = [schema.key(row["id"], mirrored=True) for row in rows] if stored else []
                mirrors = {row["id"]: row for row in self._with_keys(name, keys, wanted)} if keys else {}
                yield from (schema.from_rows(row, mirrors.get(schema.key(row["id"], mirrored=True))) for row in rows)
        finally:
            reader.close()

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
        found: list[list[Neighbour]] = []
        for start in range(0, len(vectors), MAX_QUERIES):
            found += self._search(name, vectors[start : start + MAX_QUERIES], top_k)
        return found

    def _search(self, name: str, vectors: NDArray[np.float32], top_k: int) -> list[list[Neighbour]]:
        def ask(client: "MilvusClient", dimension: int) -> Any:
            data = list(schema.checked(vectors, dimension, f"a query of the set {name}"))
            options = {"consistency_level": STRONG, "timeout": self._timeout_s}
            return client.search(name, data, limit=top_k, anns_field="vector", output_fields=["label"], **options)

        answers = self._milvus.call_loaded(name, ask)
        if len(answers) != len(vectors):
            raise StoreError(f"Milvus answered {len(answers)} of {len(vectors)} queries of the set {name}")
        return [[_neighbour(hit) for hit in hits] for hits in answers]


def _neighbour(hit: Any) -> Neighbour:
    score = max(-1.0, min(1.0, float(hit["distance"])))  # rounding puts identical vectors a hair above 1
    id_, mirrored = schema.of_key(hit["id"])
    return Neighbour(id_, hit["entity"]["label"], score, mirrored)


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
