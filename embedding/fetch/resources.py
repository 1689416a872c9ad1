"""What this process itself lacks: file descriptors, memory, threads. That is no property of a picture."""

import errno
import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_LACKING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0


class NoResources(Exception):  # noqa: N818 (names the situation)
    """This process has no file descriptors, memory or threads left. It ends; nothing of its work is committed."""


def lacking(error: BaseException | None) -> bool:
    """Return whether the error, or one that caused it, says that this process or machine has no resources left."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _LACKING):
            return True
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_MEMORY:
            return True
        if isinstance(error, RuntimeError) and "start new thread" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def with_resources(action: Callable[[], T], wait_s: float) -> T:
    """Return what `action` returns. While this process lacks resources it is repeated, for `wait_s` seconds at most.

    Others of this process (connections, clients of the HTTP port) may release what is missing.

    Raises:
        NoResources: they are still missing.
        Exception: any other error of `action`.
    """
    give_up, pause = time.monotonic() + wait_s, _FIRST_PAUSE_S
    while True:
        try:
            return action()
        except Exception as error:
            if not lacking(error):
                raise
            if time.monotonic() >= give_up:
                raise NoResources(
                    f"images cannot be read, because this process lacks resources ({_text(error)}); see its limits "
                    "(`ulimit -n` for files) and the machine's memory"
                ) from error
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)


def _text(error: BaseException) -> str:
    """Return the words of the error that says what is missing."""
    return str(error) or type(error).__name__
