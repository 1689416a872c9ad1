"""Exact search by cosine that compares most vectors by a third of their values. Pure.

Vectors of one encoder are not spread evenly: 177 directions hold 98 % of the squared lengths of 100,000 vectors of 512
values of the encoder `words`. Along these directions, a vector is a short one, and a rest of some length remains. The
cosine of two vectors is at most the product of the short ones plus the product of the lengths of the rests (Cauchy and
Schwarz). Only vectors whose bound is above the best cosines so far are compared in full. So nothing is missed.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]
Floats = NDArray[np.float32]

_SAMPLE = 8192  # vectors from which the directions are computed
_SHARE = 0.98  # of the squared lengths along them
_MOST = 0.5  # of the values; with more, comparing everything takes about as long
# Vectors whose bounds are computed at once. For 160 queries these are 10 MB.
_BLOCK = 16_384
_ROUNDING = 1e-5  # a bound is too low by less than this
# The squared length of a rest is 1 less what lies along the directions. Rounding, and lengths that are not quite 1,
# make it too low by less than this; of a rest that is almost 0, the root would be too low by 100 times as much.
_REST_ROUNDING = 4e-6
_PAIRS = 8192  # of which the cosines are computed at once: 32 MB


class Found(NamedTuple):
    """The nearest vectors so far.

    Attributes:
        scores: (queries, ≤ top_k) cosines, highest first; -inf where there are too few.
        rows: (queries, ≤ top_k) their numbers, in all vectors that were searched, one after the other.
        seen: number of these vectors.
    """

    scores: Floats
    rows: Rows
    seen: int


def nothing(queries: int) -> Found:
    """Return what is found before anything was searched."""
    return Found(np.zeros((queries, 0), np.float32), np.zeros((queries, 0), np.intp), 0)


class Bounds(NamedTuple):
    """What bounds the cosines of n vectors.

    Attributes:
        directions: (dimension, k), orthogonal, unit length.
        short: (n, k + 1), the vectors along the directions, and the lengths of their rests.
    """

    directions: Floats
    short: Floats

    def nearest(
        self, queries: Floats, vectors: Floats, hidden: NDArray[np.bool_] | None, so_far: Found, top_k: int
    ) -> Found:
        """Return the nearest of these vectors and of those that were found so far.

        Args:
            queries: (queries, dimension), unit length.
            vectors: (n, dimension), unit length.
            hidden: rows that must not be found; None: all may.
            so_far: in other vectors; `so_far.seen` numbers go before these.
            top_k: the most for each query.
        """
        asked = _shortened(queries, self.directions)
        scores, rows, seen = so_far
        for start in range(0, len(vectors), _BLOCK):
            bounds = asked @ self.short[start : start + _BLOCK].T
            if hidden is not None:
                bounds[:, hidden[start : start + _BLOCK]] = -np.inf
            if scores.shape[1] < top_k:  # those with the highest bounds are nearly the best, so few others come close
                few = min(2 * top_k, bounds.shape[1])
                columns = np.argpartition(bounds, bounds.shape[1] - few, axis=1)[:, -few:].ravel()
                query = np.repeat(np.arange(len(queries)), few)
                there = bounds[query, columns] > -np.inf
                query, columns = query[there], columns[there]
                cosines = _cosines(queries, vectors, query, columns + start)
                scores, rows = with_pairs(scores, rows, (query, columns, cosines), seen + start, top_k)
                bounds[query, columns] = -np.inf
            query, columns = pairs_of(bounds > worst_of(scores, top_k) - _ROUNDING)
            cosines = _cosines(queries, vectors, query, columns + start)
            scores, rows = with_pairs(scores, rows, (query, columns, cosines), seen + start, top_k)
        return Found(scores, rows, seen + len(vectors))


def bounds_of(vectors: Floats) -> Bounds | None:
    """Return bounds of the cosines of vectors (n, dimension) of unit length; None if they would save little."""
    sample = vectors[:: max(1, len(vectors) // _SAMPLE)]
    shares, directions = np.linalg.eigh(sample.T @ sample)
    along = np.cumsum(shares[::-1]) / shares.sum()
    number = int(np.searchsorted(along, _SHARE)) + 1
    if number > _MOST * vectors.shape[1]:
        return None
    chosen = np.ascontiguousarray(directions[:, ::-1][:, :number], np.float32)
    parts = (vectors[start : start + _BLOCK] for start in range(0, len(vectors), _BLOCK))
    return Bounds(chosen, np.concatenate([_shortened(part, chosen) for part in parts]))


def _shortened(vectors: Floats, directions: Floats) -> Floats:
    """Return vectors of unit length along the directions, and lengths that their rests do not exceed: (n, k + 1)."""
    short = np.empty((len(vectors), directions.shape[1] + 1), np.float32)
    short[:, :-1] = vectors @ directions
    rest = 1 - np.einsum("ij,ij->i", short[:, :-1], short[:, :-1], dtype=np.float64)
    short[:, -1] = np.sqrt(np.maximum(rest, 0) + _REST_ROUNDING)
    return short


def _cosines(queries: Floats, vectors: Floats, query: Rows, row: Rows) -> Floats:
    """Return the cosines of pairs of a query and a vector, (pairs,)."""
    cosines = np.empty(len(query), np.float32)
    for first in range(0, len(query), _PAIRS):
        part = slice(first, first + _PAIRS)
        cosines[part] = np.einsum("ij,ij->i", queries[query[part]], vectors[row[part]])
    return cosines


def pairs_of(chosen: NDArray[np.bool_]) -> tuple[Rows, Rows]:
    """Return where a matrix is true, row by row. NumPy takes four times as long in two dimensions."""
    return np.divmod(np.flatnonzero(chosen), chosen.shape[1])


def worst_of(scores: Floats, top_k: int) -> Floats:
    """Return the lowest score that still counts for each query, (queries, 1): -inf while there are too few."""
    return scores[:, -1:] if scores.shape[1] == top_k else np.full((len(scores), 1), -np.inf, np.float32)


def with_pairs(
    scores: Floats, rows: Rows, pairs: tuple[Rows, Rows, Floats], start: int, top_k: int
) -> tuple[Floats, Rows]:
    """Return the best of what was found so far and of some pairs of a query and a row.

    Args:
        scores: (queries, ≤ top_k), highest first.
        rows: of these scores.
        pairs: numbers of queries in rising order, numbers of rows from `start` on, and scores.
        start: see `pairs`.
        top_k: the most for each query.
    """
    query, row, values = pairs
    counts = np.bincount(query, minlength=len(scores))
    width = int(counts.max(initial=0))
    if not width:
        return scores, rows
    place = np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
    more = np.full((len(scores), width), -np.inf, np.float32)
    theirs = np.full((len(scores), width), -1, np.intp)
    more[query, place], theirs[query, place] = values, row + start
    return best(np.concatenate([scores, more], axis=1), np.concatenate([rows, theirs], axis=1), top_k)


def best(scores: Floats, rows: Rows, top_k: int) -> tuple[Floats, Rows]:
    """Return the highest scores of each query and their rows, highest first, at equal scores by row."""
    if top_k < scores.shape[1]:
        part = np.argpartition(scores, scores.shape[1] - top_k, axis=1)[:, -top_k:]
        scores, rows = np.take_along_axis(scores, part, 1), np.take_along_axis(rows, part, 1)
    order = np.lexsort((rows, -scores), axis=1)
    return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
