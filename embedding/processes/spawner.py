"""The program that forks decoder processes: small, with one thread, and all libraries of the decoders already loaded.

It is executed, never forked from the service: a fork of a process with threads, gigabytes and open connections would
inherit all of that. It imports neither torch nor FAISS. It ends when the service closes its end of the socket, or dies.

    {"memory_bytes": n, "cpu_s": s} and a socket   fork a decoder that serves it   → {"pid": n}
    {"serve": true} and a socket                   fork this program; the fork serves it; no answer
    {"end": pid}                                   kill it, unless it is ending    → {"status": as of os.waitpid}
"""

import gc
import json
import os
import signal
import socket
import sys
import time
from contextlib import suppress

from embedding.picture import Needs, Wanted
from embedding.probe import probe_file
from embedding.processes import wire
from embedding.processes.serve import run
from embedding.views import look_into

_ENDING, _PAUSE_S = 20, 0.005  # how often and how long to wait for a process that is ending


def main(control: socket.socket) -> None:
    """Serve the service until it closes the socket.

    Args:
        control: a socket that keeps the borders of messages.
    """
    # Whoever stops the service may signal all of its processes; decoders are needed until it has finished its work.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # Loads all libraries, and makes what they make on first use, once for all decoders.
    look_into(probe_file(), Wanted(Needs(keypoints=True, hash=True), 1 << 20))
    gc.collect()
    gc.freeze()
    while True:
        message, (*passed,), *_ = socket.recv_fds(control, wire.MESSAGE_BYTES, 1)
        if not message:
            return
        request = json.loads(message)
        if "serve" in request:
            control = _served(control, passed[0])
            continue
        answer = _ended(request["end"]) if "end" in request else _forked(request, control, passed[0])
        try:
            control.sendall(json.dumps(answer).encode())
        except BrokenPipeError:
            return


def _served(control: socket.socket, passed: int) -> socket.socket:
    """Fork, and return the socket that this process serves now: the fork has the new one."""
    # The fork of a fork: it is nobody's child that this program would have to wait for.
    with suppress(OSError):  # then the passed socket closes, and its owner starts a program of its own
        if child := os.fork():
            os.waitpid(child, 0)
        else:
            if os.fork():
                os._exit(0)
            control.close()
            return socket.socket(fileno=passed)
    os.close(passed)
    return control


def _forked(request: dict[str, float], control: socket.socket, passed: int) -> dict[str, int | str]:
    try:
        pid = os.fork()
    except OSError as error:
        os.close(passed)
        return {"error": str(error.strerror)}
    if pid == 0:
        control.close()
        run(socket.socket(fileno=passed), int(request["memory_bytes"]), request["cpu_s"])
    os.close(passed)
    return {"pid": pid}


def _ended(pid: int) -> dict[str, int]:
    """Return how a decoder ended, after killing it if it does not end by itself: its socket is closed already.

    Its number is free for others only after that.
    """
    try:
        for _ in range(_ENDING):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return {"status": status}
            time.sleep(_PAUSE_S)
        os.kill(pid, signal.SIGKILL)
        return {"status": os.waitpid(pid, 0)[1]}
    except ChildProcessError:  # it was forked by a program before this one, and ends with its socket
        return {}


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
