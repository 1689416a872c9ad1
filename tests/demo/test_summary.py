"""The demo's summary, on hand-made verdicts."""

import pytest
from hand_made import KNOWN, found, match_of, missed, mixed, seen, seen_set, verdict

from demo.pictures import Role
from demo.summary import Came, Seen, by_edit, came_to, decisions, limits, nearest_set, sentences
from embedding.image import Reason


@pytest.fixture
def all_seen():
    return mixed()


def test_each_event_comes_to_what_the_truth_says(all_seen):
    came = [came_to(each) for each in all_seen]
    assert came == [
        Came.FOUND,
        Came.FOUND,
        Came.MISSED,
        Came.CLEARED,
        Came.TURNED_AWAY,
        Came.NAMED,
        Came.LET_THROUGH,
    ]


def test_a_known_picture_taken_for_another_one_counts_as_missed():
    assert came_to(seen(1, Role.KNOWN, "grey", found("block", label="coffee"))) is Came.MISSED


def test_a_reported_picture_is_not_missed_before_it_is_in_the_set():
    assert came_to(seen(1, Role.REPORTED, "plain copy", missed(), known=False)) is Came.NOT_KNOWN_YET
    assert came_to(seen(2, Role.REPORTED, "plain copy", missed(), known=True)) is Came.MISSED


def test_an_innocent_picture_that_is_blocked_is_a_false_alarm_and_said_so():
    alarm = seen(1, Role.INNOCENT, "grey", found("block"))
    assert came_to(alarm) is Came.FALSE_ALARM
    assert "False alarms among 1 other pictures: 1." in sentences([alarm])


def test_an_odd_value_with_another_reason_is_unexpected(all_seen):
    odd = all_seen[4]
    other = odd.verdict.model_copy(update={"reason": Reason.CORRUPT})
    assert came_to(Seen(odd.incoming, other, 0.1)) is Came.ODD


def test_edits_are_counted_by_decision_and_misses_are_named(all_seen):
    assert [(each.edit, each.blocked, each.reviewed, each.missed) for each in by_edit(all_seen)] == [
        ("recompressed", 1, 0, 0),
        ("trimmed edge", 0, 1, 0),
        ("mirrored", 0, 0, 1),
    ]
    assert "Never found: mirrored." in sentences(all_seen)
    assert decisions(all_seen) == {"block": 1, "review": 1, "allow": 4, "unscannable": 1}


def test_the_limits_of_an_encoder_are_told_only_of_that_one_and_where_they_were_met(all_seen):
    assert "perceptual hash" in limits(all_seen)
    assert limits(all_seen[:2]) == ""
    for encoder, said in {"openclip:0": "", "words:0": "corners"}.items():
        other = [Seen(each.incoming, each.verdict.model_copy(update={"encoder": encoder}), 0.1) for each in all_seen]
        assert said in limits(other)
        assert "perceptual hash" not in limits(other)


def test_copies_that_pdq_alone_finds_are_counted_beside_those_that_were_found(all_seen):
    assert [each.hashed for each in by_edit(all_seen, {1, 3})] == [1, 0, 1]
    assert "2 of 3 copies were found; PDQ, a perceptual hash, finds 2 of them by itself." in sentences(all_seen, {1, 3})


def test_the_worst_match_is_shown_before_a_nearer_reference_elsewhere():
    known, archive = seen_set(KNOWN, "harmful", "chelsea", 0.8), seen_set("archive", "reference", "moon", 0.9)
    shown, match = nearest_set(verdict("block", [archive, known], [match_of(known, "block")]))
    assert (shown.set, match.level) == (KNOWN, "block")
    assert nearest_set(verdict("allow", [archive, known])) == (archive, None)
    assert nearest_set(verdict("allow")) is None
