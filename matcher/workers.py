"""Worker threads for all batches in progress, one per core; the work of the oldest batch is done first."""

import itertools
import math
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import Empty, PriorityQueue
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container: "200000 100000" is 2 cores, "max 100000" is all


def cores() -> int:
    """Cores that this process may use: its affinity or its container's quota, whichever is less; at least 1."""
    able = len(os.sched_getaffinity(0))
    try:
        quota, period = _QUOTA.read_text(encoding="ascii").split()
        return max(1, min(able, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no container, or no quota
        return able


class Workers:
    """A fixed number of threads. Safe to use from several threads, but not from a worker.

    Args:
        threads: their number; 0: one per core.
    """

    def __init__(self, threads: int = 0) -> None:
        self.threads = threads or cores()
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="worker")
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._unfinished = 0
        self._closed = False
        # Each entry has its own second number, so that futures are never compared.
        self._waiting: PriorityQueue[tuple[int, int, Future[Any], Callable[[], Any]]] = PriorityQueue()

    @property
    def idle(self) -> bool:
        """Whether no thread has anything to do."""
        return self._unfinished == 0

    def spread(self, batch: int, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """`work(item)` for each item, on the workers; returns when all are done.

        Args:
            batch: its number; the work of batches with lower numbers is done first.
            work: the function to call.
            items: its arguments.

        Raises:
            Exception: what `work` raised, for the first item for which it did.
            CancelledError: the workers were closed.
        """
        futures: list[Future[Result]] = [Future() for _ in items]
        with self._lock:  # all items or none: the workers may be closed at any time
            if self._closed:
                raise CancelledError
            self._unfinished += len(futures)
            for item, future in zip(items, futures, strict=True):
                self._waiting.put((batch, next(self._numbers), future, partial(work, item)))
                self._pool.submit(self._serve)
        return [future.result() for future in futures]

    def close(self) -> None:
        """Cancel work that has not begun. Work in progress finishes, but is not waited for. Can be repeated."""
        with self._lock:
            self._closed = True
            self._pool.shutdown(wait=False, cancel_futures=True)
        while True:
            try:
                self._waiting.get_nowait()[2].cancel()
            except Empty:
                return

    def _serve(self) -> None:
        """Do the most urgent work, which may be other work than this call was submitted for."""
        *_, future, work = self._waiting.get()
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 (it is raised where the result is waited for)
            self._finished()
            future.set_exception(error)
        else:
            self._finished()
            future.set_result(result)

    def _finished(self) -> None:
        with self._lock:
            self._unfinished -= 1
