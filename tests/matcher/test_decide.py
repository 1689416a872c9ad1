"""The table of docs/verdicts.md, line by line."""

import pytest

from matcher.decide import ROUNDING, decide, match
from matcher.evidence import Candidate, Evidence
from reference_sets.model import CheckThresholds, Kind, Neighbour, ReferenceSet, Thresholds, Verify

REVIEW, BLOCK = 0.75, 0.9


CHECK_REVIEW, CHECK_BLOCK = 0.3, 0.6
WHOLE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def known(name="bad", kind=Kind.HARMFUL, severity=50, verify=Verify.OFF):
    return ReferenceSet(
        name=name,
        kind=kind,
        category="spam",
        severity=severity,
        thresholds=Thresholds(REVIEW, BLOCK),
        encoder="pdq:0",
        dimension=2,
        version=3,
        probe=(1.0, 0.0),
        verify=verify,
        check=CheckThresholds(CHECK_REVIEW, CHECK_BLOCK),
    )


def checked(similarity, score, name="id0"):
    evidence = Evidence(score, 40, 1.0, 1.0, 1.0, WHOLE, mirrored=False) if score else None
    return Candidate(Neighbour(name, name, similarity), checked=True, evidence=evidence)


def near(*scores):
    return [Candidate(Neighbour(f"id{number}", f"label{number}", score)) for number, score in enumerate(scores)]


def found(name, kind, score, severity=50):
    return match(known(name, kind, severity), near(score))


@pytest.mark.parametrize(
    ("score", "level"),
    [
        (1.0, "block"),
        (0.91, "block"),
        (BLOCK, "block"),
        (BLOCK - ROUNDING / 2, "block"),
        (BLOCK - 1e-5, "review"),
        (REVIEW, "review"),
        (REVIEW - ROUNDING / 2, "review"),
        (REVIEW - 1e-5, None),
        (0.0, None),
        (-1.0, None),
    ],
)
def test_a_level_is_reached_at_its_threshold_and_not_below(score, level):
    reached = match(known(), near(score))
    assert (reached.level if reached else None) == level


def test_two_equal_vectors_match_at_threshold_one_although_float32_says_a_little_less():
    exact = ReferenceSet("bad", Kind.HARMFUL, "c", 1, Thresholds(1.0, 1.0), "e", 2, 1, (1.0, 0.0))
    assert match(exact, near(0.9999999)).level == "block"
    assert match(exact, near(0.9999999)).margin == 0.0


def test_an_empty_set_matches_nothing():
    assert match(known(), []) is None


def test_a_set_with_a_single_reference_matches_and_has_no_runner_up():
    only = match(known(), near(0.95))
    assert only.level == "block"
    assert only.runner_up is None


def test_the_nearest_reference_decides_and_the_second_is_the_runner_up():
    both = match(known(), near(0.8, 0.79, 0.1))
    assert (both.nearest.id, both.runner_up.id) == ("id0", "id1")
    assert both.threshold == REVIEW
    assert both.margin == pytest.approx(0.05)


H, A, R = Kind.HARMFUL, Kind.ALLOW, Kind.REFERENCE


@pytest.mark.parametrize(
    ("matches", "decision", "decided_by", "vetoed"),
    [
        ([], "allow", None, {}),
        ([("h", H, 0.95)], "block", "h", {}),
        ([("h", H, 0.80)], "review", "h", {}),
        ([("r", R, 0.99)], "allow", None, {}),
        ([("a", A, 0.99)], "allow", None, {}),
        ([("h", H, 0.80), ("r", R, 0.99)], "review", "h", {}),
        ([("h", H, 0.80), ("g", H, 0.95)], "block", "g", {}),
        # an allow match at the block level vetoes both levels
        ([("h", H, 0.95), ("a", A, 0.99)], "allow", None, {"h": "a"}),
        ([("h", H, 0.80), ("a", A, 0.99)], "allow", None, {"h": "a"}),
        ([("h", H, 0.95), ("g", H, 0.80), ("a", A, 0.96)], "allow", None, {"h": "a", "g": "a"}),
        # equally near is near enough
        ([("h", H, 0.95), ("a", A, 0.95)], "allow", None, {"h": "a"}),
        # an allow match at the review level vetoes a review …
        ([("h", H, 0.80), ("a", A, 0.85)], "allow", None, {"h": "a"}),
        # … and never a block
        ([("h", H, 0.90), ("a", A, 0.89)], "block", "h", {}),
        # a farther look-alike waves nothing through
        ([("h", H, 0.99), ("a", A, 0.92)], "block", "h", {}),
        ([("h", H, 0.85), ("a", A, 0.80)], "review", "h", {}),
        # the veto takes away one match and leaves the other
        ([("h", H, 0.99), ("g", H, 0.91), ("a", A, 0.95)], "block", "h", {"g": "a"}),
    ],
)
def test_what_the_matches_of_all_sets_mean_together(matches, decision, decided_by, vetoed):
    outcome = decide(found(*each) for each in matches)
    assert outcome.decision == decision
    assert outcome.decided_by == decided_by
    assert {each.set.name: each.vetoed_by for each in outcome.matches if each.vetoed_by} == vetoed
    assert len(outcome.matches) == len(matches)


def test_the_worst_match_comes_first_and_vetoed_ones_after_the_effective():
    outcome = decide(
        [
            found("reference", R, 0.99),
            found("mild", H, 0.95, severity=10),
            found("grave", H, 0.93, severity=90),
            found("suspect", H, 0.80, severity=99),
        ]
    )
    assert [each.set.name for each in outcome.matches] == ["grave", "mild", "suspect", "reference"]
    assert outcome.decided_by == "grave"


@pytest.mark.parametrize(("review", "block"), [(0.9, 0.8), (-1.1, 0.5), (0.5, 1.1), (float("nan"), 0.5)])
def test_impossible_thresholds_are_refused(review, block):
    with pytest.raises(ValueError, match="thresholds must obey"):
        Thresholds(review, block)


@pytest.mark.parametrize(
    ("verify", "similarity", "score", "level"),
    [
        (Verify.OFF, 0.95, 0.0, "block"),
        (Verify.OFF, 0.1, 1.0, None),
        (Verify.SUPPORTS, 0.95, 0.0, "block"),
        (Verify.SUPPORTS, 0.8, 0.0, "review"),
        (Verify.SUPPORTS, 0.8, 0.7, "block"),
        (Verify.SUPPORTS, 0.1, 0.4, "review"),
        (Verify.SUPPORTS, 0.1, 0.0, None),
        (Verify.REQUIRED, 0.95, 0.0, None),
        (Verify.REQUIRED, 0.95, 0.4, "review"),
        (Verify.REQUIRED, 0.95, CHECK_BLOCK, "block"),
        (Verify.REQUIRED, 0.8, 0.9, "review"),
        (Verify.REQUIRED, 0.1, 1.0, None),
    ],
)
def test_similarity_and_check_give_the_level_together_as_the_set_says(verify, similarity, score, level):
    reached = match(known(verify=verify), [checked(similarity, score)])
    assert (reached.level if reached else None) == level


@pytest.mark.parametrize(("verify", "level"), [(Verify.REQUIRED, "review"), (Verify.SUPPORTS, "block")])
def test_what_could_not_be_checked_is_never_waved_through_and_never_blocked_where_the_check_is_required(verify, level):
    reached = match(known(verify=verify), near(0.95))
    assert (reached.level, reached.verified) == (level, None)


def test_the_best_checked_candidate_matches_though_another_is_nearer():
    reached = match(known(verify=Verify.REQUIRED), [checked(0.8, 0.9, "edited"), checked(0.99, 0.0, "look-alike")])
    assert (reached.nearest.id, reached.runner_up.id, reached.verified) == ("edited", "look-alike", True)


def test_a_level_that_the_check_gave_shows_how_far_similarity_was_from_it():
    reached = match(known(verify=Verify.SUPPORTS), [checked(0.5, 0.9)])
    assert reached.margin == pytest.approx(0.5 - BLOCK)


def test_an_allowed_picture_vetoes_by_the_checks_score_where_both_were_verified():
    harmful = match(known("bad", verify=Verify.REQUIRED), [checked(0.99, 0.7)])
    allowed = match(known("good", Kind.ALLOW, verify=Verify.REQUIRED), [checked(0.95, 0.8)])
    weaker = match(known("good", Kind.ALLOW, verify=Verify.REQUIRED), [checked(0.999, 0.65)])
    assert decide([harmful, allowed]).decision == "allow"
    assert decide([harmful, weaker]).decision == "block"
