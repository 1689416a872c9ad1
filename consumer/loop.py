"""The loop. Concurrency is between batches: up to `depth` are judged at a time, and published oldest first.

Every event of the input topic gets exactly one verdict that read-committed consumers can read, in the order of its
partition. docs/delivery.md explains why that holds, and `python -m benchmarks.chaos` proves it.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Protocol

from consumer.batch import Batch, Fenced
from matcher.judge import Judged

log = logging.getLogger("vigilens.loop")

_IDLE_S = 0.25  # wait for an event when nothing is under way; short, so that a signal is noticed
_BUSY_S = 0.1  # between two fetches while batches are under way; each fetch slows the workers a little

UnderWay = deque[tuple[Batch, "Future[Judged]"]]


class Intake(Protocol):
    """Where batches come from; see consumer/intake.py."""

    def take(self, wait_s: float, *, full: bool, busy: bool) -> Batch | None: ...  # noqa: D102 (documented there)
    def stay(self) -> None: ...  # noqa: D102 (documented there)
    def rewind(self) -> None: ...  # noqa: D102 (documented there)


class Outlet(Protocol):
    """Where judged batches go; see consumer/publish.py."""

    def announce(self, batch: Batch) -> None: ...  # noqa: D102 (documented there)
    def publish(self, batch: Batch, judged: Judged) -> None: ...  # noqa: D102 (documented there)
    def beat(self) -> None: ...  # noqa: D102 (documented there)
    def renew(self) -> None: ...  # noqa: D102 (documented there)


def run(  # noqa: PLR0913 (its parts, by name)
    intake: Intake,
    judge: Callable[[Batch], Judged],
    outlet: Outlet,
    *,
    depth: int,
    stopping: threading.Event,
    idle: Callable[[], bool],
) -> None:
    """Take, judge and publish until `stopping` is set and all that was taken is published.

    Args:
        intake: where batches come from; belongs to the calling thread.
        judge: called on worker threads.
        outlet: where judged batches go; belongs to the calling thread.
        depth: batches under way at a time, at least 1.
        stopping: set by any thread, e.g. after a signal.
        idle: whether to take a batch that is not full; otherwise it waits until it is.

    Raises:
        Exception: anything that the parts raise except Fenced, e.g. Away; no batch under way was committed.
    """
    under_way: UnderWay = deque()
    judging: list[Future[Judged]] = []  # dropped batches too: they use memory until their judging ends
    workers = ThreadPoolExecutor(max_workers=depth, thread_name_prefix="judge")
    try:
        while under_way or not stopping.is_set():
            try:
                # 1. Take a batch, unless we stop or enough is under way; stay in the group in any case.
                judging = [each for each in judging if not each.done()]
                busy = bool(under_way or judging)
                if stopping.is_set() or max(len(under_way), len(judging)) >= depth:
                    intake.stay()
                elif batch := intake.take(0.0 if under_way else _IDLE_S, full=not idle(), busy=busy):
                    outlet.announce(batch)
                    judging.append(workers.submit(judge, batch))
                    under_way.append((batch, judging[-1]))
                # 2. Publish the oldest batch, if it is judged.
                if under_way and wait([under_way[0][1]], timeout=_BUSY_S).done:
                    batch, judged = under_way[0]
                    intake.stay()  # events that have arrived are fetched while we publish, for the next batch
                    outlet.publish(batch, judged.result())
                    under_way.popleft()
                outlet.beat()  # a sign of life, if nothing was published for a while
            # 3. Fenced: drop what is under way, settle the open transaction, read again what is not committed.
            except Fenced as why:
                drop(under_way, str(why))
                if not stopping.is_set():
                    outlet.renew()
                    intake.rewind()
    finally:
        drop(under_way)
        workers.shutdown(wait=False, cancel_futures=True)


def drop(under_way: UnderWay, why: str = "") -> None:
    """Forget all batches under way. Judging that has begun runs to its end, and its result is ignored."""
    if why:
        level = logging.WARNING if under_way else logging.INFO
        log.log(level, "rewind", extra={"fields": {"why": why, "dropped_batches": len(under_way)}})
    for _, judged in under_way:
        judged.cancel()
    under_way.clear()
