"""The faults of the chaos: a plan drawn from a seed, and its execution.

Each worker, the brokers together, and Milvus have a lane: faults of one lane come one after another, those of different
lanes may overlap.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

SESSION_S = 6.0  # of workers with the group coordinator, and of brokers with the controller (harness/broker.properties)
SHORT_STALL_S = (2.0, 5.0)  # longer than a producer waits for an acknowledgement, shorter than a session
LONG_STALL_S = (SESSION_S + 1, SESSION_S + 4)  # so long that others take over
DOWN_S = (0.0, 3.0)  # from a kill to the restart: at once, or long enough for others to notice

WORKER_KINDS = ("worker_killed", "worker_stalled", "worker_killed", "worker_stopped", "worker_stalled_short")
# A single node that is killed with -9 can lose a transaction that it acknowledged. That is a limit of Kafka, not ours,
# so a single node is only stalled and restarted cleanly (docs/delivery.md).
BROKER_KINDS = {
    1: ("broker_stalled", "broker_restarted", "broker_stalled_short"),
    3: ("broker_stalled", "broker_killed", "broker_stalled_short", "broker_killed", "broker_restarted"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        at_s: seconds after the start; it begins later if the lane's previous fault took longer than planned.
        kind: its name in the counts.
        target: number of the worker or broker, from 0.
        lasts_s: seconds until the target is resumed or started again.
    """

    at_s: float
    kind: str
    target: int
    lasts_s: float


class Breakable(Protocol):
    """What can be done to a worker, a broker, or Milvus."""

    def start(self) -> None: ...  # noqa: D102 (named by what they do)
    def stop(self) -> object: ...  # noqa: D102 (named by what they do)
    def kill(self) -> None: ...  # noqa: D102 (named by what they do)
    def pause(self) -> None: ...  # noqa: D102 (named by what they do)
    def resume(self) -> None: ...  # noqa: D102 (named by what they do)


@dataclass(frozen=True, slots=True)
class Lane:
    """Faults that come one after another, their targets, and a function that waits for recovery after each."""

    faults: Sequence[Fault]
    targets: Sequence[Breakable]
    wait_for_recovery: Callable[[], None] = lambda: None


def plan(seed: int, seconds: float, brokers: int, workers: int) -> dict[str, list[Fault]]:
    """The faults of each lane, the same for the same arguments.

    Args:
        seed: of the random numbers.
        seconds: no fault begins later.
        brokers: number of brokers, 1 or 3.
        workers: number of workers; each has a lane.
    """
    lanes = {
        f"worker {number}": _lane(random.Random(f"{seed} {number}"), seconds, WORKER_KINDS, [number], (1.0, 8.0))  # noqa: S311
        for number in range(workers)
    }
    rng = random.Random(f"{seed} brokers")  # noqa: S311 (nothing secret)
    lanes["brokers"] = _lane(rng, seconds, BROKER_KINDS[brokers], range(brokers), (4.0, 8.0))
    rng = random.Random(f"{seed} milvus")  # noqa: S311 (nothing secret)
    lanes["milvus"] = _lane(rng, seconds, ("milvus_restarted", "milvus_killed"), [0], (15.0, 25.0))
    return lanes


def _lane(
    rng: random.Random, seconds: float, kinds: Sequence[str], targets: Sequence[int], gap_s: tuple[float, float]
) -> list[Fault]:
    """Faults drawn from a shuffled deck of kinds, so that even a short plan has most kinds."""
    faults: list[Fault] = []
    deck: list[str] = []
    at = rng.uniform(0.5, gap_s[1])
    while at < seconds:
        deck = deck or rng.sample(kinds, len(kinds))
        kind = deck.pop()
        lasts = rng.uniform(*_span(kind))
        faults.append(Fault(round(at, 2), kind, rng.choice(targets), round(lasts, 2)))
        at += lasts + rng.uniform(*gap_s)
    return faults


def _span(kind: str) -> tuple[float, float]:
    if kind.endswith("_short"):
        return SHORT_STALL_S
    return LONG_STALL_S if kind.endswith("stalled") else DOWN_S


def execute(lanes: Mapping[str, Lane], seconds: float, say: Callable[[str], None]) -> Counter[str]:
    """Execute all faults; returns when everything is repaired.

    Args:
        lanes: by name.
        seconds: no fault begins later, even if it was planned.
        say: called with a line for each fault.

    Returns:
        How often each kind happened.

    Raises:
        Exception: the error of the first lane that failed.
    """
    done: Counter[str] = Counter()
    errors: list[Exception] = []
    started = time.monotonic()
    stop = threading.Event()

    def run(name: str, lane: Lane) -> None:
        try:
            for fault in lane.faults:
                if fault.at_s > seconds or stop.wait(max(0.0, started + fault.at_s - time.monotonic())):
                    return
                if (now := time.monotonic() - started) > seconds:
                    return
                say(f"{now:5.1f} s  {name}: {fault.kind} {fault.target} for {fault.lasts_s:.1f} s")
                _cause(fault, lane.targets[fault.target % len(lane.targets)], stop)
                lane.wait_for_recovery()
                done[fault.kind] += 1
        except Exception as error:  # noqa: BLE001 (any error ends the run: it is raised again below)
            errors.append(error)
            stop.set()

    threads = [threading.Thread(target=run, args=each, name=each[0]) for each in lanes.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return done


def _cause(fault: Fault, target: Breakable, stop: threading.Event) -> None:
    """Cause the fault, wait, and repair it."""
    if "stalled" in fault.kind:
        target.pause()
        stop.wait(fault.lasts_s)
        target.resume()
        return
    if fault.kind.endswith("killed"):
        target.kill()
    else:
        target.stop()
    stop.wait(fault.lasts_s)
    target.start()
