"""A decoder process: one file after the other, until its socket closes.

It has no secrets in its environment, no connection but this one, and limits that it cannot lift:
memory     RLIMIT_AS; a file that asks for more is answered, and the service replaces the process
CPU time   a timer for each file, whose signal ends the process: code in C would not notice a flag
core       none: a file of the operator's pictures would be left on disk
OOM        killed first when the machine runs out of memory, rather than the service
"""

import contextlib
import os
import resource
import signal
import socket
import sys
import traceback
from pathlib import Path

from embedding.allocator import release_free_memory
from embedding.processes import wire
from embedding.views import look_into

_RELEASE_AFTER = 128  # files: then freed memory is returned to the system


def confine(memory_bytes: int) -> None:
    """Set this process's own limits."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # not everywhere permitted
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def serve(requests: socket.socket, cpu_s: float) -> None:
    """Answer requests until the service closes its end.

    Args:
        requests: connected to the service.
        cpu_s: seconds of processor time for one file.
    """
    done = 0
    while True:
        try:
            head, data = wire.receive(requests)
        except wire.Closed:
            return
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        try:
            answer, body = wire.of_looked(look_into(bytes(data), wire.to_wanted(head)))
        except MemoryError:
            answer, body = {wire.MEMORY: True}, []
        signal.setitimer(signal.ITIMER_PROF, 0)
        with contextlib.suppress(wire.Closed):
            wire.send(requests, answer, body)
        done += 1
        if done % _RELEASE_AFTER == 0:
            release_free_memory()


def _quiet() -> None:
    """Keep what libraries in C write to stderr out of the service's log: it can quote the file. Python's own stays."""
    sys.stderr = os.fdopen(os.dup(2), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def run(requests: socket.socket, memory_bytes: int, cpu_s: float) -> None:
    """Be a decoder process; never returns."""
    code = 1
    try:
        _quiet()
        confine(memory_bytes)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        serve(requests, cpu_s)
        code = 0
    except Exception:  # noqa: BLE001 (it must not return into the program that forked it)
        traceback.print_exc()
    finally:
        os._exit(code)
