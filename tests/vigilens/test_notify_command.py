"""`vigilens notify` as a command: its secrets, its words, its exit codes."""

import pytest
from click.testing import CliRunner
from receiver import receiving
from running_service import produce
from service_fixtures import settings

from alerting.notify.bodies import TEMPLATES
from consumer.alerts import KINDS, SEVERITIES, alert_record, example
from vigilens.cli import main
from vigilens.commands import notify


@pytest.fixture
def on_kafka(kafka_cluster, topics, monkeypatch):
    for name, value in settings(kafka_cluster, topics, "nowhere.db").items():
        monkeypatch.setenv(name, value)
    record = alert_record(example(), topics.alerts)
    produce(kafka_cluster.bootstrap, topics.alerts, [(record.key, record.value, record.headers, 0)])


def run(*words):
    return CliRunner().invoke(main, ["notify", *words])


def test_the_words_of_the_command_are_those_of_the_code():
    assert (tuple(TEMPLATES), KINDS, SEVERITIES) == (notify.TEMPLATES, notify.KINDS, notify.SEVERITIES)


@pytest.mark.usefixtures("on_kafka")
def test_address_and_secret_come_from_the_environment_or_a_file(monkeypatch, tmp_path):
    with receiving() as receiver:
        monkeypatch.setenv("VIGILENS_NOTIFY__URL", receiver.url)
        monkeypatch.setenv("VIGILENS_NOTIFY__SECRET", "one")
        assert run("--once").output.endswith("1 delivered, 0 left out, 0 passed over\n")
        monkeypatch.setenv("VIGILENS_NOTIFY__SECRET", "")
        (tmp_path / "secret").write_text("two\n")
        monkeypatch.setenv("VIGILENS_NOTIFY__SECRET_FILE", str(tmp_path / "secret"))
        again = run("--once", "--to", receiver.url, "--name", "other", "--template", "slack")
        assert again.exit_code == 0, again.output
    signatures = [headers["webhook-signature"] for _, headers, _ in receiver.requests]
    assert len(set(signatures)) == 2
    monkeypatch.setenv("VIGILENS_NOTIFY__SECRET_FILE", str(tmp_path / "no-such"))
    assert "notify.secret_file" in run("--once", "--to", receiver.url).output


@pytest.mark.usefixtures("on_kafka")
def test_once_says_with_its_exit_code_that_an_alert_was_passed_over():
    with receiving(500) as receiver:
        done = run("--once", "--to", receiver.url, "--give-up-hours", "0")
    assert (done.exit_code, done.output.endswith("0 delivered, 0 left out, 1 passed over\n")) == (1, True)


@pytest.mark.usefixtures("on_kafka")
def test_what_cannot_be_is_said_in_one_sentence(monkeypatch, topics):
    assert run("--once").exit_code == 2
    refused = run("--once", "--to", "http://example.com/x")
    assert (refused.exit_code, "use https" in refused.output) == (1, True)
    monkeypatch.setenv("VIGILENS_KAFKA__ALERTS_TOPIC", topics.alerts + "-missing")
    missing = run("--once", "--to", "https://example.com/x")
    assert (missing.exit_code, "--create-topics" in missing.output) == (1, True)
