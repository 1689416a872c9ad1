"""The embedded broker: real Kafka answers, and its processes end with their parent."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Producer

from harness import kafka_jars as jars
from harness.broker import _cluster_id, kafka
from harness.processes import Leash, tail
from harness.readers import committed

ROOT = Path(__file__).parents[2]


def test_one_client_reads_what_another_writes(kafka_cluster, topics):
    producer = Producer({"bootstrap.servers": kafka_cluster.bootstrap})
    producer.produce(topics.images, b"a picture", key=b"k", partition=0)
    assert producer.flush(10) == 0
    (record,) = committed(kafka_cluster.bootstrap, topics.images)
    assert (record.key(), record.value()) == (b"k", b"a picture")


@pytest.mark.usefixtures("kafka_cluster")  # so that it is skipped where there is no broker
def test_a_node_that_is_stopped_and_started_keeps_its_records(tmp_path, monkeypatch):
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    with kafka(tmp_path) as cluster:
        node = cluster.nodes[0]
        producer = Producer({"bootstrap.servers": cluster.bootstrap, "allow.auto.create.topics": False})
        cluster.make_topics({"kept": 1})
        producer.produce("kept", b"before")
        assert producer.flush(10) == 0
        first = node.pid
        node.stop()
        assert node.pid is None
        node.start()
        cluster.wait()
        assert node.pid != first
        assert [record.value() for record in committed(cluster.bootstrap, "kept")] == [b"before"]


def test_children_end_when_their_parent_is_killed(tmp_path):
    parent = (
        "import signal, sys; from pathlib import Path; from harness.processes import Leash\n"
        "child = Leash().start(['sleep', '600'], Path(sys.argv[1]))\n"
        "print(child.pid, flush=True); signal.pause()\n"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", parent, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    child = psutil.Process(int(running.stdout.readline()))
    running.send_signal(signal.SIGKILL)
    running.wait()
    running.stdout.close()
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_closing_the_leash_kills_its_programs_and_keeps_their_output(tmp_path):
    log = tmp_path / "log"
    with Leash() as leash:
        child = leash.start(["sh", "-c", "echo hello; echo trouble >&2"], log)
        assert child.wait(10) == 0
        stalled = leash.start(["sleep", "600"], log)
        os.kill(stalled.pid, signal.SIGSTOP)
    assert stalled.poll() == -signal.SIGKILL
    assert tail(log) == "hello\ntrouble"
    assert tail(tmp_path / "no such file") == ""


def test_without_a_network_and_a_cache_one_sentence_names_the_fix(tmp_path, monkeypatch):
    monkeypatch.setattr(jars, "KAFKA", "org.example:there-is-no-such-thing:0.0.0")
    with pytest.raises(jars.NoKafka, match="KAFKA_BOOTSTRAP_SERVERS"):
        jars.class_path(cache=tmp_path)


def test_no_cluster_id_looks_like_an_option():
    ids = {_cluster_id(bytes([first]) * 16) for first in range(256)}
    assert all(len(one) == 22 and not one.startswith("-") for one in ids)
