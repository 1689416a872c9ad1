"""The set and the scores on a scan's line for a file."""

import pytest
from hand_made import EVIDENCE, KNOWN, match_of, set_of, verdict
from made_verdicts import verdict as example_verdict

from vigilens.commands.scan_output import row


def with_check(known, check):
    """The set, its best candidate with this score of the check."""
    (best,) = known.candidates
    return known.model_copy(update={"candidates": (best.model_copy(update={"check": check}),)})


def test_a_match_shows_the_measure_that_decided_and_both_scores():
    line = row(example_verdict())
    assert (line.decision, line.by, line.score, line.threshold) == ("block", "check", 0.875, 0.6)
    assert (line.similarity, line.check, line.set, line.nearest) == (0.4375, 0.875, "known_spam", "case-211/a.jpg")


def test_a_near_miss_shows_its_check():
    known = with_check(set_of(KNOWN, "harmful", "a cat", 0.9, use="required"), 0.28)
    line = row(verdict("allow", [known]))
    assert (line.decision, line.by, line.score, line.threshold) == ("allow", "check", 0.28, 0.3)
    assert (line.similarity, line.check, line.set, line.nearest) == (0.9, 0.28, KNOWN, "a cat")


@pytest.mark.parametrize(
    ("use", "similarity", "check", "by"),
    [
        ("off", 0.6, None, "similarity"),
        ("required", 0.9, 0.1, "check"),  # the similarity was high enough
        ("required", 0.2, 0.29, "similarity"),  # the one that is farther below
        ("required", 0.6, None, "check"),  # not checked counts as a score of 0
        ("supports", 0.2, 0.29, "check"),  # the nearer one would have been enough
        ("supports", 0.68, 0.1, "similarity"),
    ],
)
def test_a_near_miss_shows_the_measure_that_it_failed_by(use, similarity, check, by):
    line = row(verdict("allow", [with_check(set_of(KNOWN, "harmful", "a cat", similarity, use=use), check)]))
    assert line.by == by
    assert line.score < line.threshold


def test_of_several_sets_the_one_nearest_to_its_own_threshold_is_shown():
    near = with_check(set_of("near", "harmful", "a cat", 0.1, use="supports"), 0.29)
    alike = with_check(set_of("alike", "harmful", "a dog", 0.6, use="required"), 0.0)  # nearer by cosine, no copy
    assert row(verdict("allow", [alike, near])).set == "near"


def test_a_vetoed_match_says_by_which_set():
    known = set_of(KNOWN, "harmful", "a cat", 0.9, use="required")
    line = row(verdict("allow", [known], [match_of(known, "block", vetoed_by="cleared", check=EVIDENCE)]))
    assert (line.decision, line.reason, line.by) == ("allow", "vetoed by cleared", "check")


def test_a_file_that_could_not_be_read_has_its_reason_and_no_scores():
    line = row(verdict("unscannable", reason="corrupt", detail="the file ends too early", matches=(), sets=()))
    assert (line.reason, line.score, line.check, line.set) == ("corrupt: the file ends too early", None, None, "")
