"""Proof of exactly-once: breaks everything that may break, then counts. `python -m benchmarks.chaos --help`.

Starts its own brokers, a Milvus server and several workers (`vigilens run`), sends events, executes a plan of faults
drawn from the seed, repairs everything, waits until the group has committed the end of the input, and counts what an
independent read-committed reader reads. A judge that nothing disturbs judges all events once more. The last line of the
output is one JSON object. Exit code 0: exactly once, and the same decisions; 1: not; 2: not finished in time, which
proves nothing.
"""

import argparse
import json
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient

from benchmarks import chaos_count, chaos_faults
from benchmarks.chaos_events import Feed, events, pictures
from benchmarks.chaos_judge import undisturbed
from benchmarks.chaos_progress import Progress
from benchmarks.chaos_setup import Milvus, Supervisor, Worker, environment, make_sets, worker
from benchmarks.sabotage import PRECAUTIONS
from harness.broker import Cluster, kafka
from harness.processes import Leash

IMAGES, VERDICTS, METRICS = TOPICS = ("chaos.images", "chaos.verdicts", "chaos.metrics")
GROUP = "chaos"
PARTITIONS = 6
PICTURES = 50
FIRST_S = 120.0  # from the start of the workers to their first commit
TRANSACTION_S = 5.0
RECOVERY_S = 20.0  # a process starts, the group notices and assigns its partitions again
PROGRESS_S = 5.0  # between two lines of progress
# Small batches make many transactions; with short sessions other workers take over during the run.
SETTINGS = {
    "kafka.group": GROUP,
    "kafka.images_topic": IMAGES,
    "kafka.verdicts_topic": VERDICTS,
    "kafka.metrics_topic": METRICS,
    "kafka.alerts_topic": "",
    "kafka.session_timeout_s": str(chaos_faults.SESSION_S),
    "kafka.transaction_timeout_s": str(TRANSACTION_S),
    "kafka.max_poll_interval_s": "90",
    "batch.images": "16",
    "batch.depth": "3",
    "waiting.give_up_s": "60",
    "http.port": "0",
    "log.format": "json",
}

_began = time.monotonic()


def say(line: str) -> None:
    """Print a line of progress on stderr: stdout is for the result."""
    print(f"[{time.monotonic() - _began:6.1f}] {line}", file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the chaos and print its result; the module's docstring has the exit codes."""
    options = _options(argv)
    base = Path(".cache").absolute() / "chaos"
    base.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"seed-{options.seed}-", dir=base))
    say(f"seed {options.seed}; logs and data in {folder}")
    result = run(options, folder)
    counts: chaos_count.Counts = result["counts"]
    code = 1 if counts.wrong() or result["input_errors"] or result["open_transactions"] else 2 * bool(counts.unfinished)
    if code == 0 and not options.keep:
        shutil.rmtree(folder)
    else:
        say(f"logs and data are kept in {folder}")
    del result["counts"]
    print(json.dumps({**vars(options), **result, **asdict(counts)}))
    return code


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--events", type=int, default=20_000, help="events to send (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=60, help="how long there are faults (default %(default)s)")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=3, help="Kafka nodes (default %(default)s)")
    parser.add_argument("--workers", type=int, default=3, help="processes of the service (default %(default)s)")
    parser.add_argument(
        "--two-encoders", action="store_true", help="sets of two encoders: slower, so fewer transactions under faults"
    )
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="seed of events and faults")
    parser.add_argument("--without", choices=PRECAUTIONS, help="leave out one precaution; the count should show it")
    parser.add_argument("--patience", type=float, default=300, help="seconds to finish after the faults")
    parser.add_argument("--keep", action="store_true", help="keep logs and data even if nothing is wrong")
    return parser.parse_args(argv)


@dataclass(frozen=True)
class Stage:
    """Everything that runs, and the environment of a process that nothing disturbs."""

    options: argparse.Namespace
    cluster: Cluster
    admin: AdminClient
    progress: Progress
    server: Milvus
    calm: Mapping[str, str]
    workers: Sequence[Worker]
    supervisor: Supervisor
    feed: Feed


def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The whole run; returns the parts of the result."""
    with ExitStack() as stack:
        stage = _set_up(options, folder, stack)
        stage.feed.start()
        for each in stage.workers:
            each.start()
        _wait_for_commits(stage, FIRST_S, lambda done: any(done.values()))
        faults = _break(stage)
        during = stage.progress.total
        stage.cluster.wait()
        stage.feed.wait()
        say(f"repaired; all events are sent, {during} were committed meanwhile")
        ends = chaos_count.ends(stage.admin, IMAGES)
        seconds = _wait_for_commits(stage, options.patience, lambda done: done == ends)
        stage.supervisor.close()
        for each in stage.workers:
            each.stop()
        more = {"faults": dict(sorted(faults.items())), "committed_meanwhile": during, "healing_s": round(seconds, 1)}
        return _result(stage) | more


def _set_up(options: argparse.Namespace, folder: Path, stack: ExitStack) -> Stage:
    """Brokers, topics, Milvus and its sets; workers and feed, not yet started."""
    cluster = stack.enter_context(kafka(folder, options.brokers, say))
    leash = stack.enter_context(Leash())
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    cluster.make_topics({IMAGES: PARTITIONS, VERDICTS: PARTITIONS, METRICS: 2})
    progress = Progress(cluster.bootstrap, GROUP, IMAGES)
    stack.callback(progress.close)
    files = pictures(options.seed, PICTURES)
    server = Milvus(folder)
    server.start()
    stack.callback(server.stop)
    make_sets(server.uri, files, say, two_encoders=options.two_encoders)
    places = {"kafka.bootstrap_servers": cluster.bootstrap, "milvus.uri": server.uri}
    calm, workers = environment({**SETTINGS, **places}), []
    for name in (f"worker-{number}" for number in range(options.workers)):
        settings = environment({**SETTINGS, **places, "kafka.instance": name})
        workers.append(Worker(name, worker(options.without), settings, folder, leash))
    supervisor = Supervisor(workers, say)
    stack.callback(supervisor.close)
    feed = Feed(cluster.bootstrap, IMAGES, list(events(options.seed, options.events, files)), options.seconds)
    stack.callback(feed.cancel)
    return Stage(options, cluster, admin, progress, server, calm, workers, supervisor, feed)


def _break(stage: Stage) -> Counter[str]:
    """Execute the plan of faults; returns how often each kind happened."""
    options = stage.options
    planned = chaos_faults.plan(options.seed, options.seconds, options.brokers, options.workers)

    def wait_for_progress() -> None:
        stage.progress.wait_for_more(RECOVERY_S)

    # A worker's next fault waits until the group works again; otherwise all faults would hit a group that does nothing.
    lanes = {
        name: chaos_faults.Lane(faults, stage.workers, wait_for_progress)
        for name, faults in planned.items()
        if name.startswith("worker")
    }
    # One broker at a time: the next one only when every partition has all its replicas again.
    lanes["brokers"] = chaos_faults.Lane(planned["brokers"], stage.cluster.nodes, stage.cluster.wait)
    lanes["milvus"] = chaos_faults.Lane(planned["milvus"], [stage.server])
    return chaos_faults.execute(lanes, options.seconds, say)


def _wait_for_commits(stage: Stage, timeout_s: float, enough: Callable[[dict[int, int]], bool]) -> float:
    """Wait until `enough(committed offsets by partition)`, or for `timeout_s`; returns the seconds it took."""
    begun = said = time.monotonic()
    while not enough(stage.progress.committed) and (now := time.monotonic()) - begun < timeout_s:
        stage.supervisor.check()
        if now - said > PROGRESS_S:
            said = now
            say(f"{stage.progress.total} of {len(stage.feed.events)} events committed {stage.progress.trouble}")
        time.sleep(0.5)
    return time.monotonic() - begun


def _result(stage: Stage) -> dict[str, Any]:
    """Read everything back and count."""
    say("counting")
    bootstrap, workers = stage.cluster.bootstrap, stage.workers
    settled = [chaos_count.wait_settled(stage.admin, topic, 3 * TRANSACTION_S) for topic in (VERDICTS, METRICS)]
    inputs = chaos_count.read_inputs(bootstrap, IMAGES)
    verdicts = list(chaos_count.read_verdicts(bootstrap, VERDICTS))
    metrics = list(chaos_count.read_metrics(bootstrap, METRICS))
    say("judging all events once more")
    expected = undisturbed(stage.calm, IMAGES)
    counts = chaos_count.count(IMAGES, inputs, stage.progress.committed, verdicts, metrics, expected)
    found = Counter(inputs.values())
    missing = sum(event.id not in found for event in stage.feed.events)
    return {
        "counts": counts,
        "transactions": len(metrics),
        "decisions": dict(Counter(each.decision for each in verdicts)),
        "input_errors": stage.feed.failed[:3] + [f"{missing} events are missing"] * bool(missing) + _doubled(found),
        "open_transactions": settled.count(False),
        "unexpected_exits": dict(sum((each.ended for each in workers), Counter[int]())),
        "slowest_stop_s": round(max(each.slowest_stop_s for each in workers), 1),
    }


def _doubled(found: Counter[str]) -> list[str]:
    doubled = sum(number > 1 for number in found.values())
    return [f"{doubled} events are in the topic more than once"] * bool(doubled)


if __name__ == "__main__":
    sys.exit(main())
