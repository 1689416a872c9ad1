"""The second part of `takeover`: does a busy or stalled worker lose its place in the group for no reason?"""

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice

from confluent_kafka import Producer

from benchmarks.chaos_setup import Worker
from benchmarks.jpegs import endless, jpegs
from benchmarks.takeover_setup import IMAGES, METRICS, PARTITIONS, PATIENCE_S, Stage, running, wait_for_members
from harness.readers import Reader

STALL_S = 7.0
BETWEEN_STALLS_S = 20.0
AHEAD = 2_000  # large pictures that wait: more than both workers take at a time
BUSY_FILES = 64  # large pictures that are sent again and again with other bytes


def under_load(stage: Stage) -> Mapping[str, object]:
    """Keep two workers busy, stall each now and then; returns rebalances and the longest pauses of heartbeats."""
    workers = [stage.worker(f"busy-{number}", **{"batch.images": "256"}) for number in range(2)]
    files = islice(endless(jpegs(BUSY_FILES, 1600, 1200)), 10**9)
    with running(*workers), Reader(stage.bootstrap, METRICS, from_now=True) as metrics:
        wait_for_members(stage.bootstrap, 2)
        with ExitStack() as stack:
            stack.enter_context(_flooding(stage.bootstrap, files))
            for _ in range(2 * len(workers)):
                metrics.next(PATIENCE_S)
            before = [_rebalances(each) for each in workers]
            stalls, images = _stall_in_turn(workers, metrics, stage.options.busy)
            rebalances = [_rebalances(each) - old for each, old in zip(workers, before, strict=True)]
    longest = {each.name: _heartbeats(each) for each in workers}
    took = sorted(_publish_ms(workers))
    facts = {"rebalances": rebalances, "stalls": stalls, "images": images, "longest_between_heartbeats_s": longest}
    return facts | {"publish_ms": {"median": took[len(took) // 2], "most": took[-1], "batches": len(took)}}


def _stall_in_turn(workers: Sequence[Worker], metrics: Reader, seconds: float) -> tuple[int, int]:
    """Read metrics for `seconds`, and stall a worker for STALL_S now and then; returns stalls and images judged."""
    stalls, images, until = 0, 0, time.monotonic() + seconds
    next_stall = time.monotonic() + seconds / 2  # first undisturbed
    while time.monotonic() < until:
        record = metrics.next(1.0)
        images += json.loads(record.value() or b"")["verdicts"] if record else 0
        if time.monotonic() > next_stall and time.monotonic() + STALL_S < until:
            stalled = workers[stalls % len(workers)]
            stalled.pause()
            time.sleep(STALL_S)
            stalled.resume()
            stalls, next_stall = stalls + 1, time.monotonic() + BETWEEN_STALLS_S
    return stalls, images


@contextmanager
def _flooding(bootstrap: str, files: Iterator[bytes]) -> Iterator[None]:
    """Send pictures as fast as they are judged: some hundred are always waiting."""
    done = threading.Event()
    options = {"bootstrap.servers": bootstrap, "message.max.bytes": 4_000_000, "log_level": 0}

    def flood() -> None:
        producer, sent, judged = Producer(options), 0, 0
        with Reader(bootstrap, METRICS, from_now=True) as metrics:
            while not done.is_set():
                while sent - judged < AHEAD:
                    producer.produce(IMAGES, next(files), partition=sent % PARTITIONS)
                    producer.poll(0)
                    sent += 1
                record = metrics.next(0.5)
                judged += json.loads(record.value() or b"")["verdicts"] if record else 0

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _lines(worker: Worker, message: str) -> list[dict[str, object]]:
    found = (json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{"))
    return [line for line in found if line["message"] == message]


def _rebalances(worker: Worker) -> int:
    return sum("rebalanced" in str(line["why"]) for line in _lines(worker, "rewind"))


def _heartbeats(worker: Worker) -> object:
    return _lines(worker, "heartbeats")[-1]["longest_s"]


def _publish_ms(workers: Sequence[Worker]) -> list[float]:
    return [float(str(line["publish_ms"])) for each in workers for line in _lines(each, "batch")]
