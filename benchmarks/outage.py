"""What a real Prometheus sees of two outages: Milvus is away while 300 events wait, then one of two workers is killed.

    python -m benchmarks.outage after.json
    python -m benchmarks.outage before.json --tree ../another-version    # a checkout with its own .venv
    python -m benchmarks.outage_figure before.json after.json docs/outage.png
    python -m benchmarks.dashboard_figure after.json docs/dashboard.png

The broker looks for old transactions as often as Kafka does by default. The file holds the answers of Prometheus to the
queries of the dashboard and of the figure, what really waited (events that were sent, less the verdicts that another
client read), and when what happened.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from benchmarks.chaos_events import Sent, events, pictures
from benchmarks.chaos_setup import Milvus, environment, make_sets
from harness.broker import kafka
from harness.processes import Leash
from harness.prometheus import Prometheus, prometheus
from harness.readers import Reader
from harness.service import Service, address_in
from ops.grafana.dashboard import ROWS

ROOT = Path(__file__).parents[1]
TOPICS = [f"vigilens.{name}" for name in ("images", "verdicts", "metrics", "alerts", "jobs")]
PARTITIONS = 4
WAITING = 300  # events that are sent while Milvus is away
QUIET_S, AWAY_S, BETWEEN_S, AFTER_S = 15.0, 30.0, 40.0, 60.0
EVERY_S = 0.25  # between two events
STEP_S = 1.0  # between two scrapes, and between two values of an answer
AS_KAFKA_COMES = "\ntransaction.abort.timed.out.transaction.cleanup.interval.ms=10000\n"
FIGURE = {
    "lag": "sum(max by (partition) (vigilens_consumer_lag))",
    "oldest": "max(vigilens_oldest_waiting_seconds)",
    "members": "max(vigilens_group_members)",
    "unowned": "max(vigilens_group_unowned_partitions)",
    "owned": "sum(vigilens_partitions_owned)",
    "ready": "sum(vigilens_ready)",
}
ONE_SET = "copies"  # the dashboard shows the scores of each set by itself
VARIABLES = {"$job": ".+", "$set": ".+", "$__rate_interval": "5s", "$__range": "180s", "[5m:15s]": "[15s:1s]"}


def main(argv: Sequence[str] | None = None) -> None:
    """Run it and write the file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outage", description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, help="gets the result, as JSON")
    parser.add_argument("--tree", type=Path, default=ROOT, help="the version of the service to run (this one)")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        cluster = stack.enter_context(kafka(folder / "kafka", say=say, more=AS_KAFKA_COMES))
        cluster.make_topics(dict.fromkeys(TOPICS, PARTITIONS))
        milvus, files = Milvus(folder), pictures(1, 50)
        milvus.start()
        stack.callback(milvus.stop)
        make_sets(milvus.uri, files, say, two_encoders=True)
        workers = stack.enter_context(_workers(options.tree.resolve(), cluster.bootstrap, milvus.uri, folder))
        targets = [address_in(each.log).removeprefix("http://") for each in workers]
        seen = stack.enter_context(prometheus(folder, targets, [ROOT / "ops/prometheus/vigilens.rules.yml"]))
        truth = stack.enter_context(_Truth.of(cluster.bootstrap, events(1, 100_000, files)))
        marks = outages(truth, milvus, workers)
        answers = _answers(seen, marks["began"], marks["ended"])
    options.file.write_text(json.dumps({"marks": marks, "really": truth.really, **answers}))


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)


def outages(truth: "_Truth", milvus: Milvus, workers: Sequence[Service]) -> dict[str, float]:
    """Both outages, one after the other; returns when what happened, in seconds since 1970."""
    marks = {"began": time.time()}
    time.sleep(QUIET_S)
    truth.trickles = False
    time.sleep(STEP_S)
    milvus.stop()
    marks["milvus stops"] = time.time()
    truth.send(WAITING)
    time.sleep(AWAY_S)
    milvus.start()
    marks["milvus is back"] = time.time()
    truth.trickles = True
    time.sleep(BETWEEN_S)
    workers[1].kill()
    marks["kill -9"] = time.time()
    time.sleep(AFTER_S)
    marks["ended"] = time.time()
    say(", ".join(f"{what} {at - marks['began']:.0f} s" for what, at in marks.items()))
    return marks


@contextmanager
def _workers(tree: Path, bootstrap: str, milvus: str, folder: Path) -> Iterator[list[Service]]:
    settings = {
        "kafka.bootstrap_servers": bootstrap,
        "milvus.uri": milvus,
        "http.port": "0",
        "log.format": "json",
        "sets.default_encoder": "words",
        "encoders.words.kind": "words",
        "encoders.pdq.kind": "pdq",
    }
    env = environment(settings) | {"PYTHONPATH": str(tree)}
    command = [str(tree / ".venv/bin/python"), "-m", "vigilens.cli", "run"]
    with Leash() as leash:
        logs = [folder / f"worker-{number}.log" for number in range(2)]
        workers = [Service(log.stem, command, log, leash, env=env, folder=tree) for log in logs]
        for each in workers:
            each.start()
        for each in workers:
            each.wait_until_ready()
        yield workers


class _Truth:
    """Sends events, and counts those that have no verdict, twice a second.

    Attributes:
        trickles: whether an event is sent every EVERY_S.
        really: (seconds since 1970, events without a verdict).
    """

    def __init__(self, bootstrap: str, source: Iterator[Sent]) -> None:
        self.trickles = True
        self.really: list[tuple[float, int]] = []
        self._producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
        self._bootstrap, self._source = bootstrap, source
        self._sent = self._judged = 0
        self._done = threading.Event()

    @classmethod
    @contextmanager
    def of(cls, bootstrap: str, source: Iterator[Sent]) -> Iterator["_Truth"]:
        """Sends and counts until the body ends."""
        made = cls(bootstrap, source)
        threads = [threading.Thread(target=each, daemon=True) for each in (made._trickle, made._read, made._count)]
        for each in threads:
            each.start()
        try:
            yield made
        finally:
            made._done.set()
            for each in threads:
                each.join()

    def send(self, count: int) -> None:
        """Send so many events."""
        for event in (next(self._source) for _ in range(count)):
            self._producer.produce(TOPICS[0], event.value, event.key, headers=event.headers)
        self._producer.flush()
        self._sent += count

    def _trickle(self) -> None:
        while not self._done.wait(EVERY_S):
            if self.trickles:
                self.send(1)

    def _read(self) -> None:
        with Reader(self._bootstrap, TOPICS[1]) as reader:
            while not self._done.is_set():
                self._judged += reader.next(0.2) is not None

    def _count(self) -> None:
        while not self._done.wait(STEP_S / 2):
            self.really.append((time.time(), self._sent - self._judged))


def _answers(seen: Prometheus, start: float, end: float) -> dict[str, Any]:
    asked = {query.expr for row in ROWS for panel in row.panels for query in panel.queries}

    def answer(expr: str) -> list[dict[str, Any]]:
        if "vigilens_candidate_score" in expr or "vigilens_set_threshold" in expr:
            expr = expr.replace("$set", ONE_SET)
        for name, value in VARIABLES.items():
            expr = expr.replace(name, value)
        return seen.query_range(expr, start, end, STEP_S)

    return {
        "figure": {name: answer(expr) for name, expr in FIGURE.items()},
        "dashboard": {expr: answer(expr) for expr in sorted(asked)},
        "processors": os.cpu_count(),
    }


if __name__ == "__main__":
    main()
