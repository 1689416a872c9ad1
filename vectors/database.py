"""Creates, fills, changes and searches the collections of one Milvus database, by their names.

A collection has properties, which are pairs of strings. Tested on Milvus Lite 3.2 and on server 2.3.5: changing some
properties leaves all others unchanged, even when two processes change different ones at the same moment, and a read
that begins after a change was answered finds the change.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from patience import Patience
from vectors.checks import checked, scored
from vectors.connection import NOT_FOUND, is_away, is_file
from vectors.errors import NoCollection, StoreError
from vectors.index import ROUNDED, Index
from vectors.key_ranges import ranges
from vectors.session import IndexOf, Session

if TYPE_CHECKING:
    from pymilvus import MilvusClient

T = TypeVar("T")

MAX_QUERIES = 16_384  # Milvus's limit for the vectors of one search, and for the rows of one query
READ_ROWS = 250
# Milvus Lite in this process is never away, but may be busy: now and then it merges its files, and no call is answered
# meanwhile. For 500,000 rows that took 16 s, on a busy machine 30.
FILE_S = 120.0
BUILD_S = 7200.0  # to build an index: a server needs minutes for 1,000,000 vectors
MORE = 16  # rows that are scored again beyond those that are asked for, if an index rounds the vectors
STRONG = "Strong"  # reads find all writes acknowledged before; with Milvus's default they may be seconds behind
# Reads may miss recent writes, and do not wait 0.2 s for the server's next tick.
ANY = "Eventually"


class Database:
    """The collections of one Milvus database. Safe to use from several threads.

    Args:
        uri: path of a Milvus Lite file (one process at a time), or http(s)://host:port.
        token: "user:password" or an API key; never part of a message.
        database: name of the server's database; empty: its default.
        timeout_s: for one call; a file has at least `FILE_S`. If the server is away, a call returns within about twice
            that time. What is long work for Milvus gets more, see `Session.call_bulk`.
        patience: how calls wait for a server that is away. None: they do not wait.
        index_of: tells from the properties of a collection which index it should have.

    Every method raises `StoreError` if trying again will not help, `NoCollection` if there is no collection of that
    name, and `Away` if Milvus does not answer (after waiting, if there is patience). So does the constructor, which
    connects.
    """

    def __init__(  # noqa: PLR0913 (all but the first by keyword)
        self,
        uri: str,
        *,
        token: str = "",
        database: str = "",
        timeout_s: float = 10.0,
        patience: Patience | None = None,
        index_of: IndexOf = lambda _: Index(),
    ) -> None:
        self._timeout_s = max(timeout_s, FILE_S) if is_file(uri) else timeout_s
        self._session = Session(uri, token, database, self._timeout_s, patience, index_of)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and, as its last user in this process, the file. Can be repeated."""
        self._session.close()

    @property
    def place(self) -> str:
        """The file or address for messages, without the password that it may contain."""
        return self._session.place

    # Collections and their properties

    def create(self, name: str, schema: Any, properties: Mapping[str, str]) -> None:
        """Create an empty collection with an index by cosine on its field `vector`.

        Args:
            name: of the collection.
            schema: a schema of pymilvus with a field `vector` and a primary key `id`.
            properties: created together with the collection. The index is created after it, so that what a killed
                process leaves behind can be repaired.

        Raises:
            StoreError: there is a collection of that name with other properties.
        """
        self._session.call(lambda client: self._create(client, name, schema, dict(properties)))

    def _create(self, client: "MilvusClient", name: str, schema: Any, properties: dict[str, str]) -> None:
        from pymilvus.exceptions import MilvusException  # noqa: PLC0415 (1.5 s)

        try:
            client.create_collection(
                name, schema=schema, properties=properties, consistency_level=STRONG, timeout=self._timeout_s
            )
        except MilvusException as error:
            if is_away(error):
                raise
            there = self._properties(client, name)
            if there is None:
                raise
            if there != properties:  # else an earlier attempt of ours succeeded, but its answer was lost
                raise StoreError(f"there is a collection named {name} in {self.place} already") from error
        self._session.make_ready(client, name)

    def index(self, name: str) -> None:
        """Build the index that the collection's properties ask for. Searches of other processes wait meanwhile."""
        self._session.call(lambda client: self._session.make_ready(client, name, BUILD_S), name)

    def drop(self, name: str) -> None:
        """Remove a collection and all its rows, if it exists."""
        self._session.forget(name)
        self._session.call(lambda client: client.drop_collection(name, timeout=self._timeout_s), name)

    def all(self) -> dict[str, dict[str, str]]:
        """Return all collections of the database: name → properties. Each collection's are of one moment."""
        return self._session.call(self._all)

    def _all(self, client: "MilvusClient") -> dict[str, dict[str, str]]:
        names = sorted(client.list_collections(timeout=self._timeout_s))
        found = {name: self._properties(client, name) for name in names}
        return {name: properties for name, properties in found.items() if properties is not None}

    def properties(self, name: str) -> dict[str, str]:
        """Return the properties of a collection, all of one moment."""
        found = self._session.call(lambda client: self._properties(client, name))
        if found is None:
            raise NoCollection(name, self.place)
        return found

    def _properties(self, client: "MilvusClient", name: str) -> dict[str, str] | None:
        """Return the properties of a collection, or None if there is no such collection (any more)."""
        from pymilvus.exceptions import MilvusException  # noqa: PLC0415 (1.5 s)

        try:
            return dict(client.describe_collection(name, timeout=self._timeout_s)["properties"])
        except MilvusException as error:
            if error.code == NOT_FOUND:
                return None
            raise

    def alter(self, name: str, properties: Mapping[str, str]) -> None:
        """Set these properties in one step, and leave the others unchanged."""
        new = dict(properties)
        self._session.call(lambda client: client.alter_collection_properties(name, new, timeout=self._timeout_s), name)

    def remove_properties(self, name: str, keys: Sequence[str]) -> None:
        """Remove properties.

        Raises:
            StoreError: the server cannot remove properties (2.3 cannot).
        """
        self._session.call(
            lambda client: client.drop_collection_properties(name, list(keys), timeout=self._timeout_s), name
        )

    # Rows

    def upsert(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows, or replace those with the same key; at most 64 MiB."""
        self._session.call_bulk(lambda client, time_s: client.upsert(name, list(rows), timeout=time_s), name)

    def delete(self, name: str, keys: Sequence[str]) -> None:
        """Remove the rows with these keys."""
        ids = list(keys)
        self._session.call_bulk(lambda client, time_s: client.delete(name, ids=ids, timeout=time_s), name, loaded=True)

    def flush(self, name: str) -> None:
        """Write the added rows as one segment, at the end of a bulk load: Milvus Lite is slow with unwritten rows."""
        self._session.call_bulk(lambda client, time_s: client.flush(name, timeout=time_s), name, loaded=True)

    def query(
        self, name: str, filter_: str, fields: Sequence[str], *, limit: int = MAX_QUERIES, consistency: str = STRONG
    ) -> list[dict[str, Any]]:
        """Return the rows for which a condition holds, at most `limit` ≤ 16,384 of them."""
        return self._session.call_loaded(
            name,
            lambda client, _: list(
                client.query(
                    name,
                    filter=filter_,
                    output_fields=list(fields),
                    limit=limit,
                    consistency_level=consistency,
                    timeout=self._timeout_s,
                )
            ),
        )

    def count(self, name: str, filter_: str = "") -> int:
        """Return the number of rows for which a condition holds."""

        def ask(client: "MilvusClient", _: int) -> int:
            options = {"consistency_level": STRONG, "timeout": self._timeout_s}
            return int(client.query(name, filter=filter_, output_fields=["count(*)"], **options)[0]["count(*)"])

        return self._session.call_loaded(name, ask)

    def iterate(
        self, name: str, filter_: str, fields: Sequence[str], *, batch: int = READ_ROWS
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield all rows for which a condition holds, `batch` at a time.

        Changes that are made meanwhile may or may not be included.
        """
        options = {"batch_size": batch, "consistency_level": STRONG, "timeout": self._timeout_s}
        reader = self._session.call_loaded(
            name,
            lambda client, _: client.query_iterator(name, filter=filter_, output_fields=list(fields), **options),
        )
        try:
            while rows := self._session.call_loaded(name, lambda *_: reader.next()):
                yield list(rows)
        finally:
            reader.close()

    def read(
        self, name: str, filter_: str, fields: Sequence[str], *, size: int | None = None
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield all rows for which a condition holds, at most `size` at a time: for fields that are short.

        Faster than `iterate` for millions of rows. Changes that are made meanwhile may or may not be included.
        """
        size = size or MAX_QUERIES
        rows = self.query(name, filter_, fields, limit=size)
        if len(rows) < size:
            yield rows
            return
        for part in ranges(self.count(name, filter_), size * 3 // 4):  # some have more than expected
            rows = self.query(name, part.condition(filter_), fields, limit=size)
            if len(rows) < size:
                yield rows
            else:
                yield from self.iterate(name, part.condition(filter_), fields, batch=size)

    def search(  # noqa: PLR0913, PLR0917 (what a search of Milvus has)
        self,
        name: str,
        vectors: NDArray[np.float32],
        top_k: int,
        fields: Sequence[str],
        filter_: str = "",
        index: Index | None = None,
    ) -> list[list[Any]]:
        """Return the rows nearest to each query by cosine, best first.

        Args:
            name: of the collection.
            vectors: (n, dimension), unit length. Search for a whole batch at once: most of the cost is per call.
            top_k: the most rows for each query; fewer if the collection has fewer.
            fields: the fields that are returned with a row.
            filter_: only rows for which this condition holds; empty: all.
            index: of the collection; None: exact. If another one is built meanwhile, nothing is missed for that.

        Returns:
            n lists of hits: `id`, `distance` (the cosine, whatever the index) and `entity`. Empty lists for an empty
            collection.
        """
        index = index or Index()
        rounds = index.kind in ROUNDED and not self._session.scores_exactly
        limit = min(top_k + MORE, MAX_QUERIES) if rounds else top_k
        found: list[list[Any]] = []
        for part in parts(vectors, MAX_QUERIES):
            options = {"limit": limit, "output_fields": [*fields, *(["vector"] if rounds else [])], "filter": filter_}
            answers = self._search(name, part, {**options, "search_params": {"params": index.params(limit)}})
            found += [scored(*each, top_k) for each in zip(part, answers, strict=True)] if rounds else answers
        return found

    def _search(self, name: str, vectors: NDArray[np.float32], options: Mapping[str, Any]) -> list[list[Any]]:
        every = {**options, "anns_field": "vector", "consistency_level": STRONG, "timeout": self._timeout_s}

        def ask(client: "MilvusClient", dimension: int) -> list[list[Any]]:
            return list(client.search(name, list(checked(vectors, dimension, f"a query of {name}")), **every))

        answers = self._session.call_loaded(name, ask)
        if len(answers) != len(vectors):
            raise StoreError(f"Milvus answered {len(answers)} of {len(vectors)} queries of {name}; search again")
        return answers


def parts(items: Any, size: int) -> Iterator[Any]:
    """Return slices of at most `size` items."""
    return (items[start : start + size] for start in range(0, len(items), size))
