"""The places where sets are searched: Milvus Lite in a separate process, and the Milvus server of `make test`."""

from abc import ABC, abstractmethod
from pathlib import Path

import psutil

from harness.milvus_server import MilvusServer
from vectors.lite_server import LiteServer


class Place(ABC):
    """One Milvus and its data. It can be stopped and started again; the data stays.

    Args:
        folder: for its data and logs; empty, or from an earlier start.
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
        """Kill it; its data is no longer needed."""

    @abstractmethod
    def process(self) -> psutil.Process:
        """The process that holds the vectors."""

    @property
    def rss(self) -> int:
        """Bytes of memory that the process holds."""
        return int(self.process().memory_info().rss)

    @property
    def peak(self) -> int:
        """The most bytes of memory that the process has held."""
        status = Path(f"/proc/{self.process().pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    @property
    def cpu_s(self) -> float:
        """Processor seconds that the process has used."""
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
        """Start it; it answers at once."""
        self._server = LiteServer(self._folder / "sets.db")
        return self._server.uri

    def stop(self) -> None:
        """End it in an orderly way."""
        self._server.stop()

    def end(self) -> None:
        """Kill it."""
        self._server.kill()

    def process(self) -> psutil.Process:
        """The process that holds the vectors."""
        return psutil.Process(self._server.pid)


class Server(Place):
    """The standalone Milvus server of the PyPI package `milvus`."""

    name = "Milvus server"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = MilvusServer(folder)

    def start(self) -> str:
        """Start it; it answers after about 15 s."""
        return self._server.start()

    def stop(self) -> None:
        """End it in an orderly way."""
        self._server.stop()

    def end(self) -> None:
        """Kill it."""
        self._server.kill()

    def process(self) -> psutil.Process:
        """The process that holds the vectors."""
        return self._server.process()
