"""`vigilens run` in a separate process, with helpers for tests."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager

from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families

from harness.readers import Reader

PATIENCE_S = 60.0  # for anything that takes a second on a healthy machine


class Service:
    """A running service. Its log lines are read as they come; `said` keeps them.

    Args:
        settings: environment variables.
        program: the command line, as arguments of Python.
        options: of `run`.
    """

    def __init__(self, settings, program=("-m", "vigilens.cli"), options=()):
        environment = {**os.environ, **settings, "VIGILENS_HTTP__PORT": "0", "VIGILENS_LOG__FORMAT": "json"}
        self.process = subprocess.Popen(
            [sys.executable, *program, "run", *options], stderr=subprocess.PIPE, text=True, env=environment
        )
        self.said = []
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put(None)

    def until(self, message):
        """The first line from now on whose message is `message`."""
        while (line := self._lines.get(timeout=PATIENCE_S)) is not None:
            self.said.append(line)
            if line.startswith("{") and json.loads(line)["message"] == message:
                return json.loads(line)
        raise AssertionError(f"the service ended before it said {message!r}: {''.join(self.said[-5:])}")

    def ready(self):
        self.address = self.until("starting")["http"]
        self.until("ready")
        return self

    def get(self, path):
        """Status and text of a page of the service's port."""
        try:
            with urllib.request.urlopen(self.address + path, timeout=PATIENCE_S) as page:  # noqa: S310 (our own port)
                return page.status, page.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name, **labels):
        """The sum of a metric's series that have these labels; None if there are none."""
        wanted = labels.items()
        found = [
            sample.value
            for family in text_string_to_metric_families(self.get("/metrics")[1])
            for sample in family.samples
            if sample.name == name and wanted <= sample.labels.items()
        ]
        return sum(found) if found else None

    def wait_until_metric(self, name, holds, **labels):
        """Request /metrics until `holds` is true of `metric`; returns its value."""
        for _ in range(3_000):
            if (value := self.metric(name, **labels)) is not None and holds(value):
                return value
            threading.Event().wait(0.02)
        raise AssertionError(f"{name} never came to hold: {value}")

    def wait_until_ready_says(self, status):
        """Request /ready until it answers `status`."""
        for _ in range(10_000):
            if self.get("/ready")[0] == status:
                return
            threading.Event().wait(0.02)
        raise AssertionError(f"/ready never said {status}")

    def end(self, number=signal.SIGTERM):
        """Send it the signal and wait; returns the exit code and the whole log."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        while (line := self._lines.get(timeout=PATIENCE_S)) is not None:
            self.said.append(line)
        self._lines.put(None)
        return code, "".join(self.said)


@contextmanager
def running(settings, **options):
    """A service that is ready; it is killed afterwards if it still runs."""
    service = Service(settings, **options)
    try:
        yield service.ready()
    finally:
        if service.process.poll() is None:
            service.process.kill()
        service.process.wait()
        service._reader.join()
        service.process.stderr.close()


def produce(bootstrap, topic, events):
    """Send `events`: (key, value, headers, partition or None) each."""
    producer = Producer({"bootstrap.servers": bootstrap, "message.max.bytes": 30_000_000})
    for key, value, headers, partition in events:
        where = {} if partition is None else {"partition": partition}
        producer.produce(topic, value=value, key=key, headers=headers, **where)
    assert producer.flush(PATIENCE_S) == 0


def read_committed(bootstrap, topic, count, quiet_s=0.3):
    """The `count` committed records of `topic`; checks that there are no more."""
    with Reader(bootstrap, topic) as reader:
        records = []
        while len(records) < count:
            record = reader.next(PATIENCE_S)
            assert record is not None, f"{len(records)} of {count} records came"
            records.append(record)
        extra = reader.next(quiet_s)
        assert extra is None, f"more than {count} records: {extra.value()}"
        return records
