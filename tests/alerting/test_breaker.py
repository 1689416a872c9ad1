"""The breaker on a real broker, with a fake set: it limits once, tells once, and survives its process."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from breaking import Breakers, FakeSet, alerts, make_jobs_topic, send, verdict
from running_service import produce

from alerting.breaker.counts import Counts, Rules
from alerting.breaker.matches import matches_of
from alerting.breaker.owner import Owner
from alerting.breaker.past import reader, records, whole
from alerting.breaker.plan import Answer
from consumer.alerts import example as example_alert
from consumer.clients import Connection
from matcher.verdict import example


@pytest.fixture
def jobs(kafka_cluster, topics):
    return make_jobs_topic(kafka_cluster, topics.images.replace("images", "jobs"))


@pytest.fixture
def breakers(kafka_cluster, topics, jobs):
    return Breakers(kafka_cluster, topics, jobs)


def test_a_burst_is_limited_and_told_once_however_long_it_goes_on(kafka_cluster, topics, breakers):
    known = FakeSet()
    with breakers.run(known):
        breakers.wait_until_read(0)
        send(kafka_cluster, topics, 100)
        ((id_, alert),) = alerts(kafka_cluster, topics, 1)
    assert (len(known.asked), breakers.failures) == (1, 0)
    ((reference, at, may),) = known.asked
    assert (reference, may) == ("5f0c2e9a", True)
    assert id_ == f"reference_burst/known_spam/5f0c2e9a/{at.isoformat()}"
    assert (alert["severity"], alert["set"], alert["category"], alert["group"]) == (
        "warning",
        "known_spam",
        "spam",
        topics.group,
    )
    assert alert["facts"]["matches"] == 26
    assert (alert["facts"]["set_version"], alert["facts"]["limited"]) == (13, True)
    assert "vigilens sets release known_spam 5f0c2e9a" in alert["sentence"]
    assert alert["facts"].keys() == example_alert().facts.keys()


def test_the_next_process_goes_on_with_what_the_last_one_counted(kafka_cluster, topics, breakers):
    first, second = FakeSet(), FakeSet()
    with breakers.run(second, "standby"):
        breakers.wait_until_read(0)
        with breakers.run(first, "later"):
            send(kafka_cluster, topics, 20)
        send(kafka_cluster, topics, 2, first=20)
    with breakers.run(first, "another"):  # after all processes were down
        send(kafka_cluster, topics, 6, first=22)
        ((_, alert),) = alerts(kafka_cluster, topics, 1)
    assert (len(first.asked), second.asked, alert["facts"]["matches"]) == (1, [], 26)


def test_if_the_process_dies_between_limiting_and_telling_the_next_one_tells_it(kafka_cluster, topics, breakers):
    known = FakeSet(fail=RuntimeError("the process died"))
    with breakers.run(known):
        breakers.wait_until_read(0)
        send(kafka_cluster, topics, 60)
        ((id_, alert),) = alerts(kafka_cluster, topics, 1)
    assert (breakers.failures, len(known.asked)) == (1, 2)
    assert id_.endswith(known.asked[0][1].isoformat())  # whichever match it is the second time
    assert alert["facts"]["set_version"] == 13


def test_what_was_told_is_not_told_again_by_the_next_process(kafka_cluster, topics, breakers):
    known, other = FakeSet(), {**example()["matches"][0]["reference"], "id": "other"}
    with breakers.run(known):
        breakers.wait_until_read(0)
        send(kafka_cluster, topics, 40)
        alerts(kafka_cluster, topics, 1)
    with breakers.run(known):
        send(kafka_cluster, topics, 40)
        send(kafka_cluster, topics, 90, reference=other)
        found = alerts(kafka_cluster, topics, 2)
    assert [reference for reference, _, _ in known.asked] == ["5f0c2e9a", "other"]
    assert len({id_ for id_, _ in found}) == 2


class Publisher:
    """Takes all but alerts, until it does."""

    def __init__(self):
        self.why, self.tried, self.commits = "there is no such topic", [], 0

    def attempt(self, records):
        self.tried.append(list(records))
        return self.why

    def publish(self, _records, _offsets, _membership):
        self.commits += 1


def test_an_alerts_topic_that_takes_nothing_keeps_the_breaker_from_nothing_and_gets_the_alerts_later(breakers):
    publisher, counts = Publisher(), Counts(Rules("user"))
    owner = Owner(breakers.plan(FakeSet()), None, publisher, threading.Event())
    owner._commit(counts, ["first"])
    owner._commit(counts, ["second"])
    publisher.why = ""
    owner._commit(counts, [])
    owner._commit(counts, [])
    assert (publisher.commits, publisher.tried) == (4, [["first"], ["first", "second"], ["first", "second"]])


def test_what_is_not_limited_is_told_or_left_alone(kafka_cluster, topics, breakers):
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).timestamp()
    known = FakeSet(
        answers={
            "stuck": Answer(why="its set cannot be changed (no)"),
            "gone": Answer(there=False),
            "quiet": Answer(quiet_until=tomorrow),
        }
    )
    with breakers.run(known):
        breakers.wait_until_read(0)
        for name in ("gone", "quiet", "stuck"):
            send(kafka_cluster, topics, 40, reference={**example()["matches"][0]["reference"], "id": name})
        send(kafka_cluster, topics, 40, severity=95)
        found = {alert["reference"]: alert for _, alert in alerts(kafka_cluster, topics, 2)}
    # What is gone is forgotten, so it is asked for after each 26 matches.
    assert [(name, may) for name, _, may in known.asked] == [
        ("gone", True),
        ("quiet", True),
        ("stuck", True),
        ("5f0c2e9a", False),
    ]
    assert {alert["severity"] for alert in found.values()} == {"critical"}
    assert "cannot be changed" in found["stuck"]["sentence"]
    assert "severity 95" in found["5f0c2e9a"]["sentence"]


def test_records_that_are_no_verdicts_of_ours_stop_nothing_and_count_nothing(kafka_cluster, topics, breakers):
    known, far = FakeSet(), datetime(9999, 12, 1, tzinfo=UTC)
    good = verdict(1)
    half = good.replace(b'"id":"5f0c2e9a"', b'"id":"\\ud800"')
    bad = [
        b"",
        b"{",
        b"[1]",
        b"\xff",
        half,
        good.replace(b'"version":', b'"version":1e999,"other":'),
        verdict(1, at=far),
    ]
    with breakers.run(known):
        breakers.wait_until_read(0)
        produce(kafka_cluster.bootstrap, topics.verdicts, [(None, each, [], 0) for each in [*bad, None] * 9])
        send(kafka_cluster, topics, 26)
        ((_, alert),) = alerts(kafka_cluster, topics, 1)
    assert (breakers.failures, alert["facts"]["matches"]) == (0, 26)


def test_events_without_the_attribute_are_reported_once(kafka_cluster, topics, jobs, caplog):
    plan = Breakers(kafka_cluster, topics, jobs, attribute="device").plan(FakeSet())
    owner = Owner(plan, None, None, threading.Event())
    for number in range(250):
        owner._look_for_people(matches_of(verdict(number), "device"))
    assert [each.message for each in caplog.records] == [
        "no matched event has the attribute that tells people apart, so the breaker limits nothing"
    ]


def test_a_new_group_learns_from_the_topic_and_limits_nothing_of_the_past(kafka_cluster, topics, breakers, jobs):
    yesterday = datetime.now(UTC) - timedelta(hours=20)
    send(kafka_cluster, topics, 60, at=yesterday)
    send(kafka_cluster, topics, 24)
    known = FakeSet()
    with breakers.run(known):
        breakers.wait_until_read(84)
        assert known.asked == []
        send(kafka_cluster, topics, 2)
        alerts(kafka_cluster, topics, 1)
    connection = Connection(kafka_cluster.bootstrap)
    client = reader(connection)
    saved = {each.key: each.value for each in records(connection, whole(client, jobs), lambda: None)}
    client.close()
    assert f"breaker/{topics.group}".encode() in saved
    counts = saved[f"breaker/{topics.group}/known_spam/5f0c2e9a".encode()]
    assert b"60," in counts
    assert b'"limited_at":13' in counts
