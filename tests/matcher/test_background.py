"""What a decision makes of similarities that are normalised with a background set."""

import pytest
from deciding import decided, known, match, near, same_content

from reference_sets.model import Kind


@pytest.mark.parametrize(
    ("similarity", "normalised", "level"),
    [(0.99, None, "block"), (0.99, 0.5, None), (0.99, 0.8, "review"), (0.1, 0.95, "block"), (0.99, -0.1, None)],
)
def test_thresholds_are_compared_with_the_normalised_similarity_if_there_is_one(similarity, normalised, level):
    one = near(similarity)[0]._replace(normalised=normalised)
    reached = match(known(), [one])
    assert (reached.level if reached else None) == level
    if reached:
        assert reached.score == (similarity if normalised is None else normalised)
        assert reached.margin == pytest.approx(reached.score - reached.threshold)
    assert match(known(), [same_content()._replace(normalised=-1.0)]).level == "block"


def test_of_candidates_with_different_backgrounds_the_one_with_the_higher_normalised_similarity_matches():
    first, second = near(0.99, 0.95)
    reached = match(known(), [first._replace(normalised=0.8, view=1), second._replace(normalised=0.85)])
    assert reached.candidate.neighbour.id == "id1"


def test_a_veto_by_similarity_compares_raw_similarities_which_have_one_scale_within_an_encoder():
    one = near(0.97)[0]._replace(normalised=0.91)
    normalised_set = known("bad", background="strangers"), [one]
    for similarity, decision in ((0.98, "allow"), (0.96, "block")):
        assert decided(normalised_set, (known("good", Kind.ALLOW), near(similarity))).decision == decision
