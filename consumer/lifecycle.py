"""Signals, the process's instance name, and the watchdog: how one process of the service behaves towards its host."""

import fcntl
import logging
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO
from urllib.parse import quote

log = logging.getLogger("vigilens.lifecycle")

EXIT_STUCK = 70  # sysexits.h: internal software error; a supervisor starts us again


class CannotStart(Exception):  # noqa: N818 (named after the reaction)
    """The service cannot give correct verdicts in its present environment. The message names the fix."""


@contextmanager
def stop_signals(stopping: threading.Event) -> Iterator[list[int]]:
    """SIGTERM and SIGINT set `stopping`; the second one ends the process at once, with nothing half committed.

    Yields the list of signals received: empty, or one.
    """
    asked: list[int] = []

    def on_signal(number: int, _: FrameType | None) -> None:
        if asked:
            os._exit(128 + number)
        asked.append(number)
        # On a thread of its own: the main thread may be inside `stopping.wait` and hold its lock.
        threading.Thread(target=stopping.set, daemon=True).start()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def slot(group: str, given: str) -> Iterator[str]:
    """A name that is unique among the live processes of the group, and the same after a restart.

    It names the transactional producer: a new process fences what a killed one of the same name left open. Without a
    `given` name it is the host's name and the first free number there, held by a lock that ends with the process.
    """
    if given:
        yield given
        return
    folder = Path(tempfile.gettempdir()) / f"vigilens-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise CannotStart(f"{folder} belongs to another user; remove it, or set kafka.instance")
    number, held = 0, None
    while held is None:
        held = _lock(folder / f"{quote(group, safe='')}-{number}.lock")
        number += 1
    with held:
        yield f"{socket.gethostname()}-{number - 1}"


def _lock(path: Path) -> IO[str] | None:
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # another process has it
        file.close()
        return None
    return file


class Watchdog:
    """Ends the process when a step does not return: some calls of the Kafka client can block for ever.

    Args:
        end: ends the process, without any clean-up, which could block as well.
    """

    def __init__(self, end: Callable[[], None] = lambda: os._exit(EXIT_STUCK)) -> None:
        self._end = end

    @contextmanager
    def limit(self, seconds: float, what: str) -> Iterator[None]:
        """End the process if the body takes longer than `seconds`."""
        timer = threading.Timer(seconds, self._expired, (seconds, what))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _expired(self, seconds: float, what: str) -> None:
        log.critical(
            "stuck: %s has taken more than %.0f s. This process ends; nothing is lost, a new one settles the outcome",
            what,
            seconds,
        )
        self._end()
