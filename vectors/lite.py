"""Runs Milvus Lite inside this process: one engine per file, shared by all stores, and closed with the last of them.

pymilvus could start it, but then hides why a start fails, does not close it before the process ends, and serves it with
ten threads. Milvus Lite's engine takes no locks: two threads that write to a collection, or open the same one at the
same moment, would each work on a state of their own. So one thread serves all calls in turn.
"""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vectors.connection import file_of, is_file
from vectors.errors import StoreError
from vectors.without_pandas import load_milvus_lite

SERVING_THREADS = 1
STOP_S = 5.0  # time for running calls to end before the file is closed


@dataclass(slots=True)
class Engine:
    """An open file, and the port at which this process serves it."""

    server: Any
    database: Any
    port: int
    users: int = 0

    @property
    def uri(self) -> str:
        """Address for a client of this machine."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop serving, write what is unwritten, and release the file."""
        self.server.stop(STOP_S).wait()
        self.database.close()


_open: dict[Path, Engine] = {}
# Reentrant, because the garbage collector may close a forgotten store while the same thread opens another.
_lock = threading.RLock()


def serve(path: Path, host: str = "127.0.0.1", port: int = 0) -> Engine:
    """Open a file and serve it.

    Raises:
        StoreError: another process uses it, or it cannot be opened.
    """
    load_milvus_lite()
    from milvus_lite.adapter.grpc.server import start_server_in_thread  # noqa: PLC0415 (0.5 s)
    from milvus_lite.exceptions import DataDirLockedError  # noqa: PLC0415

    from vectors import lite_merging, lite_patch  # noqa: PLC0415

    if not path.absolute().parent.is_dir():
        raise StoreError(f"{path}: the folder {path.absolute().parent} does not exist; make it or change milvus.uri")
    lite_patch.apply_patch()
    lite_merging.apply_patch()
    try:
        return Engine(*start_server_in_thread(str(path), host=host, port=port, max_workers=SERVING_THREADS))
    except DataDirLockedError as error:
        raise StoreError(
            f"{path} is in use by another process; for several at a time run `vigilens milvus` "
            "and set milvus.uri to the address that it prints"
        ) from error
    except OSError as error:
        raise StoreError(f"{path} cannot be opened as a Milvus Lite file: {error.strerror or error}") from error


def borrow(path: Path) -> str:
    """Return the address of the file's engine in this process. The first user starts the engine."""
    with _lock:
        engine = _open.get(path.resolve())
        if engine is None:
            engine = _open[path.resolve()] = serve(path)
        engine.users += 1
        return engine.uri


def address(uri: str) -> str:
    """Return the address at which other processes of this machine reach what a `milvus.uri` leads to.

    Raises:
        KeyError: it is a file that this process has not opened.
    """
    if not is_file(uri):
        return uri
    with _lock:
        return _open[file_of(uri).resolve()].uri


def release(path: Path) -> None:
    """Undo one `borrow`. The last user closes the file."""
    with _lock:
        engine = _open[path.resolve()]
        engine.users -= 1
        if engine.users == 0:
            del _open[path.resolve()]
            engine.close()
