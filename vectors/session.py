"""Calls to Milvus: one connection, calls repeated with patience, collections loaded again after a restart."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from patience import Away, Patience
from vectors import connection as milvus
from vectors import lite
from vectors.errors import StoreError
from vectors.repair import make_ready

if TYPE_CHECKING:
    from pymilvus import MilvusClient

T = TypeVar("T")


class Session:
    """One connection to a Milvus Lite file or a server. Safe to use from several threads.

    Args:
        uri, token, database, timeout_s, patience: as for `Database`.
    """

    def __init__(self, uri: str, token: str, database: str, timeout_s: float, patience: Patience | None) -> None:
        milvus.check_uri(uri)
        self.place = milvus.place(uri)
        self.timeout_s = timeout_s
        self._patience = patience
        self._loading = threading.Lock()
        self._dimensions: dict[str, int] = {}  # of the collections that we loaded
        self._file = milvus.file_of(uri) if milvus.is_file(uri) else None
        address = uri if self._file is None else lite.borrow(self._file)
        try:
            self._client = self._patiently(lambda: milvus.connect(address, token, database, timeout_s), "")
        except BaseException:
            if self._file is not None:
                lite.release(self._file)
            raise
        self._open = True

    def close(self) -> None:
        """Close the connection and, as its last user in this process, the file. Can be repeated."""
        with self._loading:
            was_open, self._open = self._open, False
        if was_open:
            self._client.close()
            if self._file is not None:
                lite.release(self._file)

    def call(self, action: Callable[["MilvusClient"], T], name: str = "") -> T:
        """What `action` returns.

        Args:
            action: one or a few calls of the client, safe to repeat.
            name: of the collection that it is about; "not found" then means that there is no such collection.

        Raises:
            StoreError: trying again will not help.
            Away: Milvus does not answer; the call waited for it if there is patience.
        """
        return self._patiently(lambda: action(self._client), name)

    def call_loaded(self, name: str, action: Callable[["MilvusClient", int], T]) -> T:
        """What `action(client, dimension)` returns for a collection that is loaded, as `call` does.

        Another process may have dropped the collection and made it again, or the server was restarted and has nothing
        loaded. Rather than ask before each call, we look again when one fails.
        """
        return self._patiently(lambda: self._loaded(name, action), name)

    def forget(self, name: str) -> None:
        """The collection is not loaded any more."""
        self._dimensions.pop(name, None)

    def _loaded(self, name: str, action: Callable[["MilvusClient", int], T]) -> T:
        from pymilvus.exceptions import MilvusException  # noqa: PLC0415 (1.5 s)

        dimension = self._dimensions.get(name)
        if dimension is not None:
            try:
                return action(self._client, dimension)
            except (MilvusException, StoreError) as error:
                if isinstance(error, MilvusException) and milvus.is_away(error):
                    raise
                self.forget(name)
        return action(self._client, self._load(name))

    def _load(self, name: str) -> int:
        # One at a time: a repair drops the index, which must not happen under another thread's load.
        with self._loading:
            described = self._client.describe_collection(name, timeout=self.timeout_s)
            make_ready(self._client, name, self.timeout_s)
            self._dimensions[name] = _dimension(described["fields"])
            return self._dimensions[name]

    def _patiently(self, action: Callable[[], T], name: str) -> T:
        def attempt() -> T:
            try:
                return action()
            except (StoreError, Away):
                raise
            except Exception as error:
                if not milvus.is_librarys(error):
                    raise
                if milvus.is_away(error):
                    raise Away(milvus.why_away(error, self.place)) from error
                raise milvus.sentence(error, self.place, name) from error

        if self._patience is None:
            return attempt()
        return self._patience.call(attempt, lambda error: isinstance(error, Away), "milvus")


def _dimension(fields: list[dict[str, dict[str, int]]]) -> int:
    """Values of a vector, from the collection's own schema: 0 where it has no vectors."""
    return next((int(one["params"]["dim"]) for one in fields if "dim" in one.get("params", {})), 0)
