"""The table of docs/verdicts.md, line by line."""

import pytest
from deciding import BLOCK, CHECK_BLOCK, CHECK_REVIEW, REVIEW, checked, decided, known, match, near

from embedding.image import Reason, Unreadable
from matcher.decide import MOST_OTHERS
from matcher.levels import ROUNDING
from reference_sets.model import Kind, ReferenceSet, Thresholds, Verify


def found(name, kind, score, severity=50):
    return known(name, kind, severity), near(score)


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
        # equally near: nothing tells them apart, so a person decides
        ([("h", H, 0.95), ("a", A, 0.95)], "review", "h", {}),
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
    outcome = decided(*(found(*each) for each in matches))
    assert outcome.decision == decision
    assert outcome.decided_by == decided_by
    assert {each.set.name: each.vetoed_by for each in outcome.matches if each.vetoed_by} == vetoed
    assert len(outcome.matches) == len(matches)


def test_the_worst_match_comes_first_and_matches_without_effect_come_last():
    outcome = decided(
        found("reference", R, 0.99),
        found("mild", H, 0.95, severity=10),
        found("grave", H, 0.93, severity=90),
        found("suspect", H, 0.80, severity=99),
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


@pytest.mark.parametrize(("kind", "decision"), [(H, "unscannable"), (A, "allow"), (R, "allow")])
def test_nothing_is_allowed_if_a_harmful_set_could_not_be_compared(kind, decision):
    blind = known("blind", kind, group="other"), [], Reason.FEATURELESS
    outcome = decided((known("clean"), near(0.1)), blind)
    assert outcome.decision == decision
    assert (outcome.problem and outcome.problem.reason) == (Reason.FEATURELESS if kind is H else None)
    still_found = decided((known("bad"), near(0.95)), blind)
    assert (still_found.decision, still_found.problem) == ("block", None)


def test_an_image_that_could_not_be_embedded_is_always_unscannable():
    why = Unreadable(Reason.CORRUPT, "the file ends too early")
    outcome = decided((known("bad"), [], Reason.CORRUPT), problem=why)
    assert (outcome.decision, outcome.problem, outcome.decided_by) == ("unscannable", why, None)


@pytest.mark.parametrize(
    ("instead", "reason", "decision"),
    [
        (None, None, "allow"),
        ("review", None, "review"),
        (Unreadable(Reason.DAMAGED, "the file ends too early"), None, "unscannable"),
        # review is for what was not seen; a harmful set that was not compared weighs more
        ("review", Reason.FEATURELESS, "unscannable"),
        (Unreadable(Reason.DAMAGED, "the file ends too early"), Reason.FEATURELESS, "unscannable"),
    ],
)
def test_an_image_of_which_only_a_part_was_seen_gets_another_decision_instead_of_allow(instead, reason, decision):
    sets = [(known("other"), near(0.1)), (known("blind", group="other"), [], reason)]
    outcome = decided(*sets, instead_of_allow=instead)
    assert (outcome.decision, outcome.decided_by) == (decision, None)
    if isinstance(instead, Unreadable):
        assert outcome.problem == instead
    still_found = decided((known("bad"), near(0.95)), *sets, instead_of_allow=instead)
    assert (still_found.decision, still_found.problem) == ("block", None)


VIEWS = [near(0.8)[0], near(0.95)[0]._replace(view=1), near(0.1)[0]._replace(view=2)]


def test_the_worst_view_of_an_image_decides_and_is_published():
    outcome = decided((known("bad"), VIEWS), (known("other"), [near(0.91)[0]._replace(view=2)]))
    assert (outcome.decision, outcome.decided_by) == ("block", "bad")
    assert [(each.set.name, each.candidate.view, each.level) for each in outcome.matches] == [
        ("bad", 1, "block"),
        ("other", 2, "block"),
    ]


def test_a_reference_that_matched_in_several_views_is_named_once():
    both = match(known(), [*VIEWS, near(0.1, 0.85)[1]._replace(view=3)])
    assert (both.candidate.neighbour.id, [one.neighbour.id for one in both.others]) == ("id0", ["id1"])


BOX = ((0.1, 0.8, 0.9, 0.95),)


@pytest.mark.parametrize(
    ("facts", "altered", "level", "capped_by"),
    [
        ({}, "review", "block", ()),
        ({"ceiling": "block"}, "review", "block", ()),
        ({"ceiling": "review"}, "review", "review", ("ceiling",)),
        ({"ceiling": "nothing"}, "review", None, ()),
        ({"differs": BOX}, "block", "block", ()),
        ({"differs": BOX}, "review", "review", ("altered",)),
        ({"differs": BOX}, "nothing", None, ()),
        ({"differs": BOX, "ceiling": "review"}, "review", "review", ("ceiling", "altered")),
        # exactly the same bytes are not altered; the reference's own ceiling holds for them too
        ({"differs": BOX, "content": True}, "nothing", "block", ()),
        ({"content": True, "ceiling": "review"}, "review", "review", ("ceiling",)),
    ],
)
def test_caps_lower_a_level_and_say_why(facts, altered, level, capped_by):
    reached = match(known(verify=Verify.REQUIRED, altered=altered), [checked(0.95, 0.7, **facts)])
    assert (reached.level if reached else None) == level
    if reached:
        assert (reached.reached, reached.capped_by) == ("block", capped_by)


def test_a_capped_candidate_matches_only_if_no_other_reaches_a_higher_level():
    altered, whole = checked(0.99, 0.9, "altered", differs=BOX), checked(0.95, 0.65, "whole")
    reached = match(known(verify=Verify.REQUIRED), [altered, whole])
    assert (reached.candidate.neighbour.id, reached.level) == ("whole", "block")
    assert [each.neighbour.id for each in reached.others] == ["altered"]


def test_a_cap_does_not_raise_a_level():
    reached = match(known(verify=Verify.REQUIRED), [checked(0.95, 0.4, ceiling="block", differs=BOX)])
    assert (reached.level, reached.reached, reached.capped_by) == ("review", "review", ())


def test_similarities_of_different_encoders_do_not_order_matches():
    low, high = (known("a", encoder="words:0"), near(0.91)), (known("b", encoder="openclip:0"), near(0.99))
    for sets in ((low, high), (high, low)):
        assert [each.set.name for each in decided(*sets).matches] == ["a", "b"]
    required = {"verify": Verify.REQUIRED}
    weak = known("a", encoder="words:0", **required), [checked(0.99, 0.7)]
    strong = known("b", encoder="openclip:0", **required), [checked(0.91, 0.8)]
    assert decided(weak, strong).decided_by == "b"
