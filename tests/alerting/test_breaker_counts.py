"""When the breaker finds that a reference matches too often: by the verdicts' own time, whatever the order."""

import json
import random
from datetime import UTC, datetime, timedelta

import pytest

from alerting.breaker import counts as counting
from alerting.breaker.counts import HOURS, Counts, Rules
from alerting.breaker.matches import Match, has_matches, matches_of
from alerting.breaker.saved import read_into, records_of
from matcher.verdict import Verdict, example

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RULES = Rules("user")


def match(minute=0.0, person="a", **changes):
    facts = {
        "set": "spam",
        "version": 3,
        "reference": "r1",
        "label": "case 1",
        "category": "spam",
        "severity": 50,
        "limited": False,
        "person": person,
        "at": NOON + timedelta(minutes=minute),
    }
    return Match(**(facts | changes))


def people(number, minute=0.0, of=5, **changes):
    return [match(minute, f"user {each % of}", **changes) for each in range(number)]


def bursts(matches, counts=None):
    counts = counts or Counts(RULES)
    return [burst for each in matches if (burst := counts.add(each))]


def known_for(days, rules=RULES):
    counts = Counts(rules)
    counts.begins((NOON - timedelta(days=days)).timestamp())
    return counts


def history(counts, per_hour, hours):
    """So many matches in each of the last hours before the one before noon."""
    for hour in range(2, hours + 2):
        for each in people(per_hour, -60 * hour):
            counts.count(each)


def test_the_26th_match_in_an_hour_from_five_people_is_one_too_many():
    (burst,) = bursts(people(26))
    assert (burst.matches, burst.limit, burst.people, burst.mean) == (26, 25, 5, 0)
    assert burst.since == NOON
    assert bursts(people(25)) == []


def test_four_people_are_too_few_however_often_it_matches_and_nobody_is_no_person():
    assert bursts(people(1000, of=4)) == []
    assert bursts([*people(500, of=4), *[match(person=None)] * 500]) == []
    assert len(bursts([*people(500, of=4), match(person="fifth")])) == 1


def test_an_hour_is_the_last_60_minutes_and_not_one_of_the_clock():
    assert bursts([*people(13, 30), *people(13, 89)])
    assert not bursts([*people(13, 30), *people(13, 90)])


def test_a_common_reference_may_match_ten_times_its_mean():
    counts = known_for(days=30)
    history(counts, 5, HOURS)
    assert bursts(people(50), counts) == []
    (burst,) = bursts(people(1), counts)
    assert (burst.mean, burst.limit) == (5.0, 50.0)


def test_hours_without_a_match_count_but_not_those_before_the_breaker_knew_anything():
    rare, new = known_for(days=30), known_for(days=1)
    for counts in (rare, new):
        history(counts, 10, 23)
    assert bursts(people(26), rare)
    assert not bursts(people(90), new)


def test_who_raises_the_rate_step_by_step_does_not_raise_the_mean():
    counts = known_for(days=30)
    assert bursts(people(20, -120), counts) == []
    assert bursts(people(26), counts)


def test_what_is_limited_does_not_count_and_after_a_release_it_counts_anew():
    counts = Counts(RULES)
    (burst,) = bursts(people(26), counts)
    counts.limited(burst, 4)
    assert bursts(people(100, 1), counts) == []  # by processes that have not read version 4 yet
    assert bursts(people(100, 2, version=4, limited=True), counts) == []
    assert bursts(people(25, 3, version=5), counts) == []
    assert bursts(people(1, 3, version=5), counts)


def test_a_set_that_was_made_again_begins_with_low_versions_and_counts():
    counts = Counts(RULES)
    (burst,) = bursts(people(26, version=500), counts)
    assert counts.limited(burst, 501)
    assert not counts.limited(burst, 501)
    assert bursts(people(100, 59, version=2), counts) == []
    assert bursts(people(26, 61, version=2), counts)


def test_what_an_operator_wants_quiet_is_quiet_until_then():
    counts = Counts(RULES)
    (burst,) = bursts(people(26), counts)
    counts.quiet(burst, (NOON + timedelta(minutes=30)).timestamp())
    assert bursts(people(100, 29), counts) == []
    assert bursts(people(1, 30), counts)


def test_references_and_sets_are_counted_apart():
    mixed = [
        one
        for each in range(25)
        for one in (match(0, str(each)), match(0, str(each), reference="r2"), match(0, str(each), set="b"))
    ]
    assert bursts(mixed) == []


def test_records_that_come_late_belong_to_their_own_hours():
    early, late = people(20, 0), people(20, 40)
    (first,) = bursts([*early, *late[:6]])[:1]
    for seed in range(20):
        order = [*early, *late]
        random.Random(seed).shuffle(order)
        counts = Counts(RULES)
        found = next(burst for each in order if (burst := counts.add(each)))
        assert found.matches == first.matches == 26
    # An hour that ended long ago is not mixed with the present one.
    assert bursts([*people(20, 100), *people(20, 0)]) == []


def test_what_is_kept_has_a_limit(monkeypatch):
    monkeypatch.setattr(counting, "MOST", 3)
    counts = Counts(RULES)
    for number in range(6):
        bursts(people(200, 60 * number, of=200, reference=f"r{number}"), counts)
    assert [key for _, key in counts.known] == ["r3", "r4", "r5"]
    assert {key for _, key in counts.forgotten} == {"r0", "r1", "r2"}
    (kept,) = counts.known["spam", "r5"].minutes.values()
    assert (kept[0], len(kept[1])) == (200, counting.PEOPLE)
    for hour in range(400):
        bursts([match(60 * hour)], counts)
    assert len(counts.known["spam", "r1"].hours) <= HOURS + 2
    counts.forget_old((NOON + timedelta(hours=402)).timestamp())
    assert [key for _, key in counts.known] == ["r1"]


def test_what_matched_last_is_kept_and_what_is_to_be_quiet_is_remembered_until_then(monkeypatch):
    monkeypatch.setattr(counting, "MOST", 2)
    counts = Counts(RULES)
    for name in ("r1", "r2", "r1", "r3"):
        counts.add(match(reference=name))
    assert [name for _, name in counts.known] == ["r1", "r3"]
    (burst,) = bursts(people(24, reference="r1"), counts)
    counts.quiet(burst, (NOON + timedelta(days=30)).timestamp())
    counts.forget_old((NOON + timedelta(days=29)).timestamp())
    assert [name for _, name in counts.known] == ["r1"]
    counts.forget_old((NOON + timedelta(days=31)).timestamp())
    assert not counts.known


def test_what_is_saved_is_read_again():
    counts = known_for(days=2)
    history(counts, 3, 40)
    (burst,) = bursts(people(26), counts) or bursts(people(30), counts)
    counts.limited(burst, 7)
    bursts([match(reference="r2")], counts)
    counts.forget(("spam", "r2"))
    again = Counts(RULES)
    again.known["spam", "r2"] = again._of(match(reference="r2"))
    for record in records_of(counts, "jobs", "group"):
        read_into(again, record.key, record.value, "group")
    assert again.since == counts.since
    assert list(again.known) == [("spam", "r1")]
    (before, after) = (each.known["spam", "r1"] for each in (counts, again))
    assert (after.hours, after.limited_at, after.quiet_until) == (before.hours, 7, 0.0)
    assert after.limited_until == before.limited_until > NOON.timestamp()
    counts.are_saved()
    assert [record.key for record in records_of(counts, "jobs", "group")] == [b"breaker/group"]


@pytest.mark.parametrize("id_", ["case-211/a.jpg", "50 %/é", "a%2Fb"])
def test_ids_with_any_letters_are_saved_and_read_again(id_):
    counts, again = Counts(RULES), Counts(RULES)
    counts.add(match(reference=id_))
    for record in records_of(counts, "jobs", "a/group"):
        read_into(again, record.key, record.value, "a/group")
    assert again.known.keys() == {("spam", id_)}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, b"{}"),
        (b"breaker/other/spam/r1", b'{"start":1,"counts":[1],"limited_at":0,"limited_until":0,"quiet_until":0}'),
        (b"breaker/group/a/spam/r1", b'{"start":1,"counts":[1],"limited_at":0,"limited_until":0,"quiet_until":0}'),
        (b"breaker/group/spam/r1", b"no JSON"),
        (b"breaker/group/spam/r1", b'{"start":1}'),
        (b"breaker/group", b"[]"),
        (b"\xff", b"{}"),
    ],
)
def test_records_of_others_and_nonsense_say_nothing(key, value):
    counts = Counts(RULES)
    read_into(counts, key, value, "group")
    assert (dict(counts.known), counts.since) == ({}, None)


# --- from a verdict's record ---


def value(**changes):
    return Verdict.model_validate({**example(), **changes}).model_dump_json().encode()


def test_the_matches_of_a_verdict_that_count():
    (found,) = matches_of(value(), "user")
    assert (found.set, found.version, found.reference, found.severity, found.label, found.limited) == (
        "known_spam",
        12,
        "5f0c2e9a",
        50,
        "case-211/a.jpg",
        False,
    )
    assert found.at == Verdict.model_validate(example()).judged_at
    assert matches_of(value(), "nobody")[0].person is None


def test_vetoed_matches_and_those_of_other_kinds_do_not_count_and_a_ceiling_is_noticed():
    matches, sets = example()["matches"], example()["sets"]
    assert matches_of(value(matches=[{**matches[0], "vetoed_by": "allowed"}]), "user") == ()
    assert matches_of(value(matches=[{**matches[0], "kind": "reference"}]), "user") == ()
    assert matches_of(value(matches=[{**matches[0], "capped_by": ["ceiling"]}]), "user")[0].limited
    sets[0]["candidates"][0]["ceiling"] = "review"
    assert matches_of(value(sets=sets), "user")[0].limited


@pytest.mark.parametrize(
    "attributes",
    [
        {"matches": []},
        {"text": '"matches":[]'},
        {'"matches":[]': 1},
        {"deep": {"matches": [], "attributes": {"matches": []}}},
        {"user": '\\"matches":[]'},
    ],
)
def test_no_event_can_hide_a_match_of_its_own_from_the_breaker(attributes):
    names = {"image_id": '"matches":[]', "event_id": '\\"matches":[],', "detail": '"matches":[]"'}
    assert len(matches_of(value(attributes=attributes, **names), "user")) == 1
    without = value(attributes=attributes, matches=[], **names)
    assert not has_matches(without)


def test_verdicts_without_matches_are_not_parsed_and_others_writings_are():
    assert not has_matches(value(matches=[]))
    assert has_matches(value())
    spaced = json.dumps(json.loads(value(matches=[]))).encode()
    assert has_matches(spaced)
    turned = json.dumps({"attributes": {"matches": []}, **json.loads(value())}, separators=(",", ":")).encode()
    assert len(matches_of(turned, "user")) == 1
    for foreign in (None, b"", b"no JSON", b"[]", b'{"matches": 3}', b'{"judged_at":"2026-11-21T12:00:00Z"}'):
        assert matches_of(foreign, "user") == ()


@pytest.mark.parametrize("at", ["1970-01-01T00:00:00+00:00", "9999-12-01T00:00:00+00:00", "0001-01-02T00:00:00+00:00"])
def test_a_clock_that_is_wrong_by_years_does_not_make_the_saved_counts_long(at):
    for order in ((0, 1), (1, 0)):
        counts, matches = Counts(RULES), [match(), match(at=datetime.fromisoformat(at))]
        for each in order:
            counts.add(matches[each])
        assert max(len(each.value) for each in records_of(counts, "jobs", "group")) < 1_000
