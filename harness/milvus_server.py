"""The real Milvus server on this machine: the PyPI package `milvus`, in a separate environment.

    with milvus_server(folder) as uri:
        ...

It answers about 15 s after its start. `Store(uri, patience=Patience(60))` waits for that.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # of the extra `dev`: the demo does not use this file

from harness.ports import free_ports
from harness.processes import Leash

PROGRAM = Path(__file__).parents[1] / ".cache/milvus-server/bin/milvus-server"
STOP_TIMEOUT_S = 30.0  # then it is killed: what was flushed is on the disk
_PORTS = (
    "proxy",
    "etcd",
    "root-coord",
    "proxy-internal",
    "query-coord",
    "query-node",
    "index-coord",
    "index-node",
    "data-coord",
    "data-node",
)


class NoMilvus(Exception):  # noqa: N818 (named after what is missing)
    """The server is not installed; the message says how to install it."""


def program() -> Path:
    """The server's launcher.

    Raises:
        NoMilvus: it is not installed.
    """
    if not PROGRAM.exists():
        raise NoMilvus(f"no Milvus server is installed: run `make {PROGRAM.relative_to(PROGRAM.parents[3])}`")
    return PROGRAM


class MilvusServer:
    """One server and its data. After a stop it can be started again: the data stays, the address changes.

    Args:
        folder: for its data and its log `milvus.log`; must exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self) -> str:
        """Start it; returns its address, which does not answer yet.

        Raises:
            NoMilvus: it is not installed.
        """
        *ports, clients, peers = free_ports(len(_PORTS) + 2)
        arguments = [word for kind, port in zip(_PORTS, ports, strict=True) for word in (f"--{kind}-port", str(port))]
        command: list[str | Path] = [program(), "--data", self._folder / "data", *arguments]
        environment = {**os.environ, "ETCD_CONFIG_PATH": str(self._etcd(clients, peers))}
        self._leash = Leash()
        self._launcher = self._leash.start(command, self._folder / "milvus.log", env=environment)
        return f"http://127.0.0.1:{ports[0]}"

    def stop(self) -> None:
        """End it in an orderly way (SIGTERM)."""
        server = self.process()
        server.terminate()
        psutil.wait_procs([server], timeout=STOP_TIMEOUT_S)
        self.kill()

    def kill(self) -> None:
        """Kill it."""
        self._leash.close()

    def process(self) -> psutil.Process:
        """The server's process: the launcher is a script that waits for it."""
        return psutil.Process(self._launcher.pid).children()[0]

    def _etcd(self, clients: int, peers: int) -> Path:
        """Settings of the server's etcd, which would otherwise use the ports 2379 and 2380."""
        client, peer = f"http://127.0.0.1:{clients}", f"http://127.0.0.1:{peers}"
        facts = {
            "name": "default",
            "data-dir": str(self._folder / "etcd"),
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
        }
        path = self._folder / "etcd.yaml"
        path.write_text("".join(f"{key}: {value}\n" for key, value in facts.items()))
        return path


@contextmanager
def milvus_server(folder: Path) -> Iterator[str]:
    """A server for the duration of the `with` block; yields its address, which answers after about 15 s.

    Raises:
        NoMilvus: it is not installed.
    """
    server = MilvusServer(folder)
    uri = server.start()
    try:
        yield uri
    finally:
        server.kill()
