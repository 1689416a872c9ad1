"""The only place that talks to Milvus: sets and their references, in a Milvus Lite file or on a server.

One collection per set; all that describes the set in the collection's properties; exact search by cosine. Collections
without our properties are somebody else's and are left alone.

What a version promises: content is written first, then the version is raised. So a reader that has seen version N finds
all of N's content; while a change is under way it may already find some of N + 1's under the number N, and a kill
between the two leaves at most one part of a batch under the old number. Thresholds and other properties change together
with the version in one call. Writers do not lock each other out: two that change the thresholds of one set at the same
moment may overwrite one another, so let one person or program own a set.
"""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from reference_sets import properties, schema
from reference_sets.errors import StoreError, UnknownSet
from reference_sets.model import Kind, Neighbour, Reference, ReferenceSet, Thresholds
from reference_sets.patience import Away, Patience
from reference_sets.repair import make_ready
from reference_sets.session import Session

if TYPE_CHECKING:
    from pymilvus import MilvusClient

__all__ = ["Away", "Store", "StoreError", "UnknownSet"]

MAX_QUERIES = 16_384  # Milvus's limit of vectors for one search, and of rows for one query
UPSERT_ROWS = 500  # with full features 32 MB, half of what a server takes in one message
READ_ROWS = 250
ID_ROWS = 1000
STRONG = "Strong"  # reads see all writes acknowledged before; the default may be seconds behind


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

    def change(  # noqa: PLR0913 (by keyword, each a fact of the set)
        self,
        name: str,
        *,
        kind: Kind | None = None,
        category: str | None = None,
        severity: int | None = None,
        thresholds: Thresholds | None = None,
        note: str | None = None,
    ) -> ReferenceSet:
        """Change what is given, raise the version, and return the set as it is now."""
        given = {"kind": kind, "category": category, "severity": severity, "thresholds": thresholds, "note": note}
        return self._next_version(name, {key: value for key, value in given.items() if value is not None})

    def _next_version(self, name: str, changes: dict[str, Any]) -> ReferenceSet:
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
        """Add references, or replace those with the same id. The version is raised after each `UPSERT_ROWS` rows."""
        rows = schema.to_rows(references, self._milvus.dimension(name))
        for part in (rows[start : start + UPSERT_ROWS] for start in range(0, len(rows), UPSERT_ROWS)):
            self._upsert(name, part)
            self._next_version(name, {})

    def _upsert(self, name: str, rows: list[dict[str, Any]]) -> None:
        self._milvus.call(lambda client: client.upsert(name, rows, timeout=self._timeout_s), name)

    def flush(self, name: str) -> None:
        """Write what was added as one segment; for the end of a bulk load. Milvus Lite searches loose rows slowly."""
        self._milvus.call_loaded(name, lambda client, _: client.flush(name, timeout=self._timeout_s))

    def delete(self, name: str, ids: Sequence[str]) -> int:
        """Remove references; how many of the ids there were. The version is raised if there was one."""
        there = sorted(self.known(name, ids))
        for part in (there[start : start + ID_ROWS] for start in range(0, len(there), ID_ROWS)):
            self._delete(name, part)
            self._next_version(name, {})
        return len(there)

    def _delete(self, name: str, ids: list[str]) -> None:
        self._milvus.call_loaded(name, lambda client, _: client.delete(name, ids=ids, timeout=self._timeout_s))

    def known(self, name: str, ids: Sequence[str]) -> set[str]:
        """Those of the ids that are in the set. An id that no reference can have is in none."""
        possible = sorted({one for one in ids if schema.ID.fullmatch(one)})
        found: set[str] = set()
        for part in (possible[start : start + ID_ROWS] for start in range(0, len(possible), ID_ROWS)):
            found.update(row["id"] for row in self._query(name, f"id in {json.dumps(part)}", ["id"]))
        return found

    def labelled(self, name: str, label: str) -> set[str]:
        """Ids of the references with this label, at most 16,384."""
        quoted = json.dumps(label, ensure_ascii=False)
        return {row["id"] for row in self._query(name, f"label == {quoted}", ["id"], limit=MAX_QUERIES)}

    def count(self, name: str) -> int:
        """Number of references."""
        return int(self._query(name, "", ["count(*)"])[0]["count(*)"])

    def _query(self, name: str, filter_: str, fields: list[str], **limit: int) -> list[dict[str, Any]]:
        def ask(client: "MilvusClient", _: int) -> list[dict[str, Any]]:
            options = {"consistency_level": STRONG, "timeout": self._timeout_s, **limit}
            return list(client.query(name, filter=filter_, output_fields=fields, **options))

        return self._milvus.call_loaded(name, ask)

    def references(self, name: str) -> Iterator[Reference]:
        """All references of a set, some hundred at a time. Changes meanwhile may or may not be seen."""
        options = {"batch_size": READ_ROWS, "consistency_level": STRONG, "timeout": self._timeout_s}
        wanted = ["id", "label", "vector", "features"]
        reader = self._milvus.call_loaded(
            name, lambda client, _: client.query_iterator(name, output_fields=wanted, **options)
        )
        try:
            while rows := self._milvus.call(lambda _: reader.next(), name):
                yield from map(schema.from_row, rows)
        finally:
            reader.close()

    def search(self, name: str, vectors: NDArray[np.float32], top_k: int) -> list[list[Neighbour]]:
        """The nearest references of each query, best first.

        Args:
            name: of the set.
            vectors: (n, dimension), unit length. Search a batch at once: Milvus's cost is per call more than per query.
            top_k: at most so many for each query; fewer if the set has fewer.

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
    return Neighbour(hit["id"], hit["entity"]["label"], score)
