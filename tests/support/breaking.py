"""Verdicts for the breaker, its topics, and a fake set that it limits references in."""

import json
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from kafka.errors import KafkaError
from running_service import PATIENCE_S, produce

from alerting.breaker.counts import Rules
from alerting.breaker.plan import Answer, Plan
from alerting.breaker.thread import Timing, beside
from consumer import topics as kafka_topics
from consumer.clients import Connection
from consumer.record_batches import Limits
from harness.readers import Reader
from matcher.verdict import Verdict, example

PARTITIONS = 3
TIMING = Timing(6.0, 300.0, 5.0, 30.0, Limits())


def make_jobs_topic(cluster, name):
    """Make the compacted topic for the breaker's counts."""
    with kafka_topics.admin(Connection(cluster.bootstrap)) as client:
        need = kafka_topics.Need(name, "jobs", kafka_topics.RECORD_BYTES, compact=True)
        kafka_topics.create(client, [need], 1, -1)
    return name


def verdict(number, at=None, **changes):
    """A verdict as JSON that a picture of user `number` is the reference 5f0c2e9a of known_spam."""
    made = example()
    made["matches"][0].update(changes)
    made["judged_at"] = (at or datetime.now(UTC)).isoformat()
    made["attributes"] = {"user": number}
    return Verdict.model_validate(made).model_dump_json().encode()


def send(cluster, topics, number, *, first=0, **changes):
    """Publish so many verdicts, by partition in turns."""
    made = [(None, verdict(first + each, **changes), [], each % PARTITIONS) for each in range(number)]
    produce(cluster.bootstrap, topics.verdicts, made)


class FakeSet:
    """Limits references as a set does, and knows what it was asked.

    Args:
        fail: raises this once, after the reference was limited.
        answers: by reference, instead of limiting it.
    """

    def __init__(self, fail=None, answers=()):
        self.version = 12
        self.asked = []
        self._limited = {}
        self._fail = fail
        self._answers = dict(answers)

    def __call__(self, burst, may):
        """Limit it."""
        self.asked.append((burst.last.reference, burst.last.at, may))
        answer = self._answers.get(burst.last.reference)
        if answer or not may:
            return answer or Answer()
        if burst.last.reference not in self._limited:
            self.version += 1
            self._limited[burst.last.reference] = Answer(version=self.version, at=burst.last.at)
        if self._fail:
            error, self._fail = self._fail, None
            raise error
        return self._limited[burst.last.reference]


class Breakers:
    """Breakers of one group, as in several processes."""

    def __init__(self, cluster, topics, jobs, **rules):
        self._cluster, self._topics, self._jobs = cluster, topics, jobs
        self._rules = Rules(**({"attribute": "user"} | rules))
        self.failures = 0

    def run(self, limit, instance="one"):
        """A breaker, as a context."""
        return beside(self.plan(limit, instance), TIMING, threading.Event(), self._failed)

    def plan(self, limit, instance="one"):
        """What a breaker is given."""
        topics, connection = self._topics, Connection(self._cluster.bootstrap)
        names = (topics.group, instance, topics.verdicts, topics.alerts, self._jobs)
        return Plan(connection, *names, self._rules, limit)

    def _failed(self):
        self.failures += 1

    def wait_until_read(self, number):
        """Wait until the group has committed so many verdicts, or other records."""
        with kafka_topics.admin(Connection(self._cluster.bootstrap)) as client:
            ends = {}
            until = datetime.now(UTC) + timedelta(seconds=PATIENCE_S)
            while datetime.now(UTC) < until:
                with suppress(KafkaError):  # the first group of a broker makes it make a topic
                    found = client.list_group_offsets([f"{self._topics.group}-breaker"])
                    ends = next(iter(found.values()), {})
                if len(ends) == PARTITIONS and sum(each.offset for each in ends.values()) >= number:
                    return
                threading.Event().wait(0.05)
        raise AssertionError(f"only {ends} are read")


def alerts(cluster, topics, number, quiet_s=0.3):
    """So many alerts; checks that there are no more."""
    with Reader(cluster.bootstrap, topics.alerts) as reader:
        found = []
        while len(found) < number:
            record = reader.next(PATIENCE_S)
            assert record is not None, f"{len(found)} of {number} alerts came"
            found.append((dict(record.headers())["ce_id"].decode(), json.loads(record.value())))
        extra = reader.next(quiet_s)
        assert extra is None, extra and extra.value()
        return found
