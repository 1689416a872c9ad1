"""When an allowed picture cancels a harmful match, and when it does not."""

import pytest
from deciding import CHECK_REVIEW, checked, decided, known, near, same_content

from embedding.image import Reason, Unreadable
from matcher.evidence import WHOLE, covered
from reference_sets.model import Kind, Verify

H_SET, A_SET = known("bad", verify=Verify.REQUIRED), known("good", Kind.ALLOW, verify=Verify.REQUIRED)
SUPPORTING = known("good", Kind.ALLOW, verify=Verify.SUPPORTS)
UNVERIFIED = known("bad", verify=Verify.SUPPORTS)
FOR, AGAINST = {("good", "id0", False): 2.0}, {("good", "id0", False): -2.0}


def box(left, top, right, bottom):
    return (left, top), (right, top), (right, bottom), (left, bottom)


LEFT, RIGHT = box(0, 0, 0.5, 1), box(0.5, 0, 1, 1)


@pytest.mark.parametrize(
    ("harmful", "allowed", "decision"),
    [
        # what only the allowed picture has is in the image: whatever the scores and similarities are
        (checked(0.95, 0.7, leads=AGAINST), checked(0.95, 0.7), "allow"),
        (checked(0.99, 0.8, leads=AGAINST), checked(0.95, 0.7), "allow"),
        # what only the harmful one has is in it
        (checked(0.95, 0.7, leads=FOR), checked(0.99, 0.8), "block"),
        # nothing tells them apart
        (checked(0.95, 0.7), checked(0.95, 0.7), "review"),
        (checked(0.95, 0.7), checked(0.99, 0.8), "review"),
        (checked(0.95, 0.7, leads={("good", "id1", False): -2.0}), checked(0.95, 0.7), "review"),
        # an allow match of a lower level vetoes nothing
        (checked(0.95, 0.7, leads=AGAINST), checked(0.8, 0.9), "block"),
        (checked(0.95, 0.7, leads=AGAINST), checked(0.95, 0.9, differs=((0.1, 0.1, 0.3, 0.3),)), "block"),
        # it lies elsewhere in the image, or covers a part of the harmful match's region only
        (checked(0.95, 0.7, region=LEFT, leads=AGAINST), checked(0.95, 0.9, region=RIGHT), "block"),
        (checked(0.95, 0.7, region=WHOLE, leads=AGAINST), checked(0.95, 0.9, region=RIGHT), "block"),
        (checked(0.95, 0.7, region=LEFT, leads=AGAINST), checked(0.95, 0.9, region=WHOLE), "allow"),
        # only a part of the allowed picture is in the image: perhaps the harmful one, which it has too
        (checked(0.95, 0.7, leads=AGAINST), checked(0.95, 0.9, share=0.39), "block"),
        (checked(0.95, 0.7, leads=AGAINST), checked(0.95, 0.9, share=0.4), "allow"),
        # in another view
        (checked(0.95, 0.7, leads=AGAINST, view=1), checked(0.95, 0.9), "block"),
        (checked(0.95, 0.7, leads=AGAINST, view=1), checked(0.95, 0.9, view=1), "allow"),
    ],
)
def test_a_verified_allow_match_vetoes_only_on_the_same_ground_and_by_what_tells_the_two_apart(
    harmful, allowed, decision
):
    outcome = decided((H_SET, [harmful]), (A_SET, [allowed]))
    assert outcome.decision == decision
    assert outcome.matches[0].vetoed_by == ("good" if decision == "allow" else None)
    if decision == "review":
        assert outcome.matches[0].capped_by == ("allowed",)


@pytest.mark.parametrize(
    ("harmful_set", "harmful", "allow_set", "allowed", "decision"),
    [
        # verified against unverified: never, in neither direction
        (H_SET, checked(0.95, 0.7), SUPPORTING, checked(0.99, 0.0), "block"),
        (H_SET, checked(0.95, 0.7), SUPPORTING, checked(0.99, CHECK_REVIEW - 1e-6), "block"),
        (UNVERIFIED, checked(0.96, 0.1), A_SET, checked(0.97, 0.7), "block"),
        # both unverified: the nearer one
        (UNVERIFIED, checked(0.96, 0.1), SUPPORTING, checked(0.97, 0.2), "allow"),
        (UNVERIFIED, checked(0.96, 0.1), SUPPORTING, checked(0.95, 0.2), "block"),
        (UNVERIFIED, checked(0.96, 0.1), SUPPORTING, checked(0.96, 0.2), "review"),
        # similarities of different encoders cannot be compared
        (UNVERIFIED, checked(0.96, 0.1), known("good", Kind.ALLOW, encoder="words:0"), checked(0.97, 0.2), "block"),
    ],
)
def test_only_matches_of_the_same_measure_are_compared(harmful_set, harmful, allow_set, allowed, decision):
    assert decided((harmful_set, [harmful]), (allow_set, [allowed])).decision == decision


def test_the_best_allow_match_is_named_as_the_one_that_vetoes():
    fine, finer = known("fine", Kind.ALLOW), known("finer", Kind.ALLOW)
    assert decided((known("bad"), near(0.91)), (fine, near(0.92)), (finer, near(0.95))).matches[0].vetoed_by == "finer"


@pytest.mark.parametrize(
    ("harmful", "allowed", "decision"),
    [
        (checked(0.95, 0.7, region=LEFT, view=2, leads_in_whole=AGAINST), checked(0.95, 0.9), "allow"),
        (
            checked(0.95, 0.7, region=LEFT, view=2, leads_in_whole={("good", "id0", False): 0.0}),
            checked(0.95, 0.9),
            "review",
        ),
        (checked(0.95, 0.7, region=LEFT, view=2, leads_in_whole=FOR), checked(0.95, 0.9), "block"),
        (checked(0.95, 0.7, region=LEFT, view=2, leads_in_whole={}), checked(0.95, 0.9), "block"),
        (checked(0.95, 0.7, region=LEFT, view=2, leads_in_whole=AGAINST), checked(0.95, 0.9, region=RIGHT), "block"),
        (checked(0.95, 0.7, region=LEFT, view=2, leads_in_whole=AGAINST), checked(0.95, 0.5), "block"),
        (checked(0.95, 0.7, region=LEFT, view=2, leads_in_whole=AGAINST), checked(0.95, 0.9, view=1), "block"),
        (checked(0.95, 0.7, region=LEFT, view=2, leads_in_whole=AGAINST), checked(0.95, 0.9, share=0.39), "block"),
    ],
    ids=[
        "its part",
        "nothing tells",
        "harmful leads",
        "not there",
        "elsewhere",
        "level",
        "another view",
        "contradicted",
    ],
)
def test_an_allowed_picture_in_the_whole_vetoes_what_a_second_look_finds_in_it(harmful, allowed, decision):
    assert decided((H_SET, [harmful]), (A_SET, [allowed])).decision == decision


def test_a_vetoed_reference_does_not_hide_another_one_of_its_set():
    twin = checked(0.99, 0.9, "twin", region=LEFT, leads={("good", "id0", False): -2.0})
    other = checked(0.95, 0.65, "other", region=RIGHT)
    outcome = decided((H_SET, [twin, other]), (A_SET, [checked(0.99, 0.9, region=LEFT)]))
    assert (outcome.decision, outcome.matches[0].candidate.neighbour.id) == ("block", "other")


def test_an_allowed_reference_vetoes_where_it_lies_even_if_another_one_of_its_set_matches_better_elsewhere():
    harmful = checked(0.95, 0.7, region=LEFT, leads={("good", "there", False): -2.0})
    allowed = [checked(0.99, 0.9, "elsewhere", region=RIGHT), checked(0.95, 0.7, "there", region=LEFT)]
    assert decided((H_SET, [harmful]), (A_SET, allowed)).decision == "allow"


@pytest.mark.parametrize(
    ("harmful", "allowed", "decision"),
    [
        ([same_content()], [], "block"),
        ([same_content()], [checked(0.99, 0.9)], "block"),
        ([checked(0.95, 0.7, leads=FOR)], [same_content()], "allow"),
        ([checked(0.95, 0.7, view=3)], [same_content()], "allow"),
        ([same_content()], [same_content()], "review"),
        ([same_content(ceiling="review")], [same_content()], "review"),
        ([same_content(ceiling="review")], [], "review"),
        ([same_content(ceiling="nothing")], [], "allow"),
        ([checked(0.95, 0.7)], [same_content(ceiling="review")], "block"),
    ],
)
def test_the_same_content_decides_whatever_the_scores_and_views_are(harmful, allowed, decision):
    outcome = decided((H_SET, harmful), (A_SET, allowed))
    assert outcome.decision == decision


def test_a_match_by_content_says_so_and_has_no_scale():
    (only,) = decided((H_SET, [checked(0.99, 0.9, "alike"), same_content()])).matches
    assert (only.decided_on, only.score, only.threshold, only.margin) == ("content", 1.0, 1.0, 0.0)
    assert (only.candidate.neighbour.id, only.level, only.reached) == ("id0", "block", "block")


CORRUPT = Unreadable(Reason.CORRUPT, "the file ends too early")


@pytest.mark.parametrize(
    ("harmful", "allowed", "decision"),
    [
        ([], [], "unscannable"),
        ([same_content()], [], "block"),
        ([same_content(ceiling="review")], [], "review"),
        ([same_content(ceiling="nothing")], [], "unscannable"),
        ([same_content()], [same_content()], "review"),
        ([], [same_content()], "allow"),
        ([], [same_content(ceiling="review")], "unscannable"),
    ],
)
def test_the_same_content_decides_even_if_the_image_cannot_be_decoded(harmful, allowed, decision):
    sets = (H_SET, harmful, Reason.CORRUPT), (A_SET, allowed, Reason.CORRUPT)
    outcome = decided(*sets, problem=CORRUPT)
    assert outcome.decision == decision
    assert outcome.problem == (CORRUPT if decision == "unscannable" else None)
    assert len(outcome.matches) == sum(bool(one) and one[0].ceiling != "nothing" for one in (harmful, allowed))


def test_content_in_a_set_that_is_only_reported_leaves_an_image_unscannable():
    reported = known("seen", Kind.REFERENCE), [same_content()], Reason.CORRUPT
    outcome = decided(reported, problem=CORRUPT)
    assert (outcome.decision, [each.set.name for each in outcome.matches]) == ("unscannable", ["seen"])


@pytest.mark.parametrize(
    ("inner", "outer", "share"),
    [
        (WHOLE, WHOLE, 1.0),
        (LEFT, WHOLE, 1.0),
        (WHOLE, LEFT, 0.5),
        (LEFT, RIGHT, 0.0),
        (box(-1, 0, 0.5, 1), LEFT, 1.0),  # only what is visible counts
        (box(1.5, 0, 2, 1), WHOLE, 0.0),
        (LEFT, tuple(reversed(WHOLE)), 1.0),  # a mirror image's corners go round the other way
        (((0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)), LEFT, 0.5),
    ],
)
def test_the_share_of_a_region_that_another_covers(inner, outer, share):
    assert covered(inner, outer) == pytest.approx(share)
