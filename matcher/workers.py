"""Worker threads for all batches under way, one per core; what the oldest batch wants is done first."""

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

_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container: "200000 100000" are 2 cores, "max 100000" all


def cores() -> int:
    """Cores that this process may use: its affinity and its container's quota, whichever is less; at least 1."""
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
        # Each entry has its own number, so that no two are compared beyond it.
        self._waiting: PriorityQueue[tuple[int, int, Future[Any], Callable[[], Any]]] = PriorityQueue()

    @property
    def idle(self) -> bool:
        """Whether no thread has anything to do."""
        return self._unfinished == 0

    def spread(self, batch: int, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """`work(item)` for each item, on the workers; returns when all is done.

        Args:
            batch: its number; what batches of lower numbers want is done before.
            work: what to do.
            items: what to do it to.

        Raises:
            Exception: what `work` raised, of the first item for which it did.
            CancelledError: the workers were closed.
        """
        futures: list[Future[Result]] = [Future() for _ in items]
        with self._lock:  # all or nothing: the workers may be closed at any time
            if self._closed:
                raise CancelledError
            self._unfinished += len(futures)
            for item, future in zip(items, futures, strict=True):
                self._waiting.put((batch, next(self._numbers), future, partial(work, item)))
                self._pool.submit(self._serve)
        return [future.result() for future in futures]

    def close(self) -> None:
        """Drop what waits. What runs comes to its end, and nobody waits for it. Can be repeated."""
        with self._lock:
            self._closed = True
            self._pool.shutdown(wait=False, cancel_futures=True)
        while True:
            try:
                self._waiting.get_nowait()[2].cancel()
            except Empty:
                return

    def _serve(self) -> None:
        """Do what is most urgent now, which need not be what this call was submitted for."""
        *_, future, work = self._waiting.get()
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 (whoever waits for the result raises it)
            self._finished()
            future.set_exception(error)
        else:
            self._finished()
            future.set_result(result)

    def _finished(self) -> None:
        with self._lock:
            self._unfinished -= 1
