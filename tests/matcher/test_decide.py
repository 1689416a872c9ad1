"""The table of docs/verdicts.md, line by line."""

import pytest

from embedding.image import Reason, Unreadable
from matcher.decide import MOST_OTHERS, ROUNDING, Compared, decide
from matcher.decide import match as match_of
from matcher.evidence import Candidate, Evidence
from reference_sets.model import CheckThresholds, Kind, Neighbour, ReferenceSet, Thresholds, Verify

REVIEW, BLOCK = 0.75, 0.9


CHECK_REVIEW, CHECK_BLOCK = 0.3, 0.6
WHOLE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def match(known, candidates):
    return match_of(Compared(known, candidates))


def decided(*pairs, problem=None):
    return decide([Compared(*pair) for pair in pairs], problem)


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
    return Compared(known(name, kind, severity), near(score))


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


def test_two_equal_vectors_match_at_threshold_one_although_float32_gives_a_little_less():
    exact = ReferenceSet("bad", Kind.HARMFUL, "c", 1, Thresholds(1.0, 1.0), "e", 2, 1, (1.0, 0.0))
    assert match(exact, near(0.9999999)).level == "block"
    assert match(exact, near(0.9999999)).margin == 0.0


def test_an_empty_set_matches_nothing():
    assert match(known(), []) is None


def test_a_set_with_a_single_reference_matches_and_names_no_others():
    only = match(known(), near(0.95))
    assert (only.level, only.reached, only.others) == ("block", "block", ())


def test_the_most_similar_reference_decides_and_a_few_others_that_reached_a_level_are_named():
    both = match(known(), near(0.8, 0.79, 0.1))
    assert (both.candidate.neighbour.id, [one.neighbour.id for one in both.others]) == ("id0", ["id1"])
    assert (both.decided_on, both.score, both.threshold) == ("similarity", 0.8, REVIEW)
    assert both.margin == pytest.approx(0.05)
    assert len(match(known(), near(*[0.8] * 10)).others) == MOST_OTHERS


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
        # an allowed look-alike that is farther away vetoes nothing
        ([("h", H, 0.99), ("a", A, 0.92)], "block", "h", {}),
        ([("h", H, 0.85), ("a", A, 0.80)], "review", "h", {}),
        # the veto cancels one match and not the other
        ([("h", H, 0.99), ("g", H, 0.91), ("a", A, 0.95)], "block", "h", {"g": "a"}),
    ],
)
def test_the_decision_from_the_matches_of_all_sets(matches, decision, decided_by, vetoed):
    outcome = decide([found(*each) for each in matches])
    assert outcome.decision == decision
    assert outcome.decided_by == decided_by
    assert {each.set.name: each.vetoed_by for each in outcome.matches if each.vetoed_by} == vetoed
    assert len(outcome.matches) == len(matches)


def test_the_worst_match_comes_first_and_matches_without_effect_come_last():
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
def test_similarity_and_check_give_the_level_by_the_rules_of_the_set(verify, similarity, score, level):
    reached = match(known(verify=verify), [checked(similarity, score)])
    assert (reached.level if reached else None) == level


@pytest.mark.parametrize(
    ("verify", "similarity", "check", "decided"),
    [
        (Verify.OFF, 0.95, 0.7, ("similarity", 0.95, BLOCK)),
        # required: the measure with the lower level, at equal level the check
        (Verify.REQUIRED, 0.95, 0.4, ("check", 0.4, CHECK_REVIEW)),
        (Verify.REQUIRED, 0.8, 0.7, ("similarity", 0.8, REVIEW)),
        (Verify.REQUIRED, 0.95, 0.7, ("check", 0.7, CHECK_BLOCK)),
        # supports: the measure with the higher level, at equal level the check
        (Verify.SUPPORTS, 0.5, 0.7, ("check", 0.7, CHECK_BLOCK)),
        (Verify.SUPPORTS, 0.95, 0.4, ("similarity", 0.95, BLOCK)),
        (Verify.SUPPORTS, 0.8, 0.4, ("check", 0.4, CHECK_REVIEW)),
    ],
)
def test_score_threshold_and_margin_belong_to_the_measure_that_gave_the_level(verify, similarity, check, decided):
    reached = match(known(verify=verify), [checked(similarity, check)])
    assert (reached.decided_on, reached.score, reached.threshold) == decided
    assert reached.margin == pytest.approx(decided[1] - decided[2])


def test_a_candidate_that_could_not_be_checked_never_matches_if_the_check_is_required():
    assert match(known(verify=Verify.REQUIRED), near(1.0)) is None
    by_similarity = match(known(verify=Verify.SUPPORTS), near(0.95))
    assert (by_similarity.level, by_similarity.decided_on) == ("block", "similarity")


def test_the_candidate_with_the_best_check_matches_even_if_another_is_more_similar():
    candidates = [checked(0.99, 0.7, "similar"), checked(0.95, 0.9, "edited"), checked(0.99, 0.0, "look-alike")]
    reached = match(known(verify=Verify.REQUIRED), candidates)
    assert (reached.level, reached.candidate.neighbour.id, reached.passed_check) == ("block", "edited", True)
    assert [each.neighbour.id for each in reached.others] == ["similar"]


H_SET, A_SET = known("bad", verify=Verify.REQUIRED), known("good", Kind.ALLOW, verify=Verify.REQUIRED)
SUPPORTING = known("good", Kind.ALLOW, verify=Verify.SUPPORTS)


@pytest.mark.parametrize(
    ("harmful", "allow_set", "allowed", "decision"),
    [
        # by the check's scores if both passed the check, whatever the similarity is
        (checked(0.99, 0.7), A_SET, checked(0.95, 0.8), "allow"),
        (checked(0.99, 0.7), A_SET, checked(0.999, 0.65), "block"),
        (checked(0.95, 0.7), A_SET, checked(0.95, 0.7), "allow"),
        # an allow match of a lower level vetoes nothing, even if it is nearer
        (checked(0.95, 0.7), A_SET, checked(0.8, 0.9), "block"),
        # by similarity if only one passed the check; a score equal to the review threshold passes
        (checked(0.95, 0.7), SUPPORTING, checked(0.96, 0.0), "allow"),
        (checked(0.95, 0.7), SUPPORTING, checked(0.94, 0.0), "block"),
        (checked(0.95, 0.7), SUPPORTING, checked(0.96, CHECK_REVIEW), "block"),
        (checked(0.95, 0.7), SUPPORTING, checked(0.96, CHECK_REVIEW - 1e-6), "allow"),
        (checked(0.95, CHECK_REVIEW), SUPPORTING, checked(0.9, CHECK_REVIEW), "allow"),
    ],
)
def test_an_allowed_picture_vetoes_only_if_it_is_as_near_by_a_measure_of_both(harmful, allow_set, allowed, decision):
    assert decided((H_SET, [harmful]), (allow_set, [allowed])).decision == decision


def test_the_checks_score_of_an_allowed_picture_says_nothing_about_a_harmful_one_that_was_not_verified():
    unverified = known("bad", verify=Verify.SUPPORTS), [checked(0.96, 0.1)]
    assert decided(unverified, (A_SET, [checked(0.95, 0.7)])).decision == "block"
    assert decided(unverified, (A_SET, [checked(0.97, 0.7)])).decision == "allow"


def test_the_best_allow_match_is_named_as_the_one_that_vetoes():
    sets = [(known("bad"), near(0.91)), (known("fine", A), near(0.92)), (known("finer", A), near(0.95))]
    assert decided(*sets).matches[0].vetoed_by == "finer"


@pytest.mark.parametrize(("kind", "decision"), [(H, "unscannable"), (A, "allow"), (R, "allow")])
def test_nothing_is_allowed_if_a_harmful_set_could_not_be_compared(kind, decision):
    outcome = decided((known("clean"), near(0.1)), (known("blind", kind), [], Reason.FEATURELESS))
    assert outcome.decision == decision
    assert (outcome.problem and outcome.problem.reason) == (Reason.FEATURELESS if kind is H else None)
    still_found = decided((known("bad"), near(0.95)), (known("blind", kind), [], Reason.FEATURELESS))
    assert (still_found.decision, still_found.problem) == ("block", None)


def test_an_image_that_could_not_be_embedded_is_always_unscannable():
    why = Unreadable(Reason.CORRUPT, "the file ends too early")
    outcome = decided((known("bad"), [], Reason.CORRUPT), problem=why)
    assert (outcome.decision, outcome.problem, outcome.decided_by) == ("unscannable", why, None)
