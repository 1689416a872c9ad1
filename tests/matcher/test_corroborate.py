"""What a match is worth by itself, and which matches of other encoders corroborate it."""

import random

import pytest
from deciding import BLOCK, REVIEW, checked, decided, known, near, same_content

from reference_sets.model import Kind, Verify

PDQ, WORDS, CLIP = "pdq:0", "words:0", "openclip:0"
BOX = ((0.1, 0.8, 0.9, 0.95),)


def of(name, encoder, score=None, alone="block", **facts):
    """A set, and one candidate with this similarity; `view`, `content`, `ceiling` and `differs` are the candidate's."""
    own = {key: facts.pop(key) for key in ("view", "content", "ceiling", "differs", "leads") if key in facts}
    candidates = [] if score is None else [checked(score, 0.7 if "differs" in own else 0.0, **own)]
    return known(name, alone=alone, encoder=encoder, **facts), candidates


def shown(outcome):
    """Set → level, caps, who corroborates it."""
    return {each.set.name: (each.level, each.capped_by, each.corroborated_by) for each in outcome.matches}


B, R, LOW = BLOCK, REVIEW, 0.1
ALONE = ("alone",)


@pytest.mark.parametrize(
    ("sets", "decision", "matches"),
    [
        # what a match by itself is worth
        ([of("a", CLIP, B, "block")], "block", {"a": ("block", (), ())}),
        ([of("a", CLIP, B, "review")], "review", {"a": ("review", ALONE, ())}),
        ([of("a", CLIP, R, "review")], "review", {"a": ("review", (), ())}),
        ([of("a", CLIP, B, "nothing")], "allow", {}),
        ([of("a", CLIP, R, "nothing")], "allow", {}),
        # a match of another encoder of the group gives it its full level, however low the other's own level is
        (
            [of("a", CLIP, B, "review"), of("b", PDQ, R)],
            "block",
            {"a": ("block", (), ("b",)), "b": ("review", (), ("a",))},
        ),
        ([of("a", CLIP, B, "review"), of("b", PDQ, LOW)], "review", {"a": ("review", ALONE, ())}),
        (
            [of("a", CLIP, R, "nothing"), of("b", PDQ, R)],
            "review",
            {"a": ("review", (), ("b",)), "b": ("review", (), ("a",))},
        ),
        # of the same encoder, or of another group: it does not
        (
            [of("a", CLIP, B, "review"), of("b", CLIP, R)],
            "review",
            {"a": ("review", ALONE, ()), "b": ("review", (), ())},
        ),
        (
            [of("a", CLIP, B, "review"), of("b", PDQ, R, group="other")],
            "review",
            {"a": ("review", ALONE, ()), "b": ("review", (), ())},
        ),
        (
            [of("a", CLIP, B, "nothing"), of("b", "openclip:1", B)],
            "block",
            {"a": ("block", (), ("b",)), "b": ("block", (), ("a",))},
        ),
        # in another view: it does not
        (
            [of("a", CLIP, B, "review", view=1), of("b", PDQ, R)],
            "review",
            {"a": ("review", ALONE, ()), "b": ("review", (), ())},
        ),
        (
            [of("a", CLIP, B, "nothing", view=1), of("b", PDQ, R, view=1)],
            "block",
            {"a": ("block", (), ("b",)), "b": ("review", (), ("a",))},
        ),
        # sets that are only reported, or allow, corroborate nothing
        (
            [of("a", CLIP, B, "review"), of("b", PDQ, B, kind=Kind.REFERENCE)],
            "review",
            {"a": ("review", ALONE, ()), "b": ("block", (), ())},
        ),
        (
            [of("a", CLIP, B, "review"), of("b", PDQ, B, kind=Kind.ALLOW)],
            "review",
            {"a": ("review", ALONE, ()), "b": ("block", (), ())},
        ),
        # their own matches need no corroboration
        ([of("b", CLIP, B, "nothing", kind=Kind.REFERENCE)], "allow", {"b": ("block", (), ())}),
        # two that are worth nothing by themselves corroborate one another; three as well
        (
            [of("a", CLIP, B, "nothing"), of("b", PDQ, R, "nothing")],
            "block",
            {"a": ("block", (), ("b",)), "b": ("review", (), ("a",))},
        ),
        (
            [of("a", CLIP, B, "nothing"), of("b", PDQ, R, "nothing"), of("c", WORDS, R, "review")],
            "block",
            {"a": ("block", (), ("b", "c")), "b": ("review", (), ("a", "c")), "c": ("review", (), ("a", "b"))},
        ),
        # a match that its own caps lower to nothing corroborates nothing; lowered to review, it does
        ([of("a", CLIP, B, "review"), of("b", PDQ, B, ceiling="nothing")], "review", {"a": ("review", ALONE, ())}),
        (
            [of("a", CLIP, B, "review"), of("b", PDQ, B, ceiling="review")],
            "block",
            {"a": ("block", (), ("b",)), "b": ("review", ("ceiling",), ("a",))},
        ),
        (
            [of("a", CLIP, B, "review"), of("b", PDQ, B, differs=BOX, altered="nothing")],
            "review",
            {"a": ("review", ALONE, ())},
        ),
        # corroboration lifts no other cap
        (
            [of("a", CLIP, B, "nothing", ceiling="review"), of("b", PDQ, B)],
            "block",
            {"a": ("review", ("ceiling",), ("b",)), "b": ("block", (), ("a",))},
        ),
        ([of("a", CLIP, B, "review", ceiling="review")], "review", {"a": ("review", ("ceiling",), ())}),
    ],
)
def test_a_match_has_its_full_level_if_another_encoders_match_of_its_group_corroborates_it(sets, decision, matches):
    for order in (sets, sets[::-1]):
        outcome = decided(*order)
        assert (outcome.decision, shown(outcome)) == (decision, matches)


def content(name, encoder, **facts):
    own = {key: facts.pop(key) for key in ("ceiling", "view") if key in facts}
    return known(name, encoder=encoder, **facts), [same_content(**own)]


@pytest.mark.parametrize(
    ("sets", "decision", "matches"),
    [
        # exactly the same content needs nobody
        ([content("a", CLIP, alone="nothing")], "block", {"a": ("block", (), ())}),
        # and corroborates in every view, even if its own ceiling is review; an exact list too
        (
            [content("b", "exact:1"), of("a", CLIP, B, "review", view=3)],
            "block",
            {"a": ("block", (), ("b",)), "b": ("block", (), ("a",))},
        ),
        (
            [content("b", WORDS, ceiling="review"), of("a", CLIP, B, "nothing", view=3)],
            "block",
            {"a": ("block", (), ("b",)), "b": ("review", ("ceiling",), ("a",))},
        ),
        ([content("b", WORDS, ceiling="nothing"), of("a", CLIP, B, "review")], "review", {"a": ("review", ALONE, ())}),
        (
            [content("b", CLIP, severity=0, ceiling="review"), of("a", CLIP, B, "nothing")],
            "review",
            {"b": ("review", ("ceiling",), ())},
        ),
        (
            [content("b", WORDS, ceiling="review", group="other"), of("a", CLIP, B, "nothing")],
            "review",
            {"b": ("review", ("ceiling",), ())},
        ),
        ([content("a", WORDS), content("b", CLIP)], "block", {"a": ("block", (), ("b",)), "b": ("block", (), ("a",))}),
    ],
)
def test_the_same_content_needs_no_corroboration_and_corroborates_in_every_view(sets, decision, matches):
    outcome = decided(*sets)
    assert (outcome.decision, shown(outcome)) == (decision, matches)


def test_each_view_is_corroborated_by_itself_and_the_worst_view_decides():
    first, second = near(BLOCK, REVIEW)
    clip = known("a", encoder=CLIP, alone="review"), [first._replace(view=0), second._replace(view=1)]
    outcome = decided(clip, of("b", PDQ, B, view=1))
    assert shown(outcome)["a"] == ("review", ALONE, ())  # in view 0; in view 1 its own level is review
    other_way = decided((clip[0], [first._replace(view=1), second._replace(view=0)]), of("b", PDQ, R, view=1))
    assert shown(other_way)["a"] == ("block", (), ("b",))


def test_a_set_that_matches_several_times_is_named_once():
    several = known("b", encoder=PDQ), near(B, B, R)
    assert shown(decided(of("a", CLIP, B, "review"), several))["a"] == ("block", (), ("b",))


VETO = of("good", PDQ, 0.99, kind=Kind.ALLOW)


def test_a_vetoed_match_corroborates_nothing():
    sets = of("a", CLIP, B, "review"), of("b", PDQ, B)
    assert decided(*sets).decision == "block"
    outcome = decided(*sets, VETO)
    assert (outcome.decision, outcome.decided_by) == ("review", "a")
    assert shown(outcome)["a"] == ("review", ALONE, ())
    assert next(each for each in outcome.matches if each.set.name == "b").vetoed_by == "good"
    worthless = decided(of("a", CLIP, B, "nothing"), of("b", PDQ, B), VETO)
    assert (worthless.decision, [each.set.name for each in worthless.matches]) == ("allow", ["b", "good"])


def test_a_match_that_nothing_tells_from_an_allowed_picture_corroborates_because_a_person_decides():
    outcome = decided(of("a", CLIP, B, "review"), of("b", PDQ, 0.95), of("good", PDQ, 0.95, kind=Kind.ALLOW))
    assert shown(outcome)["b"] == ("review", ("allowed",), ("a",))
    assert shown(outcome)["a"] == ("block", (), ("b",))


def test_a_match_that_is_for_review_by_itself_can_be_vetoed_by_an_allow_match_for_review():
    allowed = of("good", CLIP, 0.89, kind=Kind.ALLOW, alone="block")
    harmful = known("a", encoder=CLIP, alone="review", verify=Verify.OFF), near(0.85)
    assert decided(harmful, allowed).decision == "allow"
    by_check = [checked(B, 0.7, leads={("good", "id0", False): -2.0})]
    sets = known("a", encoder=CLIP, alone="review", verify=Verify.REQUIRED), by_check
    for_review = known("good", Kind.ALLOW, encoder=WORDS, verify=Verify.REQUIRED), [checked(R, 0.7)]
    alone = decided(sets, for_review)
    assert (alone.decision, alone.matches[0].vetoed_by, alone.matches[0].level) == ("allow", "good", "review")
    corroborated = decided(sets, for_review, of("b", PDQ, R))
    assert (corroborated.decision, corroborated.matches[0].vetoed_by) == ("block", None)


def test_the_same_bytes_as_an_allowed_pictures_veto_corroborated_matches_too():
    allowed = known("good", Kind.ALLOW, encoder="exact:1"), [same_content()]
    outcome = decided(of("a", CLIP, B, "review"), of("b", PDQ, B, view=2), allowed)
    assert outcome.decision == "allow"


def drawn(dice, name, kind):
    """A set of random rules with random candidates in three views."""
    scores = [0.1, REVIEW, 0.8, BLOCK, 0.95, 1.0]
    candidates = []
    for number in range(dice.randrange(4)):
        id_ = f"{name}{number}"
        if dice.random() < 0.1:
            candidates.append(same_content(id_, ceiling=dice.choice(["", "review", "nothing"])))
            continue
        candidates.append(
            checked(
                dice.choice(scores),
                dice.choice([0.0, 0.2, 0.4, 0.7]),
                id_,
                view=dice.randrange(3),
                ceiling=dice.choice(["", "", "review", "nothing"]),
                differs=dice.choice([(), (), BOX]),
            )
        )
    described = known(
        name,
        kind,
        severity=dice.randrange(100),
        verify=dice.choice(list(Verify)),
        encoder=dice.choice([PDQ, WORDS, CLIP, "exact:1"]),
        alone=dice.choice(["block", "review", "nothing"]),
        altered=dice.choice(["block", "review", "nothing"]),
        group=dice.choice(["", "g", "h"]),
    )
    return described, candidates, dice.choice([None, None, "featureless"])


RANKS = {"allow": 0, "unscannable": 1, "review": 2, "block": 3}
KINDS = [Kind.HARMFUL, Kind.HARMFUL, Kind.HARMFUL, Kind.ALLOW, Kind.REFERENCE]


def weight(outcome):
    return RANKS[outcome.decision]


@pytest.mark.parametrize("seed", range(20))
def test_another_set_never_lowers_a_block_or_review_except_by_a_veto(seed):
    dice = random.Random(seed)
    for _ in range(100):
        sets = [drawn(dice, f"s{number}", dice.choice(KINDS)) for number in range(dice.randrange(1, 5))]
        before = decided(*sets)
        harmful = decided(*sets, drawn(dice, "another", dice.choice([Kind.HARMFUL, Kind.REFERENCE])))
        assert before.decision not in {"block", "review"} or weight(harmful) >= weight(before)
        allowing = decided(*sets, drawn(dice, "another", Kind.ALLOW))
        if before.decision in {"block", "review"} and weight(allowing) < weight(before):
            assert "another" in {each.set.name for each in allowing.matches}


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_the_sets_changes_nothing_and_no_match_is_worth_more_than_the_rules_say(seed):
    dice = random.Random(seed)
    for _ in range(100):
        sets = [drawn(dice, f"s{number}", dice.choice(KINDS)) for number in range(dice.randrange(2, 6))]
        outcome, shuffled = decided(*sets), decided(*dice.sample(sets, len(sets)))
        assert (outcome.decision, outcome.decided_by) == (shuffled.decision, shuffled.decided_by)
        assert [each.set.name for each in outcome.matches] == [each.set.name for each in shuffled.matches]
        for each in outcome.matches:
            worth = each.decided_on == "content" or each.corroborated_by or each.set.kind is not Kind.HARMFUL
            assert worth or each.set.alone == "block" or (each.set.alone, each.level) == ("review", "review")
