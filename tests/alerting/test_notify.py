"""`alerting.notify` on a real broker: every alert arrives at least once, whatever the receiver does."""

import threading
from contextlib import contextmanager

import pytest
from receiver import receiving
from run import Topics
from running_service import PATIENCE_S, produce

from alerting.notify.sender import Plan, Sender
from alerting.notify.webhook import Webhook
from consumer.alerts import alert_record, example
from consumer.clients import Connection
from harness.broker import kafka


def send(cluster, topics, *changes):
    records = [alert_record(example().model_copy(update=each), topics.alerts) for each in changes]
    produce(cluster.bootstrap, topics.alerts, [(each.key, each.value, each.headers, 0) for each in records])


def numbered(count, **changes):
    return [{"version": str(number), **changes} for number in range(count)]


def ids(receiver):
    return [
        {name.lower(): text for name, text in headers.items()}["ce-id"].rpartition("/")[2]
        for _, headers, _ in receiver.requests
    ]


@pytest.fixture
def make(kafka_cluster, topics):
    def make(receiver, **changes):
        connection = Connection(kafka_cluster.bootstrap)
        quick = {"pauses": lambda _: 0.01, "session_timeout_s": 6.0, **changes}
        plan = Plan(connection, topics.alerts, f"{topics.group}-notify", **quick)
        return Sender(plan, Webhook(receiver.url), threading.Event())

    return make


def until(holds):
    for _ in range(int(PATIENCE_S / 0.02)):
        if holds():
            return
        threading.Event().wait(0.02)
    raise AssertionError("it never came to hold")


@contextmanager
def running(sender):
    thread = threading.Thread(target=sender.run)
    thread.start()
    try:
        yield
    finally:
        sender.stopping.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_alerts_arrive_in_their_order_and_the_next_sender_goes_on_after_them(kafka_cluster, topics, make):
    send(kafka_cluster, topics, *numbered(3))
    with receiving() as receiver:
        assert make(receiver).run(once=True).delivered == 3
        send(kafka_cluster, topics, {"version": "3"})
        assert make(receiver).run(once=True).delivered == 1
    assert ids(receiver) == ["0", "1", "2", "3"]


def test_a_receiver_that_fails_gets_the_same_alert_again_and_the_others_wait(kafka_cluster, topics, make):
    send(kafka_cluster, topics, *numbered(2))
    with receiving(500, 0, (429, {"Retry-After": "0"}), 503) as receiver:
        assert make(receiver).run(once=True).delivered == 2
    assert ids(receiver) == ["0", "0", "0", "0", "0", "1"]
    assert len({headers["webhook-id"] for _, headers, _ in receiver.requests}) == 2


def test_what_is_refused_is_passed_over_after_three_tries_and_what_is_not_taken_after_a_time(
    kafka_cluster, topics, make
):
    send(kafka_cluster, topics, *numbered(3))
    with receiving(400, 404, 400) as receiver:
        sent = make(receiver).run(once=True)
    assert ids(receiver) == ["0", "0", "0", "1", "2"]
    assert (sent.delivered, sent.passed_over) == (2, 1)
    send(kafka_cluster, topics, *numbered(2, kind="recall_low"))
    with receiving(*[500] * 100) as receiver:
        assert make(receiver, give_up_s=0.0).run(once=True).passed_over == 2


def test_only_what_somebody_asked_for_is_sent_and_each_alert_once(kafka_cluster, topics, make):
    send(
        kafka_cluster,
        topics,
        {"version": "a"},
        {"version": "a"},
        {"version": "b", "severity": "info"},
        {"version": "c", "kind": "recall_low"},
        {"version": "d", "severity": "critical"},
    )
    with receiving() as receiver:
        sent = make(receiver, kinds=("reference_burst",), least=1).run(once=True)
    assert (ids(receiver), sent.left_out) == (["a", "d"], 3)


def test_a_sender_that_is_stopped_while_it_waits_leaves_the_alert_to_the_next_one(kafka_cluster, topics, make):
    send(kafka_cluster, topics, *numbered(1))
    with receiving(503) as receiver:
        with running(make(receiver, pauses=lambda _: 600.0)):
            receiver.wait_for(1)
        assert make(receiver).run(once=True).delivered == 1
    assert ids(receiver) == ["0", "0"]


def test_a_sender_outlives_a_broker_that_is_silent_when_it_commits(monkeypatch, caplog, tmp_path, kafka_cluster):
    assert kafka_cluster  # without Kafka this is skipped
    monkeypatch.setattr("alerting.notify.sender.TIMEOUT_MS", 300)
    own = Topics("", "", "", "group", "alerts")
    with kafka(tmp_path) as cluster, receiving(503) as receiver:
        cluster.make_topics({own.alerts: 1})
        send(cluster, own, *numbered(1))
        plan = Plan(Connection(cluster.bootstrap), own.alerts, own.group, pauses=lambda _: 2.0)
        with running(Sender(plan, Webhook(receiver.url), threading.Event())):
            receiver.wait_for(1)
            cluster.nodes[0].pause()
            until(lambda: "waiting for Kafka" in caplog.messages)
            cluster.nodes[0].resume()
            send(cluster, own, {"version": "next"})
            until(lambda: "next" in ids(receiver))
    assert ids(receiver) == ["0", "0", "next"]


def test_a_record_that_is_no_alert_holds_up_nothing(kafka_cluster, topics, make):
    produce(kafka_cluster.bootstrap, topics.alerts, [(None, b"no JSON", [], 0)])
    send(kafka_cluster, topics, *numbered(1))
    with receiving() as receiver:
        sent = make(receiver).run(once=True)
    assert (sent.delivered, sent.passed_over) == (1, 1)
