"""Serves a Milvus Lite file on loopback, so that several processes of one machine can share it.

`serving` serves it from this process (`vigilens milvus`). `LiteServer` and `lite_server` start another process for it
(demo, tests, benchmarks), which ends with its parent, however that ends.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import IO, Self

from vectors.errors import StoreError

PORT = 19530  # Milvus's default
STOP_S = 30.0  # a server that does not stop within this time is killed; Milvus Lite loses no acknowledged row by that


@contextmanager
def serving(data: Path, port: int = PORT, host: str = "127.0.0.1", *, remote: bool = False) -> Iterator[str]:
    """Serve the file from a thread of this process; yields the address for `milvus.uri`.

    Args:
        data: the Milvus Lite file; it is created if it does not exist.
        port: 0 takes any free one.
        host: address to listen on.
        remote: permit an address that other machines can reach. Milvus Lite has no password.

    Raises:
        StoreError: the file is in use, the port is taken, or the address is not loopback and `remote` is not set.
    """
    if not remote and not is_loopback(host):
        raise StoreError(
            f"{host} can be reached from other machines, and Milvus Lite has no password; use 127.0.0.1, or give "
            "--allow-remote if a firewall protects it"
        )
    port = _free(host, port)
    from vectors import connection as client  # noqa: PLC0415 (pymilvus)
    from vectors import lite  # noqa: PLC0415 (pymilvus)

    engine = lite.serve(data, host, port)
    client.quieten()
    try:
        yield f"http://{host}:{engine.port}"
    finally:
        engine.close()


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach the address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _free(host: str, port: int) -> int:
    """Return the port if nobody listens there: gRPC would silently share it, and each server get half of the calls."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StoreError(
                f"{host}:{port} cannot be listened on ({error.strerror}); is Milvus running there already? If not, "
                "choose another --port"
            ) from error
        return int(probe.getsockname()[1])


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and SIGINT set. The previous handlers are restored at the end. Main thread only."""
    stopping = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopping.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class LiteServer:
    """A process that serves a Milvus Lite file on 127.0.0.1. It is ready when the constructor returns.

    Args:
        data: the file.
        port: 0 takes any free one.

    Attributes:
        uri: address for `milvus.uri`.
        pid: id of the process.

    Raises:
        StoreError: the file is in use or the port is taken.
    """

    def __init__(self, data: Path, port: int = 0) -> None:
        data.absolute().parent.mkdir(parents=True, exist_ok=True)
        # In a session of its own: Ctrl-C must reach only this process, which stops the server when it is done.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "vectors.lite_server", str(data.absolute()), str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            cwd=Path(__file__).parents[1],
        )
        self.pid = self._process.pid
        assert self._process.stdout is not None  # noqa: S101 (it is a pipe; for the type checker)
        self.uri = self._process.stdout.readline().decode().strip()
        if not self.uri:
            _, said = self._process.communicate()
            raise StoreError(said.decode(errors="replace").strip().rpartition("\n")[2] or "Milvus Lite did not start")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process cleanly: running calls end, and the file is closed. Can be repeated."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the process without warning (SIGKILL)."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        self._process.send_signal(how)
        try:
            self._process.communicate(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


@contextmanager
def lite_server(data: Path, port: int = 0) -> Iterator[str]:
    """Run a `LiteServer` for the length of a `with` block; yields its address."""
    with LiteServer(data, port) as server:
        yield server.uri


def main(data: str, port: str) -> int:
    """Serve until SIGTERM, SIGINT, or the end of the parent process; returns the exit code."""
    with stop_on_signal() as stopping:
        threading.Thread(target=_end_with_parent, args=(sys.stdin.buffer, stopping), daemon=True).start()
        try:
            with serving(Path(data), int(port)) as uri:
                sys.stdout.write(f"{uri}\n")
                sys.stdout.flush()
                stopping.wait()
        except StoreError as error:
            sys.stderr.write(f"{error}\n")
            return 1
    return 0


def _end_with_parent(parent: IO[bytes], stopping: threading.Event) -> None:
    """Stop this process when its parent ends, even by kill -9: then the pipe from the parent ends."""
    os.read(parent.fileno(), 1)
    stopping.set()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
