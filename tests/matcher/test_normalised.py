"""Similarities are lessened by those of the nearest background pictures, from the search to the verdict."""

import numpy as np
import pytest
from deciding import known
from detailed import detailed
from judging import PDQ, described, image, in_force, judge, reference

from embedding.look import Look, View, look
from embedding.picture import Needs
from matcher.candidates import candidates
from matcher.search import Near
from reference_sets.model import Kind, Neighbour
from reference_sets.store import Store

BACKGROUND = range(310, 313)


def filled(store, known_, seeds):
    looks = look([PDQ], [detailed(seed) for seed in seeds], Needs())
    store.create(known_)
    store.upsert(known_.name, [reference(f"id-{seed}", one.view) for seed, one in zip(seeds, looks, strict=True)])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A set without a background, two with one, and the same background pictures as a set of references."""
    with Store(str(tmp_path_factory.mktemp("normalised") / "sets.db")) as opened:
        filled(opened, described("strangers", kind=Kind.BACKGROUND), BACKGROUND)
        filled(opened, described("shown", kind=Kind.REFERENCE), BACKGROUND)
        filled(opened, described("plain"), [301])
        filled(opened, described("nearest_two", background="strangers", background_k=2), [301])
        filled(opened, described("all_three", background="strangers", background_k=50), [301])
        yield opened


def test_the_mean_of_the_nearest_background_pictures_is_subtracted_and_both_values_are_published(store):
    (verdict,) = judge(store, in_force(store)).judge([image(detailed(301))]).verdicts
    best = {one.set: one.candidates[0] for one in verdict.sets}
    near = sorted(
        (one.similarity for one in next(s for s in verdict.sets if s.set == "shown").candidates), reverse=True
    )
    assert len(near) == len(BACKGROUND)
    assert near[1] > near[2]  # otherwise two and three could not be told apart
    assert best["plain"].normalised is None
    for name, number in (("nearest_two", 2), ("all_three", 3)):
        one, mean = best[name], np.mean(near[:number])
        assert one.similarity == pytest.approx(best["plain"].similarity)
        assert one.normalised == pytest.approx(one.similarity - mean, abs=1e-6)
    assert "strangers" not in best


def test_a_match_is_decided_by_the_normalised_similarity(store):
    (verdict,) = judge(store, in_force(store)).judge([image(detailed(310))]).verdicts  # it is in the background itself
    (copy,) = judge(store, in_force(store)).judge([image(detailed(301))]).verdicts
    assert [one.set for one in verdict.matches] == ["shown"]
    match = next(one for one in copy.matches if one.set == "nearest_two")
    assert match.score == pytest.approx(match.similarity.normalised)
    assert match.similarity.score > match.similarity.normalised


def test_a_picture_and_its_mirror_image_have_a_background_each():
    one = Look(View({"pdq:0": np.float32([1, 0])}), View({"pdq:0": np.float32([0, 1])}))
    found = [Neighbour("straight", "", 0.9)], [Neighbour("turned", "", 0.8)]
    (listed,) = candidates(one, [Near(known(), found, {}, (0.2, 0.5))])
    assert {each.neighbour.id: each.normalised for each in listed} == {
        "straight": pytest.approx(0.7),
        "turned": pytest.approx(0.3),
    }
