"""Exact search by bounds finds what a comparison of all vectors finds."""

import numpy as np
import pytest

from vectors import bounds

SEED = 3


def vectors(count: int, directions: int, seed: int = SEED) -> bounds.Floats:
    """Unit vectors of 64 values, most of whose squared lengths are along a few directions, the same for each seed."""
    basis = np.random.default_rng(SEED).standard_normal((directions, 64))
    random = np.random.default_rng((SEED, seed))
    made = random.standard_normal((count, directions)) @ basis + 0.3 * random.standard_normal((count, 64))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(("count", "top_k"), [(5, 20), (3000, 1), (40_000, 35)])
def test_the_nearest_are_found_whatever_is_hidden(count, top_k):
    known, queries = vectors(count, 6, 1), vectors(40, 6, 2)
    hidden = np.random.default_rng(SEED).random(count) < 0.3
    made = bounds.bounds_of(known)
    assert made is not None
    assert made.short.shape[1] < 32
    cosines = queries.astype(np.float64) @ known.T
    for mask in (None, hidden, np.ones(count, np.bool_)):
        scores, rows, seen = made.nearest(queries, known, mask, bounds.nothing(len(queries)), top_k)
        assert seen == count
        there = scores > -np.inf
        expected = -np.sort(-np.where(False if mask is None else mask, -np.inf, cosines), axis=1)[:, :top_k]
        assert there.sum() == np.isfinite(expected).sum()
        assert np.allclose(scores[there], expected[np.isfinite(expected)], atol=1e-6)
        assert np.allclose(np.take_along_axis(cosines, np.maximum(rows, 0), 1)[there], scores[there], atol=1e-6)


def test_vectors_that_lie_in_all_directions_have_no_bounds_that_help():
    assert bounds.bounds_of(vectors(2000, 64)) is None


def test_vectors_that_lie_along_the_directions_are_found_by_others_too():
    """Of a rest that is almost 0, rounding is larger than the rest itself: a bound must not be too low for that."""
    random = np.random.default_rng(SEED)
    basis = np.linalg.qr(random.standard_normal((64, 6)))[0]
    known = random.standard_normal((20_000, 6)) @ basis.T + 1e-4 * random.standard_normal((20_000, 64))
    queries = random.standard_normal((50, 64))
    queries -= 0.999 * queries @ basis @ basis.T
    known, queries = (
        (each / np.linalg.norm(each, axis=1, keepdims=True)).astype(np.float32) for each in (known, queries)
    )
    made = bounds.bounds_of(known)
    assert made is not None
    scores, *_ = made.nearest(queries, known, None, bounds.nothing(len(queries)), 20)
    assert np.allclose(scores, -np.sort(-queries.astype(np.float64) @ known.T, axis=1)[:, :20], atol=1e-6)
