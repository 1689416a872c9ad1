"""Recent embeddings are kept within a bound, made once, and nobody waits for one that will not be made."""

from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
from detailed import detailed

from embedding.image import Facts, Reason, Unreadable
from embedding.local.keypoints import detect
from embedding.look import Look, View
from matcher.demand import Demand
from matcher.duplicates import Duplicates
from matcher.embed import Embedded

NEEDS = Demand()
FACTS = Facts(sha256="0" * 64, bytes=1, format="PNG", width=1, height=1)


def embedded(number=0, size=16):
    return found(Look(View({"a": np.full(size, number, np.float32)})))


def found(*looks, **facts):
    return Embedded(FACTS.sha256, facts=FACTS, looks=looks, **facts)


def same(these, those):
    ours, theirs = (
        [each for look in made.looks for view in (look.view, look.mirror) for each in values(view)]
        for made in (these, those)
    )
    return these.facts == those.facts and len(ours) == len(theirs) and all(map(np.array_equal, ours, theirs))


def values(view):
    """All values of a view, and whether there is one."""
    found = view and view.keypoints
    keypoints = [getattr(found, each.name) for each in fields(found)] if found else []
    return [True, *view.vectors.values(), *keypoints] if view else [False]


def key(number, needs=NEEDS):
    return f"{number:064x}", needs


def make(recent, number, made=None):
    future, ours = recent.claim(key(number))
    if ours:
        result = made or embedded(number)
        recent.settle(key(number), result, keep=result.facts is not None)
    return future.result(0), ours


def test_a_kept_result_is_returned_and_not_made_again():
    recent = Duplicates(1 << 20)
    made, ours = make(recent, 1)
    assert ours
    again, ours = make(recent, 1)
    assert not ours
    assert same(again, made)


def test_a_result_is_made_by_one_caller_and_all_others_wait_for_it():
    recent = Duplicates(1 << 20)
    first, ours = recent.claim(key(1))
    second, also_ours = recent.claim(key(1))
    assert (ours, also_ours) == (True, False)
    assert not second.done()
    recent.settle(key(1), made := embedded(), keep=True)
    assert first.result(0) is second.result(0) is made


def test_a_result_that_was_made_for_fewer_needs_is_not_used_for_more():
    recent = Duplicates(1 << 20)
    make(recent, 1)
    _, ours = recent.claim(key(1, Demand(keypoints=True)))
    assert ours


def test_keypoints_and_mirror_images_are_kept_and_changing_a_result_does_not_change_the_kept_one():
    recent, keypoints = Duplicates(1 << 20), detect(detailed(1))
    made, _ = make(recent, 1, found(Look(View({"a": np.ones(4, np.float32)}, keypoints), View({"a": np.zeros(4)}))))
    again, _ = make(recent, 1)
    assert same(again, made)
    again.looks[0].view.vectors["a"][:] = 7
    assert same(make(recent, 1)[0], made)


def test_the_result_for_a_featureless_picture_is_kept_too():
    recent, why = Duplicates(1 << 20), Unreadable(Reason.FEATURELESS, "plain")
    make(recent, 1, found(problem=why))
    again, ours = make(recent, 1)
    assert (again.facts, again.problem, again.looks, ours) == (FACTS, why, (), False)


def test_the_memory_is_bounded_and_the_newest_results_are_kept_whatever_their_sizes(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 2_000, 400)
    recent, together = Duplicates(20_000), 0
    for number, size in enumerate(sizes):
        make(recent, number, embedded(number, size))
        kept = [int(digest, 16) for digest, _ in recent._kept]
        assert kept == list(range(number + 1 - len(kept), number + 1))
        places = sorted(recent._kept.values())
        assert places[-1][1] <= 20_000
        assert all(end <= start for (_, end), (start, _) in pairwise(places))
        together = max(together, len(kept))
    assert together > 1
    for number in kept:
        assert same(make(recent, number)[0], embedded(number, sizes[number]))


@pytest.mark.parametrize("bound", [0, 100])
def test_a_result_that_is_larger_than_the_bound_is_returned_but_not_kept(bound):
    recent = Duplicates(bound)
    assert make(recent, 1)[1]
    assert make(recent, 1)[1]


def test_a_result_that_must_not_be_kept_is_made_again():
    recent = Duplicates(1 << 20)
    damaged = Embedded(problem=Unreadable(Reason.DECODE_MEMORY_LIMIT, "memory was short"))
    assert make(recent, 1, damaged) == (damaged, True)
    assert make(recent, 1)[1]


def test_a_caller_that_waits_for_an_abandoned_result_gets_the_error():
    recent = Duplicates(1 << 20)
    recent.claim(key(1))
    recent.claim(key(2))
    waiting, _ = recent.claim(key(1))
    settled, _ = recent.claim(key(2))
    recent.settle(key(2), embedded(), keep=True)
    recent.abandon([key(1), key(2)], ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        waiting.result(0)
    assert settled.result(0).facts == FACTS
    assert recent.claim(key(1))[1]
