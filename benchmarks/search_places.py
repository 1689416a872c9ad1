"""Where sets are searched: Milvus Lite in a process of its own, and a Milvus server that `make test` installs."""

import os
import socket
from abc import ABC, abstractmethod
from pathlib import Path

import psutil

from harness.processes import Leash
from vectors.lite_server import LiteServer

ROOT = Path(__file__).resolve().parents[1]
SERVER = ROOT / ".cache/milvus-server/bin/milvus-server"
STOP_S = 30.0  # a server that has not stopped by then is killed: what was flushed is on the disk
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


class Place(ABC):
    """One Milvus and its data. `start` and `stop` can follow one another; the data stays.

    Args:
        folder: for its data and logs; empty or its own.
    """

    name = ""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def start(self) -> str:
        """Start it; returns its address, which may not answer yet."""

    @abstractmethod
    def stop(self) -> None:
        """End it in an orderly way."""

    @abstractmethod
    def end(self) -> None:
        """End it at once; its data is not needed any more."""

    @abstractmethod
    def process(self) -> psutil.Process:
        """The process that holds the vectors."""

    @property
    def rss(self) -> int:
        """Bytes of memory that the process holds."""
        return int(self.process().memory_info().rss)

    @property
    def peak(self) -> int:
        """Bytes of memory that the process has held at most."""
        status = Path(f"/proc/{self.process().pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    @property
    def cpu_s(self) -> float:
        """Processor seconds that it has used."""
        times = self.process().cpu_times()
        return float(times.user + times.system)

    @property
    def disk(self) -> int:
        """Bytes of its data on the disk."""
        return sum(each.stat().st_size for each in self._folder.rglob("*") if each.is_file())


class Lite(Place):
    """Milvus Lite as `vigilens milvus` serves it."""

    name = "Milvus Lite"

    def start(self) -> str:
        """See `Place`. It answers."""
        self._server = LiteServer(self._folder / "sets.db")
        return self._server.uri

    def stop(self) -> None:
        """See `Place`."""
        self._server.stop()

    def end(self) -> None:
        """See `Place`."""
        self._server.kill()

    def process(self) -> psutil.Process:
        """See `Place`."""
        return psutil.Process(self._server.pid)


class Server(Place):
    """The standalone Milvus server of the PyPI package `milvus`."""

    name = "Milvus server"

    def start(self) -> str:
        """See `Place`. It answers after about 15 s."""
        *ports, clients, peers = _free_ports(len(_PORTS) + 2)
        arguments = [word for kind, port in zip(_PORTS, ports, strict=True) for word in (f"--{kind}-port", str(port))]
        environment = {**os.environ, "ETCD_CONFIG_PATH": str(self._etcd(clients, peers))}
        self._leash = Leash()
        self._launcher = self._leash.start(
            [SERVER, "--data", self._folder / "data", *arguments], self._folder / "milvus.log", env=environment
        )
        return f"http://127.0.0.1:{ports[0]}"

    def stop(self) -> None:
        """See `Place`."""
        server = self.process()
        server.terminate()
        psutil.wait_procs([server], timeout=STOP_S)
        self._leash.close()

    def end(self) -> None:
        """See `Place`."""
        self._leash.close()

    def process(self) -> psutil.Process:
        """See `Place`. The launcher is a script that waits for it."""
        return psutil.Process(self._launcher.pid).children()[0]

    def _etcd(self, clients: int, peers: int) -> Path:
        """Settings of the etcd inside it, which otherwise takes the ports 2379 and 2380 from whoever needs them."""
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


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports
