"""What `takeover` runs: a broker, a Milvus server with two small sets, and workers with names."""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from benchmarks.chaos_setup import Worker, environment
from harness.processes import Leash

IMAGES, VERDICTS, METRICS = TOPICS = ("takeover.images", "takeover.verdicts", "takeover.metrics")
GROUP = "takeover"
PARTITIONS = 4
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Stage:
    """What runs: a broker, a Milvus server with two small sets, and the small pictures to send."""

    bootstrap: str
    milvus: str
    folder: Path
    leash: Leash
    files: Sequence[bytes]
    options: argparse.Namespace

    def worker(self, name: str, **more: str) -> Worker:
        """A worker with this instance name; not yet started. Once FOLDER/NAME exists, it ends in a transaction."""
        settings = {
            "kafka.bootstrap_servers": self.bootstrap,
            "kafka.group": GROUP,
            "kafka.instance": name,
            "kafka.session_timeout_s": str(self.options.session),
            "kafka.transaction_timeout_s": str(self.options.transaction),
            **dict(zip(("kafka.images_topic", "kafka.verdicts_topic", "kafka.metrics_topic"), TOPICS, strict=True)),
            "kafka.alerts_topic": "",
            "milvus.uri": self.milvus,
            "http.port": "0",
            "log.format": "json",
            **more,
        }
        command = [sys.executable, "-m", "benchmarks.takeover_worker", str(self.folder / name), "run"]
        return Worker(name, command, environment(settings), self.folder, self.leash)


@contextmanager
def running(*workers: Worker) -> Iterator[None]:
    """Start the workers; stop them at the end."""
    for each in workers:
        each.start()
    try:
        yield
    finally:
        for each in workers:
            each.stop()


def wait_for_members(bootstrap: str, count: int) -> None:
    """Wait until the group has `count` members and is stable."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        with suppress(KafkaException):  # the group's coordinator is not known yet
            found = admin.describe_consumer_groups([GROUP])[GROUP].result()
            if found.state.name == "STABLE" and len(found.members) == count:
                return
        time.sleep(0.1)
    raise SystemExit(f"the group has not {count} members after {PATIENCE_S:.0f} s")
