"""The command's side: asks a helper to run the command. It imports nothing that takes time."""

import os
import select
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from vigilens.answers import meeting
from vigilens.answers.messages import Ended, Lines, Request, installed, send_line, send_request

WORDS = ("sets", "scan")  # commands that a helper runs
_READY_S = 30.0  # a helper that is just starting imports for a second, on a busy machine for several
_PATIENCE = 3  # Ctrl-C as often as this ends the command without waiting for the helper's
_answering = False


def answer_here() -> None:
    """Note that this process is the one that answers: it asks nobody."""
    global _answering  # noqa: PLW0603 (a fact about the process)
    _answering = True


def asked(words: Sequence[str], settings: Path | None) -> int | None:
    """Have a helper run the command.

    Args:
        words: of the command line, from the command's name on.
        settings: the settings file that was named.

    Returns:
        The exit code. None: nobody answers, and nothing was done.
    """
    if _answering or words[0] not in WORDS or len(words) == 1 or {"--help", "-h"}.intersection(words):
        return None
    place = _place(settings)
    if place is None or not meeting.is_ours(place):
        return None
    try:
        terminal = [sys.stdin.fileno(), sys.stdout.fileno(), sys.stderr.fileno()]
    except (AttributeError, OSError, ValueError):
        return None  # the output goes to no file, for example in tests of this program
    with suppress(OSError, Ended), _connected(place) as connection:
        lines = _ready(connection, words, settings, terminal)
        if lines:
            return _code(connection, lines)
    return None


def _place(settings: Path | None) -> Path | None:
    """Return where a helper for these settings would be. Mistakes in them are reported by the command itself."""
    from config.sources import SettingsError, glance  # noqa: PLC0415 (other commands do not need it)

    try:
        found = glance("milvus", ("uri", "ready_s"), settings)
        return meeting.place(str(found["uri"])) if float(found["ready_s"]) else None
    except (SettingsError, OSError, ValueError, KeyError, RuntimeError):
        return None


@contextmanager
def _connected(place: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_READY_S)
        with meeting.short(place) as name:
            connection.connect(name)
        if not meeting.same_user(connection):
            raise Ended
        yield connection


def _ready(
    connection: socket.socket, words: Sequence[str], settings: Path | None, terminal: Sequence[int]
) -> Lines | None:
    """Send the request and return the lines of the answer; None: it is declined."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    umask = os.umask(0)
    os.umask(umask)
    request = Request(
        words=list(words),
        settings=str(settings) if settings else "",
        environment=dict(os.environ),
        code=installed(),
        encodings=[stream.encoding for stream in streams],
        umask=umask,
    )
    for stream in streams[1:]:
        stream.flush()
    here = os.open(".", os.O_RDONLY)
    try:
        send_request(connection, request, [*terminal, here])
    finally:
        os.close(here)
    lines = Lines(connection)
    return lines if lines.next()[0] == "ready" else None


def _code(connection: socket.socket, lines: Lines) -> int:
    """Let the helper begin, pass on each Ctrl-C, and return the exit code."""
    connection.settimeout(None)
    with _interruptions() as interrupted:
        send_line(connection, "go")
        for left in range(_PATIENCE, 0, -1):
            # A signal that came just before a call that waits would be noticed only after it: so we wait for both.
            if interrupted not in select.select([connection, interrupted], [], [])[0]:
                break
            interrupted.recv(1)
            if left == 1:
                raise KeyboardInterrupt
            with suppress(OSError):
                send_line(connection, "stop")
        try:
            return int(lines.next()[1])
        except (Ended, OSError, ValueError):
            raise click.ClickException(
                "the process that ran this command for it has ended; run the command again"
            ) from None


@contextmanager
def _interruptions() -> Iterator[socket.socket]:
    """Yield a socket that gets a byte for each Ctrl-C, which then does nothing else."""
    read, write = socket.socketpair()
    with read, write:
        write.setblocking(False)
        before = signal.signal(signal.SIGINT, lambda *_: None)
        wakes = signal.set_wakeup_fd(write.fileno())
        try:
            yield read
        finally:
            signal.set_wakeup_fd(wakes)
            signal.signal(signal.SIGINT, before)
