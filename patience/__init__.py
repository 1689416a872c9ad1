"""Repeats calls to a dependency that does not answer, up to a limit. Used for both Milvus and Kafka."""

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0  # we notice within this time that a dependency is back


class Away(Exception):  # noqa: N818 (names the situation)
    """The dependency did not answer for as long as the caller was willing to wait, or the process is stopping."""


def _ignore(_: str | None) -> None:
    """Does nothing."""


class Patience:
    """Repeats calls whose dependency is away, with growing pauses, up to a limit. Safe to share between threads.

    Args:
        give_up_s: seconds of waiting after which a call raises `Away`. The last attempt may end a timeout later.
        stopping: when it is set, waiting ends at once with `Away`.
        on_wait: called with "<what>: <why>" when waiting starts, and with None when the last waiting call has ended.
        on_try: called before each further attempt.
        explain: an error as a sentence, for <why>.
    """

    def __init__(
        self,
        give_up_s: float,
        stopping: threading.Event | None = None,
        on_wait: Callable[[str | None], None] = _ignore,
        *,
        on_try: Callable[[], None] = lambda: None,
        explain: Callable[[Exception], str] = str,
    ) -> None:
        self._give_up_s = give_up_s
        self._stopping = stopping or threading.Event()
        self._on_wait = on_wait
        self._on_try = on_try
        self._explain = explain
        self._lock = threading.Lock()
        self._waiting = 0

    def call(self, action: Callable[[], T], is_away: Callable[[Exception], bool], what: str) -> T:
        """Return what `action` returns, after as many attempts as it takes.

        Args:
            action: must be safe to repeat.
            is_away: returns True for the exceptions that mean "away"; all others are raised at once.
            what: name of the dependency for messages, e.g. "milvus".

        Raises:
            Away: the dependency was away for `give_up_s`, or `stopping` was set meanwhile.
        """
        try:
            return action()
        except Exception as error:
            if not is_away(error):
                raise
            return self._wait(action, is_away, what, error)

    def _wait(self, action: Callable[[], T], is_away: Callable[[Exception], bool], what: str, first: Exception) -> T:
        last, pause, deadline = first, FIRST_PAUSE_S, time.monotonic() + self._give_up_s
        self._count(+1, f"{what}: {self._explain(first)}")
        try:
            while (left := deadline - time.monotonic()) > 0:
                # Jitter: many processes that lost the same server should not all retry at the same moment.
                if self._stopping.wait(min(left, pause * random.uniform(0.5, 1.0))):  # noqa: S311 (not a secret)
                    raise Away(f"{what} is away and the process is stopping: {self._explain(last)}") from last
                pause = min(pause * 2, LONGEST_PAUSE_S)
                self._on_try()
                try:
                    return action()
                except Exception as error:
                    if not is_away(error):
                        raise
                    last = error
            raise Away(f"{what} stayed away for {self._give_up_s:g} s: {self._explain(last)}") from last
        finally:
            self._count(-1, None)

    def _count(self, change: int, why: str | None) -> None:
        """Call `on_wait` when the first call starts to wait, and when the last one ends; never in the wrong order."""
        with self._lock:
            before, self._waiting = self._waiting, self._waiting + change
            if 0 in (before, self._waiting):
                self._on_wait(why)
