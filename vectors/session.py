"""Makes calls to Milvus over one connection. Waits while it is away, and loads collections again after a restart."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from patience import Away, Patience
from vectors import connection as milvus
from vectors import lite
from vectors.errors import StoreError
from vectors.index import SCORES_EXACTLY, Index
from vectors.passing import NO_REPLICA, NOT_FULLY_LOADED, NOT_LOADED
from vectors.repair import make_ready

if TYPE_CHECKING:
    from pymilvus import MilvusClient

T = TypeVar("T")
IndexOf = Callable[[Mapping[str, str]], Index]  # properties of a collection → the index that it should have

LITE = "milvus_lite"  # beginning of the version that Milvus Lite names
RELOADED = NOT_LOADED | {NOT_FULLY_LOADED, NO_REPLICA}
BULK_S = 600.0  # from then on, no more time is given to a call that adds, removes or writes many rows


class Session:
    """One connection to a Milvus Lite file or a server. Safe to use from several threads.

    Args:
        uri, token, database, timeout_s, patience, index_of: as for `Database`.
    """

    def __init__(  # noqa: PLR0913, PLR0917 (what a database is given)
        self,
        uri: str,
        token: str,
        database: str,
        timeout_s: float,
        patience: Patience | None,
        index_of: IndexOf = lambda _: Index(),
    ) -> None:
        milvus.check_uri(uri)
        self.place = milvus.place(uri)
        self.timeout_s = timeout_s
        self._patience = patience
        self._index_of = index_of
        self._known_version: str | None = None
        self._loading = threading.Lock()
        self._dimensions: dict[str, int] = {}  # loaded collection → dimension of its vectors
        self._replicas: dict[str, list[int] | None] = {}  # loaded collection → what a server calls what it has loaded
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
        """Return what `action` returns.

        Args:
            action: one or a few calls of the client, safe to repeat.
            name: the collection that the action is about; then "not found" means that there is no such collection.

        Raises:
            StoreError: trying again will not help.
            Away: Milvus does not answer, even after waiting if there is patience.
        """
        return self._patiently(lambda: action(self._client), name)

    def call_loaded(self, name: str, action: Callable[["MilvusClient", int], T]) -> T:
        """Return what `action(client, dimension)` returns, like `call`, for a collection that must be loaded.

        Another process may have dropped the collection and created it again, or the server was restarted and has
        nothing loaded. We do not check that before each call, but load the collection again when a call fails.

        While a process changes the index, a server that releases the collection answers a search that has begun without
        an error and without rows, and while it loads the collection perhaps with some of them. So what is loaded must
        be the same after a call as it was when we had it loaded; else the call is made again.
        """
        return self._patiently(lambda: self._loaded(name, action), name)

    @property
    def scores_exactly(self) -> bool:
        """Whether a search gives exact scores, whatever the index: Milvus Lite as we serve it does."""
        return self.call(self._version).endswith(SCORES_EXACTLY)

    def _is_lite(self, client: "MilvusClient") -> bool:
        return self._file is not None or self._version(client).startswith(LITE)

    def _version(self, client: "MilvusClient") -> str:
        if self._known_version is None:
            self._known_version = str(client.get_server_version(timeout=self.timeout_s))
        return self._known_version

    def call_bulk(self, action: Callable[["MilvusClient", float], T], name: str, *, loaded: bool = False) -> T:
        """Return what `action(client, timeout_s)` returns, with twice the time whenever the last was not enough.

        A Milvus that is being filled merges its files meanwhile, and answers late: on a busy machine a flush of 100,000
        rows took longer than 10 s every second time. A server that is away is noticed after the usual time.

        Args:
            action: as for `call`.
            name: of the collection.
            loaded: whether it must be loaded, as for `call_loaded`.
        """

        def attempts(client: "MilvusClient") -> T:
            timeout_s, end = self.timeout_s, time.monotonic() + BULK_S
            while True:
                try:
                    return action(client, timeout_s)
                except Exception as error:
                    left_s = end - time.monotonic()
                    if not milvus.is_late(error) or left_s <= 0:
                        raise
                timeout_s = min(2 * timeout_s, left_s)

        return self.call_loaded(name, lambda client, _: attempts(client)) if loaded else self.call(attempts, name)

    def forget(self, name: str) -> None:
        """Note that the collection is not loaded any more."""
        self._dimensions.pop(name, None)

    def _loaded(self, name: str, action: Callable[["MilvusClient", int], T]) -> T:
        from pymilvus.exceptions import MilvusException  # noqa: PLC0415 (1.5 s)

        dimension = self._dimensions.get(name)
        if dimension is not None:
            try:
                return self._checked(name, action, dimension)
            except (MilvusException, StoreError) as error:
                if isinstance(error, MilvusException) and error.code not in RELOADED and milvus.is_away(error):
                    raise
                self.forget(name)
        return self._checked(name, action, self._load(name))

    def _checked(self, name: str, action: Callable[["MilvusClient", int], T], dimension: int) -> T:
        from pymilvus.exceptions import MilvusException  # noqa: PLC0415 (1.5 s)

        loaded = self._replicas.get(name)
        answer = action(self._client, dimension)
        if loaded != self._loaded_now(name):
            raise MilvusException(NOT_FULLY_LOADED, f"{name} was loaded again while it was read")
        return answer

    def _loaded_now(self, name: str) -> list[int] | None:
        """Return the numbers of what a server has loaded of a collection: others whenever it is loaded again.

        Milvus Lite, which answers one call after the other, has none.
        """
        from pymilvus.exceptions import MilvusException  # noqa: PLC0415 (1.5 s)

        if self._is_lite(self._client):
            return None
        try:
            return sorted(one.id for one in self._client.describe_replica(name, timeout=self.timeout_s))
        except MilvusException as error:
            if error.code != NO_REPLICA:
                raise
            return []

    def _load(self, name: str) -> int:
        # One thread at a time: a repair drops the index, which must not happen while another thread loads it.
        with self._loading:
            described = self._client.describe_collection(name, timeout=self.timeout_s)
            self.make_ready(self._client, name)
            self._replicas[name] = self._loaded_now(name)
            self._dimensions[name] = _dimension(described["fields"])
            return self._dimensions[name]

    def make_ready(self, client: "MilvusClient", name: str, build_s: float | None = None) -> None:
        """Load a collection with the index that its properties ask for, see `repair.make_ready`."""

        def wanted() -> Index:
            described = client.describe_collection(name, timeout=self.timeout_s)
            return self._index_of(dict(described["properties"]))

        make_ready(client, name, wanted, self.timeout_s, build_s=build_s, lite=self._is_lite(client))

    def _patiently(self, action: Callable[[], T], name: str) -> T:
        def attempt() -> T:
            try:
                return action()
            except (StoreError, Away):
                raise
            except Exception as error:
                if not milvus.is_milvus_error(error):
                    raise
                if milvus.is_away(error):
                    raise Away(milvus.why_away(error, self.place)) from error
                raise milvus.explained(error, self.place, name) from error

        if self._patience is None:
            return attempt()
        return self._patience.call(attempt, lambda error: isinstance(error, Away), "milvus")


def _dimension(fields: list[dict[str, dict[str, int]]]) -> int:
    """Return the dimension of the vectors, from the collection's own schema; 0 if it has no vectors."""
    return next((int(one["params"]["dim"]) for one in fields if "dim" in one.get("params", {})), 0)
