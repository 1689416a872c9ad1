"""The sentence on why a set matched: with several encoders, from a verdict alone."""

import pytest

from matcher.explain import Explanation, nearest, why
from matcher.verdict import Verdict, example


def sentence(*, matched=True, normalised=None, alone="block", threshold=0.75, **facts):
    """On the match of the example verdict, or on its set without a match; the set does not check."""
    verdict = Verdict.model_validate(example())
    result, match = verdict.sets[0], verdict.matches[0]
    limits = {"review": threshold, "block": threshold}
    check = result.rules.check.model_copy(update={"use": "off"})
    similarity = result.rules.similarity.model_copy(update=limits)
    rules = result.rules.model_copy(update={"alone": alone, "check": check, "similarity": similarity})
    first, *rest = result.candidates
    candidates = (first.model_copy(update={"normalised": normalised}), *rest)
    result = result.model_copy(update={"rules": rules, "candidates": candidates})
    scores = match.similarity.model_copy(update={"normalised": normalised})
    found = match.model_copy(update={**facts, "similarity": scores, "decided_on": "similarity"}) if matched else None
    return why(Explanation(result, found, nearest(result, found), 100, None, None, None))


def test_the_normalised_similarity_is_named_if_thresholds_are_compared_with_it():
    assert sentence(matched=False) == "no match: the similarity 0.438 is below review's 0.750"
    assert sentence(matched=False, normalised=0.125) == (
        "no match: the normalised similarity 0.125 is below review's 0.750"
    )
    assert sentence(normalised=0.5, threshold=0.25) == "block: the normalised similarity 0.500 reaches block's 0.250"


def test_what_corroborates_a_match_is_named_and_that_nothing_does():
    assert sentence(corroborated_by=("hashes", "relatives")).endswith("; corroborated by hashes, relatives")
    assert sentence(level="review", capped_by=("alone",)).startswith("review at most (alone): ")
    assert sentence(matched=False, threshold=0.25, alone="nothing") == (
        "no match: the similarity 0.438 reaches review's 0.250; it matches only if a match of another encoder of its "
        "group corroborates it"
    )


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "the set is empty, or all of its references are disabled"),
        ({"encoder": "exact"}, "the list has no digest of this file"),
        ({"compared": False, "reason": "featureless"}, "too little detail"),
        ({"compared": False, "reason": "encoder_failed"}, "encoder failed for this picture"),
        ({"encoder": "exact", "compared": False, "reason": "not_found"}, "was not compared with this set"),
    ],
)
def test_a_set_without_a_candidate_is_only_called_empty_if_it_was_compared(facts, said):
    result = Verdict.model_validate(example()).sets[0].model_copy(update={"candidates": (), **facts})
    assert said in why(Explanation(result, None, nearest(result, None), 100, None, None, None))
