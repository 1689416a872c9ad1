"""Alerts that the service raises: when, with which id, and that each is published once by a process."""

from types import SimpleNamespace

import pytest
from fake_kafka import TOPIC
from kafka import TopicPartition
from made_verdicts import verdict

from consumer.metrics import Metrics
from consumer.raised import Raised
from matcher.judge import Judged
from reference_sets.canary import Recall
from reference_sets.in_force import Snapshot

FIRST = TopicPartition(TOPIC, 0)
KNOWN = SimpleNamespace(name="known", category="spam", version=7)


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def raised(metrics):
    return Raised("group", "host-0", "alerts", metrics)


def batch(*offsets):
    return SimpleNamespace(
        events=[SimpleNamespace(partition=FIRST, offset=offset) for offset in offsets], topic_id="topic-id"
    )


def judged(*verdicts, skipped=None, recalls=None):
    return Judged(verdicts, {}, Snapshot((KNOWN,), (1,), skipped or {}), 0, {}, recalls or {})


def ids(raised):
    return [dict(each.headers)["ce_id"].decode() for each in raised.records()]


def test_a_set_that_is_left_out_is_told_once_and_again_if_the_reason_changes(raised, metrics):
    raised.look_at(batch(), judged(skipped={"foreign": "made by another encoder"}))
    (first,) = ids(raised)
    assert first.startswith("set_not_comparable/foreign/")
    raised.published()
    raised.look_at(batch(), judged(skipped={"foreign": "made by another encoder"}))
    assert not raised.pending
    raised.look_at(batch(), judged(skipped={"foreign": "it was dropped"}))
    assert ids(raised) != [first]
    assert metrics.registry.get_sample_value("vigilens_alerts_total", {"kind": "set_not_comparable"}) == 1


def test_what_lasts_is_told_again_on_the_next_day(raised, monkeypatch):
    for day in ("2026-11-21", "2026-11-21", "2026-11-22"):
        monkeypatch.setattr("consumer.raised._today", lambda day=day: day)
        raised.look_at(batch(), judged(skipped={"foreign": "x"}, recalls={"known": Recall(0.9, 0.8, low=True)}))
    told = [(each.split("/")[0], each[-10:]) for each in ids(raised)]
    assert told == [
        (kind, day) for day in ("2026-11-21", "2026-11-22") for kind in ("set_not_comparable", "recall_low")
    ]


def test_all_processes_give_the_same_trouble_the_same_id(raised, metrics):
    other = Raised("group", "host-1", "alerts", metrics)
    for each in (raised, other):
        each.look_at(batch(), judged(skipped={"foreign": "made by another encoder"}))
    assert ids(raised) == ids(other)


def test_an_index_is_told_only_when_it_stays_too_low(raised):
    raised.look_at(batch(), judged(recalls={"known": Recall(0.97, 0.95)}))
    assert not raised.pending
    raised.look_at(batch(), judged(recalls={"known": Recall(0.97, 0.95, low=True)}))
    (only,) = ids(raised)
    assert only.startswith("recall_low/known/7-")


def test_a_picture_that_was_given_up_and_events_that_retention_deleted_are_told_with_their_positions(raised, metrics):
    given_up = verdict(decision="unscannable", reason="gave_up", decided_by=None, matches=())
    raised.look_at(batch(41, 42), judged(verdict(), given_up))
    raised.expired(FIRST, 900, 150)
    assert ids(raised) == [f"poison_picture/{TOPIC}/0/42/topic-id", f"retention_overtook/{TOPIC}/0/900"]
    assert metrics.registry.get_sample_value("vigilens_events_expired_total") == 150


def test_without_a_topic_nothing_is_raised(metrics):
    silent = Raised("group", "host-0", "", metrics)
    silent.expired(FIRST, 900, 150)
    assert not silent.pending
