"""The loop. Concurrency is between batches: up to `depth` are judged at a time, and published oldest first.

Every event of the input topic gets exactly one verdict that readers of committed records see, in the order of its
partition. What that rests on is told in docs/delivery.md, and proved by `python -m benchmarks.chaos`.
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

_IDLE_S = 0.25  # nothing under way: wait so long for an event, and no longer, so that a signal is seen
_BUSY_S = 0.1  # something under way: fetch so often what comes meanwhile; each time holds the workers up a little

UnderWay = deque[tuple[Batch, "Future[Judged]"]]


class Intake(Protocol):
    """Where batches come from; see consumer/intake.py."""

    def take(self, wait_s: float, *, full: bool) -> Batch | None: ...  # noqa: D102 (told there)
    def stay(self) -> None: ...  # noqa: D102 (told there)
    def rewind(self) -> None: ...  # noqa: D102 (told there)


class Outlet(Protocol):
    """Where judged batches go; see consumer/publish.py."""

    def publish(self, batch: Batch, judged: Judged) -> None: ...  # noqa: D102 (told there)
    def renew(self) -> None: ...  # noqa: D102 (told there)


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
        stopping: set from anywhere, e.g. by a signal.
        idle: whether a batch should be begun that is not full; else it waits until it is.

    Raises:
        Exception: whatever the parts raise but Fenced, e.g. Away; nothing of the batches under way was committed.
    """
    under_way: UnderWay = deque()
    judging: list[Future[Judged]] = []  # also of batches that were dropped: their memory is in use until they end
    workers = ThreadPoolExecutor(max_workers=depth, thread_name_prefix="judge")
    try:
        while under_way or not stopping.is_set():
            try:
                # 1. Take, unless we stop or enough is under way; but stay in the group in any case.
                judging = [each for each in judging if not each.done()]
                if stopping.is_set() or max(len(under_way), len(judging)) >= depth:
                    intake.stay()
                elif batch := intake.take(0.0 if under_way else _IDLE_S, full=not idle()):
                    judging.append(workers.submit(judge, batch))
                    under_way.append((batch, judging[-1]))
                # 2. Publish the oldest, if it is judged.
                if under_way and wait([under_way[0][1]], timeout=_BUSY_S).done:
                    batch, judged = under_way[0]
                    intake.stay()  # what is there now is fetched while we publish, and the next batch has it
                    outlet.publish(batch, judged.result())
                    under_way.popleft()
            # 3. Fenced: drop what is under way, settle what was begun, read again what is not committed.
            except Fenced as why:
                fields = {"why": str(why), "dropped_batches": len(under_way)}
                log.log(logging.WARNING if under_way else logging.INFO, "rewind", extra={"fields": fields})
                drop(under_way)
                if not stopping.is_set():
                    outlet.renew()
                    intake.rewind()
    finally:
        drop(under_way)
        workers.shutdown(wait=False, cancel_futures=True)


def drop(under_way: UnderWay) -> None:
    """Forget all batches under way. A judge that runs comes to its end, and nobody reads what it says."""
    for _, judged in under_way:
        judged.cancel()
    under_way.clear()
