"""How long partitions are without an owner after a `kill -9`, and whether a busy group loses members for no reason.

    python -m benchmarks.takeover [--runs 3] [--session 10] [--transaction 10] [--busy 180]

Two workers (`vigilens run`) judge a steady stream of small pictures, on a broker that looks for transactions that are
too old as often as Kafka does by default, every 10 s. One worker is killed: between two transactions, within one, or
between two and started again at once. Seconds are from the kill to the first committed verdict on one of its
partitions; after a restart, to the first verdict of the restarted process. The last line is JSON.

With --busy, in the end: both workers are kept busy with large pictures for so many seconds, and are stalled several
times for 7 s. No stall should cost a member its partitions, so the number of rebalances should be 0; the longest times
between two heartbeats of the workers say how much was left.
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from confluent_kafka import Message, Producer

from benchmarks import takeover_load
from benchmarks.chaos_events import pictures
from benchmarks.chaos_setup import Milvus, Worker, make_sets
from benchmarks.takeover_setup import (
    IMAGES,
    METRICS,
    PARTITIONS,
    PATIENCE_S,
    TOPICS,
    VERDICTS,
    Stage,
    running,
    wait_for_members,
)
from harness.broker import kafka
from harness.processes import Leash
from harness.readers import Reader, partition_of

AGAIN = "killed and started again"
EVERY_S = 0.2  # between two rounds of pictures, one for each partition
BEFORE_S = 3.0  # both workers work for so long before one is killed
AS_KAFKA_COMES = "\ntransaction.abort.timed.out.transaction.cleanup.interval.ms=10000\n"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.takeover", description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3, help="kills of each kind (%(default)s)")
    parser.add_argument("--session", type=float, default=10, help="kafka.session_timeout_s (%(default)s)")
    parser.add_argument("--transaction", type=float, default=10, help="kafka.transaction_timeout_s (%(default)s)")
    parser.add_argument("--busy", type=float, default=0, help="seconds under load, 0: not measured (%(default)s)")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        cluster = stack.enter_context(kafka(folder / "kafka", say=say, more=AS_KAFKA_COMES))
        cluster.make_topics(dict.fromkeys(TOPICS, PARTITIONS))
        server, files = Milvus(folder), pictures(1, 50)
        server.start()
        stack.callback(server.stop)
        make_sets(server.uri, files, say, two_encoders=bool(options.busy))  # `words` keeps Python busy
        leash = stack.enter_context(Leash())
        stage = Stage(cluster.bootstrap, server.uri, folder, leash, files, options)
        found = kills(stage) if options.runs else {}
        busy = takeover_load.under_load(stage) if options.busy else {}
    print(json.dumps({**vars(options), "seconds": found, **busy}))


def say(line: str) -> None:
    """Print a line of progress; stdout is for the result."""
    print(line, file=sys.stderr, flush=True)


def kills(stage: Stage) -> dict[str, list[float]]:
    """Seconds of each kind of kill, a value per run."""
    ways: dict[str, Callable[[Worker], float]] = {
        "killed between two transactions": _kill_it,
        "killed within a transaction": lambda victim: _end_in_a_transaction(stage, victim),
        AGAIN: _start_again,
        "stopped in order": _stop,
    }
    found: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(stage.options.runs):
        for way, end in ways.items():
            seconds = _kill(stage, way, end)
            found[way].append(round(seconds, 1))
            say(f"run {number + 1}: {way}: {seconds:.1f} s")
    for way, values in found.items():
        say(f"| {way} | {', '.join(map(str, values))} | median {statistics.median(values)} |")
    return found


def _kill(stage: Stage, way: str, end: Callable[[Worker], float]) -> float:
    """Start two workers, end one, and wait for what `way` waits for; returns the seconds from the end to that."""
    survivor, victim = (stage.worker(name) for name in ("survivor", "victim"))
    with running(survivor, victim), _feeding(stage.bootstrap, stage.files):
        wait_for_members(stage.bootstrap, 2)
        with Reader(stage.bootstrap, METRICS, from_now=True) as metrics:
            owned = _owned(metrics, victim.name)
        again = way == AGAIN
        with Reader(stage.bootstrap, METRICS if again else VERDICTS, from_now=True) as reader:
            ended_at = end(victim)
            while (record := reader.next(PATIENCE_S)) is not None:
                late = record.timestamp()[1] / 1000 > ended_at  # not of the victim before its end
                if late and (_instance(record) == victim.name if again else partition_of(record) in owned):
                    return time.time() - ended_at
    raise SystemExit(f"{way}: no verdict for {PATIENCE_S:.0f} s; {survivor.end_of_log()}")


def _instance(record: Message) -> str:
    return str(json.loads(record.value() or b"")["instance"])


def _owned(metrics: Reader, name: str) -> set[int]:
    """The partitions whose events the worker `name` judges, from the metrics of some seconds."""
    owned: dict[int, str] = {}
    until = time.monotonic() + BEFORE_S
    while time.monotonic() < until or name not in owned.values():
        record = metrics.next(PATIENCE_S)
        if record is None:
            raise SystemExit("the workers judge nothing")
        batch = json.loads(record.value() or b"")
        owned |= {int(partition): batch["instance"] for partition in batch["lag"]}
    return {partition for partition, owner in owned.items() if owner == name}


def _end_in_a_transaction(stage: Stage, victim: Worker) -> float:
    file = stage.folder / victim.name
    file.touch()
    until = time.monotonic() + PATIENCE_S
    while victim.pid is not None and time.monotonic() < until:
        time.sleep(0.005)
    file.unlink()
    return _kill_it(victim)  # it has ended


def _kill_it(victim: Worker) -> float:
    victim.kill()
    return time.time()


def _start_again(victim: Worker) -> float:
    ended_at = _kill_it(victim)
    victim.start()
    return ended_at


def _stop(victim: Worker) -> float:
    victim.stop()
    return time.time()


@contextmanager
def _feeding(bootstrap: str, files: Sequence[bytes]) -> Iterator[None]:
    """Send a picture to each partition every EVERY_S, in a thread."""
    done, producer = threading.Event(), Producer({"bootstrap.servers": bootstrap, "log_level": 0})

    def feed() -> None:
        number = 0
        while not done.wait(EVERY_S):
            for partition in range(PARTITIONS):
                producer.produce(IMAGES, files[number % len(files)], partition=partition)
            number += 1
            producer.flush()

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    main()
