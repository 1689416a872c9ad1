"""Collections of one Milvus database: made, filled, changed and searched by their names.

A collection carries properties, which are strings under strings. Tried on Milvus Lite 3.2 and on server 2.3.5: a
change of some properties leaves all others as they are, also when two processes change different ones in the same
moment, and a read that begins after a change has been answered finds it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from patience import Patience
from vectors.connection import NOT_FOUND, is_away
from vectors.errors import NoCollection, StoreError
from vectors.repair import make_ready
from vectors.session import Session

if TYPE_CHECKING:
    from pymilvus import MilvusClient

T = TypeVar("T")

MAX_QUERIES = 16_384  # Milvus's limit of vectors for one search, and of rows for one query
READ_ROWS = 250
STRONG = "Strong"  # reads find all writes acknowledged before; the default may be seconds behind
# Reads find what is there, without waiting 0.2 s for the server's next tick.
ANY = "Eventually"
# float32 unit vectors of 1024 values are within 1e-6; half precision, rounded and not normalised again, within 1e-3.
UNIT_TOLERANCE = 1e-3


class Database:
    """The collections of one Milvus database. Safe to use from several threads.

    Args:
        uri: path of a Milvus Lite file (one process at a time), or http(s)://host:port.
        token: "user:password" or an API key; never part of a message.
        database: name of the server's database; empty: its default.
        timeout_s: for one call. With a server that is away, a call returns within about twice that.
        patience: how calls wait for a server that is away. None: they do not.

    Every method raises `StoreError` for what trying again will not fix, `NoCollection` for a name that is not there,
    and `Away` when Milvus does not answer (after waiting, if there is patience). So does the constructor, which
    connects.
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
        self._session = Session(uri, token, database, timeout_s, patience)
        self._timeout_s = timeout_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and, as its last user in this process, the file. Can be repeated."""
        self._session.close()

    @property
    def place(self) -> str:
        """The file or address, for messages: without a password that may stand in it."""
        return self._session.place

    # Collections and their properties

    def create(self, name: str, schema: Any, properties: Mapping[str, str]) -> None:
        """Make an empty collection with an index for exact search by cosine on its field `vector`.

        Args:
            name: of the collection.
            schema: pymilvus's; a field `vector` and a primary key `id`.
            properties: they come with the collection and the index after it, so what a kill leaves can be repaired.

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
            if there != properties:  # else an attempt of ours succeeded whose answer was lost
                raise StoreError(f"there is a collection named {name} in {self.place} already") from error
        make_ready(client, name, self._timeout_s)

    def drop(self, name: str) -> None:
        """Remove a collection with all its rows, if it is there."""
        self._session.forget(name)
        self._session.call(lambda client: client.drop_collection(name, timeout=self._timeout_s), name)

    def all(self) -> dict[str, dict[str, str]]:
        """All collections of the database by name, with their properties: each's of one moment."""
        return self._session.call(self._all)

    def _all(self, client: "MilvusClient") -> dict[str, dict[str, str]]:
        names = sorted(client.list_collections(timeout=self._timeout_s))
        found = {name: self._properties(client, name) for name in names}
        return {name: properties for name, properties in found.items() if properties is not None}

    def properties(self, name: str) -> dict[str, str]:
        """The properties of a collection, of one moment."""
        found = self._session.call(lambda client: self._properties(client, name))
        if found is None:
            raise NoCollection(name, self.place)
        return found

    def _properties(self, client: "MilvusClient", name: str) -> dict[str, str] | None:
        """None if there is no such collection (any more)."""
        from pymilvus.exceptions import MilvusException  # noqa: PLC0415 (1.5 s)

        try:
            return dict(client.describe_collection(name, timeout=self._timeout_s)["properties"])
        except MilvusException as error:
            if error.code == NOT_FOUND:
                return None
            raise

    def alter(self, name: str, properties: Mapping[str, str]) -> None:
        """Set these properties in one step; the others stay."""
        new = dict(properties)
        self._session.call(lambda client: client.alter_collection_properties(name, new, timeout=self._timeout_s), name)

    def remove_properties(self, name: str, keys: Sequence[str]) -> None:
        """Take properties away.

        Raises:
            StoreError: the server cannot (2.3 cannot).
        """
        self._session.call(
            lambda client: client.drop_collection_properties(name, list(keys), timeout=self._timeout_s), name
        )

    # Rows

    def upsert(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows, or replace those with the same key; at most 64 MiB."""
        self._session.call(lambda client: client.upsert(name, list(rows), timeout=self._timeout_s), name)

    def delete(self, name: str, keys: Sequence[str]) -> None:
        """Remove the rows with these keys."""
        ids = list(keys)
        self._session.call_loaded(name, lambda client, _: client.delete(name, ids=ids, timeout=self._timeout_s))

    def flush(self, name: str) -> None:
        """Write what was added as one segment; for the end of a bulk load. Milvus Lite searches loose rows slowly."""
        self._session.call_loaded(name, lambda client, _: client.flush(name, timeout=self._timeout_s))

    def query(
        self, name: str, filter_: str, fields: Sequence[str], *, limit: int = MAX_QUERIES, consistency: str = STRONG
    ) -> list[dict[str, Any]]:
        """The rows for which a condition holds, at most `limit` ≤ 16,384 of them."""
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
        """Number of the rows for which a condition holds."""

        def ask(client: "MilvusClient", _: int) -> int:
            options = {"consistency_level": STRONG, "timeout": self._timeout_s}
            return int(client.query(name, filter=filter_, output_fields=["count(*)"], **options)[0]["count(*)"])

        return self._session.call_loaded(name, ask)

    def iterate(self, name: str, filter_: str, fields: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        """All rows for which a condition holds, some hundred at a time.

        Changes that are made meanwhile may or may not be among them.
        """
        options = {"batch_size": READ_ROWS, "consistency_level": STRONG, "timeout": self._timeout_s}
        reader = self._session.call_loaded(
            name,
            lambda client, _: client.query_iterator(name, filter=filter_, output_fields=list(fields), **options),
        )
        try:
            while rows := self._session.call(lambda _: reader.next(), name):
                yield list(rows)
        finally:
            reader.close()

    def search(self, name: str, vectors: NDArray[np.float32], top_k: int, fields: Sequence[str]) -> list[list[Any]]:
        """The nearest rows of each query by cosine, best first.

        Args:
            name: of the collection.
            vectors: (n, dimension), unit length. Search a batch at once: Milvus's cost is per call more than per query.
            top_k: at most so many rows for each query; fewer if the collection has fewer.
            fields: of a row that come with it.

        Returns:
            n lists of pymilvus's hits: `id`, `distance` (the cosine) and `entity`; empty ones for an empty collection.
        """
        found: list[list[Any]] = []
        for part in parts(vectors, MAX_QUERIES):
            found += self._search(name, part, top_k, list(fields))
        return found

    def _search(self, name: str, vectors: NDArray[np.float32], top_k: int, fields: list[str]) -> list[list[Any]]:
        def ask(client: "MilvusClient", dimension: int) -> list[list[Any]]:
            data = list(checked(vectors, dimension, f"a query of {name}"))
            options = {"consistency_level": STRONG, "timeout": self._timeout_s}
            return list(client.search(name, data, limit=top_k, anns_field="vector", output_fields=fields, **options))

        answers = self._session.call_loaded(name, ask)
        if len(answers) != len(vectors):
            raise StoreError(f"Milvus answered {len(answers)} of {len(vectors)} queries of {name}; search again")
        return answers


def checked(vectors: NDArray[np.float32], dimension: int, what: str) -> NDArray[np.float32]:
    """The vectors (n, d), if cosine means something for all of them.

    Milvus takes NaN and zeros and never finds them; a wrong length comes back as an error without a name.

    Raises:
        StoreError: another dimension, NaN, infinity, or length other than one.
    """
    if vectors.ndim != 2 or vectors.shape[1] != dimension:  # noqa: PLR2004 (rows and columns)
        raise StoreError(f"{what} must have {dimension} values, got an array of shape {vectors.shape}")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    wrong = ~(np.abs(lengths - 1.0) <= UNIT_TOLERANCE)  # written so that NaN is wrong
    if wrong.any():
        row = int(np.argmax(wrong))
        raise StoreError(f"{what} must be of unit length, row {row} has length {lengths[row]:g}")
    return vectors


def parts(items: Any, size: int) -> Iterator[Any]:
    """Slices of at most `size` items."""
    return (items[start : start + size] for start in range(0, len(items), size))
