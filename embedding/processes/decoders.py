"""Files → views, each in a decoder process with limits. A picture that ends its process does not end the service.

A file that kills, outlasts or outgrows its process is tried once more in a fresh one, because the machine may have been
short of memory; then it is unreadable, with a reason of its own. Its neighbours are not concerned.
"""

import contextlib
import json
import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import embedding
from embedding.image import Reason, Unreadable
from embedding.picture import Looked, Wanted
from embedding.processes import wire

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("vigilens.decode")

_TRIES = 2  # processes for one file
_FORKS = 50  # tries to get a process while the machine has no room for it, a tenth of a second apart
_STARTS = 3  # times that the spawner may end before it has started one
_FORK_PAUSE_S = 0.1


class NoDecoder(Exception):  # noqa: N818 (named after what is missing)
    """No decoder process could be started, so no picture can be looked at. The message says why."""


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """What one file may take.

    Attributes:
        cpu_s: seconds of processor time.
        wall_s: seconds by the clock.
        memory_bytes: address space of the process, with its libraries (about 0.4 GB).
    """

    cpu_s: float = 10.0
    wall_s: float = 50.0
    memory_bytes: int = 2 << 30


@dataclass(frozen=True, slots=True)
class _Died:
    """How a process ended while it had a file."""

    reason: Reason
    detail: str


class Decoders:
    """A number of decoder processes, started when they are first needed. Safe to use from several threads.

    Args:
        number: files at the same time; a further call waits.
        limits: for each file.

    Attributes:
        number: as given.

    Raises:
        NoDecoder: they cannot be started.
    """

    def __init__(self, number: int, limits: ProcessLimits | None = None) -> None:
        self.number = number
        self.limits = limits or ProcessLimits()
        self._closed = False
        self._spawner = _Spawner()
        # The last one used comes first: its memory is in the processor's cache.
        self._free: queue.LifoQueue[_Decoder | None] = queue.LifoQueue()
        for _ in range(number):
            self._free.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def look_into(self, data: bytes, wanted: Wanted) -> Looked | Unreadable:
        """The views of the file in `data`, or why there are none: see `embedding.views`.

        Raises:
            NoDecoder: a process has ended, and no other can be started.
        """
        died = _Died(Reason.DECODE_CRASHED, "")
        for _ in range(_TRIES):
            found = self._tried(data, wanted)
            if not isinstance(found, _Died):
                return found
            died = found
            fields = {"why": died.detail, "bytes": len(data)}
            log.warning("a picture ended its decoder process", extra={"fields": fields})
        return Unreadable(died.reason, died.detail)

    def close(self) -> None:
        """End all processes, once they are free. Can be repeated."""
        self._closed = True
        self._spawner.close()
        free: list[_Decoder | None] = []
        with contextlib.suppress(queue.Empty):
            while True:
                free.append(self._free.get_nowait())
        for decoder in free:
            if decoder:
                decoder.close()
            self._free.put(None)  # otherwise a later call would wait for ever

    def _tried(self, data: bytes, wanted: Wanted) -> Looked | Unreadable | _Died:
        with self._borrowed() as borrowed:
            decoder = borrowed.decoder or self._spawner.decoder(self.limits)
            borrowed.decoder = None  # whatever happens, it is not used again unless it has answered
            try:
                found = decoder.look_into(data, wanted, self.limits)
            except BaseException:
                self._spawner.end(decoder)
                raise
            if not isinstance(found, _Died):
                borrowed.decoder = decoder
                return found
            return self._why(self._spawner.end(decoder), found)

    def _why(self, status: int | None, found: _Died) -> _Died:
        """Why a process failed, if its exit status says more."""
        if found.reason is not Reason.DECODE_CRASHED or status is None or not os.WIFSIGNALED(status):
            return found
        number = os.WTERMSIG(status)
        if number == signal.SIGPROF:
            limit = f"it takes more than {self.limits.cpu_s:g} s of processor time to decode"
            return _Died(Reason.DECODE_CPU_LIMIT, limit)
        what = "out of memory, or killed" if number == signal.SIGKILL else signal.Signals(number).name
        return _Died(Reason.DECODE_CRASHED, f"the process that decoded it ended: {what}")

    @contextmanager
    def _borrowed(self) -> "Iterator[_Borrowed]":
        borrowed = _Borrowed(self._free.get())
        try:
            yield borrowed
        finally:
            if self._closed and borrowed.decoder:
                borrowed.decoder.close()
                borrowed.decoder = None
            self._free.put(borrowed.decoder)


@dataclass(slots=True)
class _Borrowed:
    """A place for a process; the process is started when it is first needed, or after one has ended."""

    decoder: "_Decoder | None"


class _Decoder:
    """The service's end of one decoder process."""

    def __init__(self, pid: int, requests: socket.socket) -> None:
        self.pid = pid
        self._requests = requests

    def look_into(self, data: bytes, wanted: Wanted, limits: ProcessLimits) -> Looked | Unreadable | _Died:
        """The answer, or how the process failed; then it must be ended."""
        until = time.monotonic() + limits.wall_s
        try:
            wire.send(self._requests, wire.of_wanted(wanted), [data], until=until)
            # All of an answer was in the process's memory at once.
            head, body = wire.receive(self._requests, until=until, most=limits.memory_bytes)
            if wire.MEMORY in head:
                what = f"it takes more than {limits.memory_bytes >> 20} MiB to decode"
                return _Died(Reason.DECODE_MEMORY_LIMIT, what)
            return wire.to_looked(head, body, wanted)
        except TimeoutError:
            return _Died(Reason.DECODE_TIMED_OUT, f"it takes more than {limits.wall_s:g} s to decode")
        except wire.BadAnswer as error:
            return _Died(Reason.DECODE_CRASHED, f"the process that decoded it gave no proper answer ({error})")
        except wire.Closed:
            return _Died(Reason.DECODE_CRASHED, "the process that decoded it ended")

    def close(self) -> None:
        """Close the socket; the process ends."""
        self._requests.close()


class _Spawner:
    """The program that forks decoders, started again if it has died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._program, self._control = _start()

    def decoder(self, limits: ProcessLimits) -> _Decoder:
        """A new decoder process.

        Raises:
            NoDecoder: none can be started.
        """
        why, ended = "closed", 0
        for _ in range(_FORKS):
            ours, theirs = socket.socketpair()
            request = {"memory_bytes": limits.memory_bytes, "cpu_s": limits.cpu_s}
            with theirs:
                answer = self._ask(request, [theirs.fileno()])
            if "pid" in answer:
                return _Decoder(int(answer["pid"]), ours)
            ours.close()
            why = str(answer.get("error", why))
            ended += "code" in answer
            if self._closed or ended == _STARTS:
                break
            time.sleep(_FORK_PAUSE_S)
        raise NoDecoder(f"no process can be started to decode pictures: {why}; is there enough memory?")

    def end(self, decoder: _Decoder) -> int | None:
        """End a decoder process and return its status; None if it is not known."""
        decoder.close()
        status = self._ask({"end": decoder.pid}, []).get("status")
        return None if status is None else int(status)

    def close(self) -> None:
        """End the program; decoders end when their sockets close. Can be repeated."""
        with self._lock:
            self._closed = True
            self._control.close()
            if self._program:
                self._program.wait()

    def _ask(self, request: dict[str, Any], passed: list[int]) -> dict[str, Any]:
        """Its answer; an empty one if it is gone. Then it is started again for the next question."""
        with self._lock:
            if self._closed:
                return {}
            try:
                socket.send_fds(self._control, [json.dumps(request).encode()], passed)
                if answer := self._control.recv(wire.MESSAGE_BYTES):
                    found: dict[str, Any] = json.loads(answer)
                    return found
            except OSError:
                pass
            self._control.close()
            code = self._program.wait() if self._program else 0
            log.error("the program that starts decoder processes ended", extra={"fields": {"code": code}})
            self._program, self._control = _start()
            return {"error": f"the program that starts them ended with {code}", "code": code}


_prepared: list[tuple["subprocess.Popen[bytes] | None", socket.socket]] = []  # the program of `prepare`


def prepare() -> None:
    """Start a program of which the programs for later decoders are forks, also those of forks of this process.

    A program that is started by itself imports for 0.2 s before it opens the first file.
    """
    _prepared.append(_start())


def _start() -> tuple["subprocess.Popen[bytes] | None", socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if _prepared:
        with theirs, contextlib.suppress(OSError):
            socket.send_fds(_prepared[0][1], [b'{"serve": true}'], [theirs.fileno()])
            return None, ours  # its end need not be waited for
        ours.close()
        _prepared.pop()[1].close()
        return _start()
    # Nothing of the service's environment: it holds passwords. One thread: the libraries' own would only take memory.
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(Path(embedding.__file__).parent.parent)
    # Otherwise glibc returns the memory of each picture to the system, and asks for it again for the next one: 870 page
    # faults for 640 x 480 pixels, a quarter of the time. Blocks above 32 MiB are returned at once, others now and then.
    environment |= {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}
    with theirs, contextlib.ExitStack() as failed:
        failed.callback(ours.close)
        program = subprocess.Popen(
            [sys.executable, "-P", "-m", "embedding.processes.spawner", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        failed.pop_all()
    return program, ours
