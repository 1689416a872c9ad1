"""`vigilens check` says whether somebody would hear of it if something were wrong."""

import threading

import pytest
from receiver import receiving
from running_service import produce
from service_fixtures import settings

from alerting.notify.sender import Plan, Sender
from alerting.notify.webhook import Webhook
from config.load import load
from consumer import topics as kafka_topics
from consumer.alerts import alert_record, example
from consumer.clients import Connection
from vigilens.commands.check_ops import _readers, ops


@pytest.fixture
def found(kafka_cluster, topics, monkeypatch):
    def found(**more):
        for name, value in settings(kafka_cluster, topics, "nowhere.db", **more).items():
            monkeypatch.setenv(name, value)
        with kafka_topics.admin(Connection(kafka_cluster.bootstrap)) as client:
            return [(each.outcome, each.sentence) for each in ops(load(), client)]

    return found


def test_what_is_missing_is_named_with_its_fix(found):
    alerts, breaker, port = found()
    assert (alerts[0], "vigilens notify --to URL" in alerts[1]) == ("warning", True)
    assert (breaker[0], "breaker.attribute" in breaker[1]) == ("warning", True)
    assert (port[0], "on this machine only" in port[1]) == ("ok", True)


def test_what_is_there_is_said(found, kafka_cluster, topics, monkeypatch):
    record = alert_record(example(), topics.alerts)
    produce(kafka_cluster.bootstrap, topics.alerts, [(record.key, record.value, record.headers, 0)])
    with receiving() as receiver:
        send_once(kafka_cluster, topics, receiver.url)
    alerts, breaker, port = found(VIGILENS_BREAKER__ATTRIBUTE="user", VIGILENS_HTTP__HOST="0.0.0.0")  # noqa: S104 (a setting, nothing listens)
    assert (alerts[0], f"{topics.group}-notify" in alerts[1]) == ("ok", True)
    assert (breaker[0], "5 values of user" in breaker[1]) == ("ok", True)
    assert (port[0], "whoever reaches" in port[1]) == ("ok", True)
    with kafka_topics.admin(Connection(kafka_cluster.bootstrap)) as client:
        assert _readers(client, topics.verdicts) == set()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    *_, port = found(VIGILENS_HTTP__HOST="127.0.0.1")
    assert (port[0], "use 0.0.0.0" in port[1]) == ("warning", True)


def test_no_topic_for_alerts_is_a_warning_and_a_missing_one_is_reported_elsewhere(found):
    assert "kafka.alerts_topic is empty" in found(VIGILENS_KAFKA__ALERTS_TOPIC="")[0][1]
    assert len(found(VIGILENS_KAFKA__ALERTS_TOPIC="no-such-topic")) == 2


def send_once(cluster, topics, url):
    plan = Plan(Connection(cluster.bootstrap), topics.alerts, f"{topics.group}-notify", session_timeout_s=6.0)
    assert Sender(plan, Webhook(url), threading.Event()).run(once=True).delivered == 1
