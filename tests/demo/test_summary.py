"""The demo's summary, on hand-made verdicts."""

import pytest
from hand_made import KNOWN, found, match_of, missed, mixed, result, set_of, verdict

from demo.pictures import Role
from demo.summary import Outcome, Result, by_edit, decisions, limits, nearest_set, outcome_of, sentences
from embedding.image import Reason


@pytest.fixture
def results():
    return mixed()


def test_each_event_has_the_outcome_that_follows_from_the_truth(results):
    outcome = [outcome_of(each) for each in results]
    assert outcome == [
        Outcome.FOUND,
        Outcome.FOUND,
        Outcome.MISSED,
        Outcome.CLEARED,
        Outcome.TURNED_AWAY,
        Outcome.NAMED,
        Outcome.LET_THROUGH,
    ]


def test_a_known_picture_taken_for_another_one_counts_as_missed():
    assert outcome_of(result(1, Role.KNOWN, "grey", found("block", label="coffee"))) is Outcome.MISSED


def test_a_reported_picture_is_not_missed_before_it_is_in_the_set():
    assert outcome_of(result(1, Role.REPORTED, "plain copy", missed(), known=False)) is Outcome.NOT_KNOWN_YET
    assert outcome_of(result(2, Role.REPORTED, "plain copy", missed(), known=True)) is Outcome.MISSED


def test_an_innocent_picture_that_is_blocked_is_reported_as_a_false_alarm():
    alarm = result(1, Role.INNOCENT, "grey", found("block"))
    assert outcome_of(alarm) is Outcome.FALSE_ALARM
    assert "False alarms among 1 other pictures: 1." in sentences([alarm])


def test_a_bad_value_with_another_reason_is_unexpected(results):
    odd = results[4]
    other = odd.verdict.model_copy(update={"reason": Reason.CORRUPT})
    assert outcome_of(Result(odd.incoming, other, 0.1)) is Outcome.UNEXPECTED


def test_edits_are_counted_by_decision_and_misses_are_named(results):
    assert [(each.edit, each.blocked, each.reviewed, each.missed) for each in by_edit(results)] == [
        ("recompressed", 1, 0, 0),
        ("sticker", 0, 1, 0),
        ("mirrored", 0, 0, 1),
    ]
    assert "Never found: mirrored." in sentences(results)
    assert decisions(results) == {"block": 1, "review": 1, "allow": 4, "unscannable": 1}


def test_the_limits_of_an_encoder_are_mentioned_only_if_it_was_used_and_missed_a_picture(results):
    assert "perceptual hash" in limits(results)
    assert limits(results[:2]) == ""
    for encoder, said in {"openclip:0": "", "words:0": "corners"}.items():
        given = [each.verdict.encoders[0].model_copy(update={"fingerprint": encoder}) for each in results]
        other = [
            Result(each.incoming, each.verdict.model_copy(update={"encoders": (looked,)}), 0.1)
            for each, looked in zip(results, given, strict=True)
        ]
        assert said in limits(other)
        assert "perceptual hash" not in limits(other)


def test_copies_that_pdq_alone_finds_are_counted_beside_those_that_were_found(results):
    assert [each.hashed for each in by_edit(results, {1, 3})] == [1, 0, 1]
    assert "2 of 3 copies were found; PDQ, a perceptual hash, finds 2 of them by itself." in sentences(results, {1, 3})


def test_the_worst_match_is_shown_before_a_nearer_reference_elsewhere():
    known, archive = set_of(KNOWN, "harmful", "chelsea", 0.8), set_of("archive", "reference", "moon", 0.9)
    shown, match = nearest_set(verdict("block", [archive, known], [match_of(known, "block")]))
    assert (shown.set, match.level) == (KNOWN, "block")
    assert nearest_set(verdict("allow", [archive, known])) == (archive, None)
    assert nearest_set(verdict("allow")) is None
