"""The side of `vigilens milvus` and `vigilens run`: listens for commands, and starts a helper for the first of them.

They listen at a socket beside the Milvus Lite file. The helper imports what commands need, and forks itself for each of
them; the fork has the command's terminal, folder and environment. It ends when it was not needed for a while. So a
service never runs a command itself, and without commands there is only a thread that waits.
"""

import fcntl
import json
import logging
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from vectors.connection import is_file
from vigilens.answers import meeting
from vigilens.answers.messages import installed

log = logging.getLogger("vigilens.commands")

# Commands that may wait to be accepted. One more would not wait, but be told at once that nobody is there.
_WAITING = 1024
_STOP_S = 5.0  # a helper that does not end within this time is killed


@contextmanager
def answering(uris: Sequence[str], address: str, ready_s: float) -> Iterator[None]:
    """Let commands of this user run in a helper, for the length of a `with` block.

    It never fails: where no socket can be made, commands do their work themselves, as they would without this.

    Args:
        uris: values of `milvus.uri` that lead to the Milvus at `address`. The owner of a Milvus Lite file is the only
            one; an address is answered for by the first process that gives it.
        address: of Milvus, for other processes.
        ready_s: how long a helper stays without a command; 0: nothing is done.
    """
    with ExitStack() as stack:
        if ready_s:
            listeners: dict[str, socket.socket] = {}
            for uri in uris:
                try:
                    listeners |= stack.enter_context(_listening(uri))
                except OSError as error:
                    fields = {"uri": uri, "why": str(error)}
                    log.info("commands are not answered", extra={"fields": fields})
            if listeners:
                stack.enter_context(_thread(_Keeper(listeners, address, ready_s)))
        yield


@contextmanager
def _thread(keeper: "_Keeper") -> Iterator[None]:
    thread = threading.Thread(target=keeper.keep, name="commands", daemon=True)
    thread.start()
    try:
        yield
    finally:
        keeper.stop()
        thread.join()


@contextmanager
def _listening(uri: str) -> Iterator[dict[str, socket.socket]]:
    """Yield the socket for a uri by its place; nothing if another process answers for an address."""
    place = meeting.place(uri)
    with ExitStack() as stack:
        if place is None or not (is_file(uri) or _is_first(place, stack)):
            yield {}
            return
        place.unlink(missing_ok=True)  # of a process that was killed: the file, or the lock, is ours
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        with _named(place) as name:
            listener.bind(name)
        place.chmod(0o600)
        listener.listen(_WAITING)
        own = place.stat().st_ino
        try:
            yield {str(place): listener}
        finally:
            with suppress(OSError):
                if place.stat().st_ino == own:
                    place.unlink()


def _is_first(place: Path, stack: ExitStack) -> bool:
    """Take the lock of an address, and return whether no other process has it."""
    meeting.make_users_folder()
    lock = os.open(place.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    stack.callback(os.close, lock)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _named(place: Path) -> Iterator[str]:
    """Yield a name for the socket that is short enough for the system. No thread of this process changes its folder."""
    folder = os.open(place.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{place.name}"
    finally:
        os.close(folder)


class _Keeper:
    """Waits for commands, and starts the helper when one comes and none is there."""

    def __init__(self, listeners: dict[str, socket.socket], address: str, ready_s: float) -> None:
        self._listeners = listeners
        self._address = address
        self._ready_s = ready_s
        self._wake, self._woken = socket.socketpair()

    def stop(self) -> None:
        """End the helper, and `keep`."""
        self._wake.close()

    def keep(self) -> None:
        """Start helpers until `stop`; each takes the commands until it ends. Run it in a thread."""
        with self._woken:
            while self._woken not in select.select([*self._listeners.values(), self._woken], [], [])[0]:
                try:
                    code = self._helped()
                except OSError as error:
                    code = error.errno or 1
                if code:
                    log.warning("the process for commands ended", extra={"fields": {"code": code}})
                    self._refuse()

    def _helped(self) -> int:
        """Run a helper until it ends or `stop` is called, and return its exit code."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                program = self._start(theirs)
            if self._woken in select.select([ours, self._woken], [], [])[0]:
                ours.close()  # it ends now, with the commands
            try:
                return program.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                program.kill()
                return program.wait()

    def _start(self, theirs: socket.socket) -> "subprocess.Popen[bytes]":
        numbers = [each.fileno() for each in self._listeners.values()]
        given = {
            "listeners": numbers,
            "service": theirs.fileno(),
            "places": list(self._listeners),
            "address": self._address,
            "ready_s": self._ready_s,
        }
        # Nothing of the service's environment: it holds passwords. One thread, because the program is forked.
        environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONPATH": installed()}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYDANTIC_DISABLE_PLUGINS": "1"}
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "vigilens.answers.helper", json.dumps(given)],
            pass_fds=[*numbers, theirs.fileno()],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the service only, which stops the helper
        )

    def _refuse(self) -> None:
        """Close the connections that wait: those commands do their work themselves."""
        for listener in self._listeners.values():
            listener.setblocking(False)
            with suppress(OSError):
                while True:
                    listener.accept()[0].close()
            listener.setblocking(True)
