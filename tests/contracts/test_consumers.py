"""The example consumers on a real broker: aborted transactions, kills, rebalances, repeated and unreadable records."""

import json
import os
import re
import secrets
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from run import missing, needs_program

from harness.kafka_jars import class_path
from harness.processes import Leash, Program
from matcher.verdict import example

EXAMPLES = Path(__file__).parents[2] / "examples/consumers"
TYPESCRIPT = EXAMPLES / "typescript"
LANGUAGES = ("python", "typescript", "java")
PARTITIONS = 3
DECISIONS = ("allow", "review", "block", "unscannable")
TYPE = {"ce_type": b"vigilens.verdict.v2"}
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Sent:
    """What was produced: where each id must go, and how many records cannot be read."""

    queues: dict[str, str]
    unreadable: int


def until(holds, what):
    """Wait until `holds()`."""
    for _ in range(int(PATIENCE_S / 0.02)):
        if holds():
            return
        threading.Event().wait(0.02)
    raise AssertionError(f"not in {PATIENCE_S:.0f} s: {what()}")


def value(decision, **more):
    return json.dumps({**example(), "decision": decision, **more}).encode()


def verdicts(name, count):
    """Records by id: value, headers; and the queue of each id."""
    for number in range(count):
        decision = DECISIONS[number % len(DECISIONS)]
        yield f"images@x/{number % PARTITIONS}/{name}{number}", decision, value(decision)


def unreadable():
    good = {"ce_id": b"images@x/0/odd", **TYPE}
    yield b"{not json", good
    yield b"[1]", good
    yield None, good
    yield b'{"text": "no decision"}', good
    yield b"[" * 100_000, good
    yield value("block"), {**good, "ce_type": b"vigilens.verdict.v9"}
    yield value("block"), TYPE
    yield b"\xff\xfe", {}


class Topic:
    """The verdicts topic, written by a transactional producer as the service does."""

    def __init__(self, cluster):
        self.name = f"verdicts-{secrets.token_hex(4)}"
        cluster.make_topics({self.name: PARTITIONS})
        self._producer = Producer({"bootstrap.servers": cluster.bootstrap, "transactional.id": self.name})
        self._producer.init_transactions(PATIENCE_S)
        self._sent = 0

    def publish(self, records, *, commit=True):
        """One transaction with `records`: value and headers each."""
        self._producer.begin_transaction()
        for content, headers in records:
            self._producer.produce(self.name, content, headers=list(headers.items()), partition=self._sent % PARTITIONS)
            self._sent += 1
        self._producer.flush(PATIENCE_S)
        end = self._producer.commit_transaction if commit else self._producer.abort_transaction
        end(PATIENCE_S)

    def fill(self, name):
        """Transactions of ten verdicts, every third one aborted and published again; then odd ones. Returns `Sent`."""
        queues, batch = {}, []
        for number, (id_, decision, content) in enumerate(verdicts(name, 120), 1):
            batch.append((content, {"ce_id": id_.encode(), **TYPE}))
            queues[id_] = decision
            if number % 10 == 0:
                if number % 30 == 0:
                    aborted = [(body, {"ce_id": b"aborted/" + head["ce_id"], **TYPE}) for body, head in batch]
                    self.publish(aborted, commit=False)
                self.publish(batch)
                if number % 40 == 0:
                    self.publish(batch)  # the same verdicts once more
                batch = []
        odd = list(unreadable())
        newer = {f"{name}-escalated": "review", f"{name}-newer": "block", f"{name}-half": "block"}
        self.publish(
            [
                *odd,
                (value("escalate", schema_version="2.7"), {"ce_id": f"{name}-escalated".encode(), **TYPE}),
                (value("block", image_id="\ud800"), {"ce_id": f"{name}-half".encode(), **TYPE}),
                (value("block", schema_version="2.9", more={"deep": [1]}), {"ce_id": f"{name}-newer".encode(), **TYPE}),
            ]
        )
        last = {f"{name}-last{number}": "allow" for number in range(PARTITIONS)}  # when they are there, all before are
        self.publish([(value("allow"), {"ce_id": id_.encode(), **TYPE}) for id_ in last])
        return Sent(queues | newer | last, len(odd))


def rows(store):
    """Id and queue of everything that was handled, as the store has it: none is left out if it is there twice."""
    if not store.exists():
        return []
    if store.suffix == ".db":
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=30) as database:
            found = database.execute("SELECT name FROM sqlite_master WHERE name = 'handled'").fetchall()
            return database.execute("SELECT id, queue FROM handled").fetchall() if found else []
    handled = [json.loads(path.read_text()) for path in store.glob("*.json")]
    return [(each["id"], each["queue"]) for each in handled]


def built(tmp_path):
    """The commands of the three programs, compiled."""
    needs_program("node", "java", "javac")
    if not (TYPESCRIPT / "node_modules/kafkajs").is_dir():
        missing("kafkajs is not installed: make test")
    jars = class_path()
    compile_ = [
        ["node", "node_modules/typescript/bin/tsc", "--outDir", "dist"],
        ["javac", "-cp", jars, "-d", tmp_path, EXAMPLES / "java/RouteVerdicts.java"],
    ]
    with ThreadPoolExecutor() as pool:
        for done in pool.map(
            lambda each: subprocess.run(each, cwd=TYPESCRIPT, capture_output=True, text=True, check=False), compile_
        ):
            assert done.returncode == 0, done.stdout + done.stderr
    small = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    return {
        "python": [sys.executable, EXAMPLES / "python/route_verdicts.py"],
        "typescript": ["node", TYPESCRIPT / "dist/route-verdicts.js"],
        "java": ["java", *small, "-cp", os.pathsep.join((str(tmp_path), jars)), "RouteVerdicts"],
    }


class Consumers:
    """The three programs, each with a group and a store of its own."""

    def __init__(self, commands, topic, bootstrap, folder, leash):
        self.stores = {each: folder / ("python.db" if each == "python" else each) for each in LANGUAGES}
        self.logs = {each: folder / f"{each}.log" for each in LANGUAGES}
        self.group = f"group-{topic}"
        common = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "VERDICTS_TOPIC": topic, "KAFKA_SESSION_TIMEOUT_MS": "2000"}

        def program(each):
            env = os.environ | common | {"KAFKA_GROUP": f"{self.group}-{each}", "STORE": str(self.stores[each])}
            return Program(each, commands[each], self.logs[each], leash, env=env)

        self.first = [program(each) for each in LANGUAGES]
        self.second = [program(each) for each in LANGUAGES]

    def rows(self):
        return {each: rows(store) for each, store in self.stores.items()}

    def wait_for(self, ids):
        def left():
            for each in (*self.first, *self.second):
                each.check()
            return {name: len(ids - dict(found).keys()) for name, found in self.rows().items()}

        until(lambda: not any(left().values()), left)


def committed(bootstrap, group, topic):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    try:
        found = consumer.committed([TopicPartition(topic, number) for number in range(PARTITIONS)], PATIENCE_S)
        return [(each.offset, consumer.get_watermark_offsets(each, PATIENCE_S)[1]) for each in found]
    finally:
        consumer.close()


@pytest.fixture(scope="module")
def run(kafka_cluster, tmp_path_factory):
    """All three are killed in the middle, started again, joined by a second instance, and stopped."""
    folder = tmp_path_factory.mktemp("consumers")
    commands = built(folder)
    topic = Topic(kafka_cluster)
    first = topic.fill("first")
    with Leash() as leash:
        consumers = Consumers(commands, topic.name, kafka_cluster.bootstrap, folder, leash)
        waiting = dict(zip(LANGUAGES, consumers.first, strict=True))
        for each in consumers.first:
            each.start()
        killed = {}
        while waiting:  # each one as soon as it has handled a part
            name = None

            def begun():
                nonlocal name
                for each in consumers.first:
                    each.check()
                name = next((each for each in waiting if len(rows(consumers.stores[each])) > 20), None)
                return name

            until(begun, consumers.rows)
            waiting.pop(name).kill()
            killed[name] = len(rows(consumers.stores[name]))
        for each in (*consumers.first, *consumers.second):
            each.start()
        second = topic.fill("second")  # while the groups are rebalanced
        sent = Sent(first.queues | second.queues, first.unreadable + second.unreadable)
        consumers.wait_for(sent.queues.keys())
        with ThreadPoolExecutor() as pool:
            running = (*consumers.first, *consumers.second)
            codes = dict(pool.map(lambda each: (each.name, each.stop()), running))
        offsets = {
            each: committed(kafka_cluster.bootstrap, f"{consumers.group}-{each}", topic.name) for each in LANGUAGES
        }
        yield sent, consumers, killed, codes, offsets


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_verdict_is_handled_once_and_goes_where_its_decision_says(run, language):
    sent, consumers, killed, codes, offsets = run
    log = consumers.logs[language].read_text()
    found = rows(consumers.stores[language])
    by_id = dict(found)
    assert len(found) == len(by_id)
    assert min(killed.values()) < len(sent.queues) / 2, "all were killed after their work, so nothing is shown"
    dead = {id_ for id_, queue in found if queue == "dead"}
    assert {id_: queue for id_, queue in found if id_ not in dead} == sent.queues
    assert len(dead) == sent.unreadable
    assert log.count("cannot be read") >= len(dead)
    assert codes[language] == 0 or (language == "java" and codes[language] == 143), log  # Java's code after SIGTERM
    assert log.count("stopped") == 2
    assert all(end - 2 <= offset <= end for offset, end in offsets[language])  # a transaction ends with a marker


def test_the_types_of_typescript_are_those_of_the_schema_of_verdicts():
    needs_program("node")
    if not (TYPESCRIPT / "node_modules").is_dir():
        missing("node or its packages are not installed: make test")
    done = subprocess.run(["node", "types.mjs", "--check"], cwd=TYPESCRIPT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_clients_of_java_are_those_that_are_tested():
    pom = (EXAMPLES / "java/pom.xml").read_text()
    for artifact in ("kafka-clients", "jackson-databind"):
        version = re.search(rf"<artifactId>{artifact}</artifactId>\s*<version>([\d.]+)</version>", pom)
        assert version, artifact
        assert f"/{artifact}-{version[1]}.jar" in class_path()


def test_the_lock_of_the_example_names_only_the_public_registry():
    packages = json.loads((TYPESCRIPT / "package-lock.json").read_text())["packages"]
    assert all("integrity" in each for name, each in packages.items() if name)
    addresses = [each["resolved"] for each in packages.values() if "resolved" in each]  # without it, it is that one
    assert [each for each in addresses if not each.startswith("https://registry.npmjs.org/")] == []
