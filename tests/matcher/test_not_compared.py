"""What an `allow` needs: in each group of harmful sets, one that an encoder of pictures could compare."""

from dataclasses import replace

import pytest
from deciding import decided, known, near

from embedding.image import Reason

BLIND, FAILED = Reason.FEATURELESS, Reason.ENCODER_FAILED
WORDS, CLIP, EXACT = "words:0", "openclip:0", "exact:1"


@pytest.mark.parametrize(
    ("sets", "reason"),
    [
        # one set of each group is enough …
        ([("a", WORDS, "x", BLIND, False), ("b", CLIP, "x", None, False)], None),
        ([("a", WORDS, "x", BLIND, False), ("b", CLIP, "x", FAILED, False), ("c", "pdq:0", "x", None, False)], None),
        # … and none of another group
        ([("a", WORDS, "x", BLIND, False), ("b", CLIP, "y", None, False)], BLIND),
        ([("a", WORDS, "x", None, False), ("b", CLIP, "y", FAILED, False)], FAILED),
        # the first reason is named
        ([("a", WORDS, "x", FAILED, False), ("b", CLIP, "x", BLIND, False)], FAILED),
        # exact lists hold digests of files: they do not count, and need no comparison
        ([("a", WORDS, "x", BLIND, False), ("b", EXACT, "x", None, False)], BLIND),
        ([("b", EXACT, "x", None, False)], None),
        ([("b", EXACT, "x", Reason.NOT_COMPARED, False), ("c", WORDS, "y", None, False)], None),
        # an empty set can always be compared, and says nothing
        ([("a", WORDS, "x", BLIND, False), ("b", CLIP, "x", None, True)], BLIND),
        ([("a", WORDS, "x", BLIND, True), ("b", CLIP, "x", None, True)], None),
        ([("a", WORDS, "x", BLIND, True), ("b", CLIP, "x", None, False)], None),
        ([("a", WORDS, "x", BLIND, True)], BLIND),
    ],
)
def test_an_image_is_allowed_only_if_a_set_of_each_group_was_compared(sets, reason):
    pairs = [(known(name, encoder=encoder, group=group), [], why, empty) for name, encoder, group, why, empty in sets]
    for outcome in (decided(*pairs), decided(*pairs, instead_of_allow="review")):
        assert (outcome.decision == "unscannable") == (reason is not None)
        assert (outcome.problem and outcome.problem.reason) == reason
    bad = known("bad", group="z"), near(0.8)
    assert decided(*pairs, bad).decision == "review"


def test_the_group_of_a_set_is_its_category_and_that_of_a_set_without_one_its_name():
    assert known("a", group="g").group_name == "g"
    assert known("a").group_name == "spam"
    assert replace(known("a"), category="").group_name == "a"
    outcome = decided((known("a", encoder=WORDS), [], BLIND), (known("b", encoder=CLIP), []))
    assert outcome.decision == "allow"


def test_the_sets_that_could_not_be_compared_are_named():
    blind = [(known(name, encoder=name, group="x"), [], BLIND) for name in ("a", "b")]
    assert decided(*blind).problem.detail == (
        "the harmful sets a, b could not be compared, so the image is not allowed"
    )
    assert "the harmful set a could" in decided(blind[0]).problem.detail
