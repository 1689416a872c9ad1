"""What goes wrong in the chaos: a plan drawn from a seed, and its execution.

Each worker, the brokers together, and Milvus have a lane of their own: faults of one lane come one after another, those
of different lanes overlap as they like.
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
LONG_STALL_S = (SESSION_S + 1, SESSION_S + 4)  # the others have taken over by then
DOWN_S = (0.0, 3.0)  # from a kill to the restart: from at once to long enough for others to notice

WORKER_KINDS = ("worker_killed", "worker_stalled", "worker_killed", "worker_stopped", "worker_stalled_short")
# A single node that is killed with -9 can lose a transaction that it acknowledged: that is Kafka's limit and not ours,
# so one node is only stalled and restarted cleanly (docs/delivery.md).
BROKER_KINDS = {
    1: ("broker_stalled", "broker_restarted", "broker_stalled_short"),
    3: ("broker_stalled", "broker_killed", "broker_stalled_short", "broker_killed", "broker_restarted"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        at_s: seconds after the beginning; later, when the lane's fault before took longer than planned.
        kind: as it is counted.
        target: which worker or broker, from 0.
        lasts_s: from the fault to its end: resumed, or started again.
    """

    at_s: float
    kind: str
    target: int
    lasts_s: float


class Breakable(Protocol):
    """A worker, a broker, or Milvus: what can be done to it."""

    def start(self) -> None: ...  # noqa: D102 (the class says it)
    def stop(self) -> object: ...  # noqa: D102 (the class says it)
    def kill(self) -> None: ...  # noqa: D102 (the class says it)
    def pause(self) -> None: ...  # noqa: D102 (the class says it)
    def resume(self) -> None: ...  # noqa: D102 (the class says it)


@dataclass(frozen=True, slots=True)
class Lane:
    """What goes wrong one after another, with whom, and what must hold before the next."""

    faults: Sequence[Fault]
    targets: Sequence[Breakable]
    whole: Callable[[], None] = lambda: None


def plan(seed: int, seconds: float, brokers: int, workers: int) -> dict[str, list[Fault]]:
    """The faults of each lane, the same for the same arguments.

    Args:
        seed: of the random numbers.
        seconds: no fault begins later.
        brokers: 1 or 3.
        workers: each has a lane.
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
    """Faults dealt from a shuffled deck of kinds, so that even a short plan has most of them."""
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
    """Lets everything go wrong, and returns when all is healed.

    Args:
        lanes: by name.
        seconds: no fault begins later, even if it was planned.
        say: called with a line for each fault.

    Returns:
        How often each kind happened.

    Raises:
        Exception: what the first lane that failed raised.
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
                _happen(fault, lane.targets[fault.target % len(lane.targets)], stop)
                lane.whole()
                done[fault.kind] += 1
        except Exception as error:  # noqa: BLE001 (it ends the run: it is raised again below)
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


def _happen(fault: Fault, target: Breakable, stop: threading.Event) -> None:
    """The fault, its time, and its end."""
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
