"""The affine map from a reference to a picture, if there is one. Pure, without random numbers.

match     nearest descriptors → pairs of points
guess     a pair has a position, a rotation and a scale, so each one is a hypothesis (Philbin et al., CVPR 2007)
refine    the best hypotheses by least squares over the pairs that agree, with shrinking tolerance
refuse    implausible maps: mirrored, all points on a line, strongly stretched, tiny
"""

from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from embedding.local.keypoints import DESCRIPTOR_BYTES, Keypoints
from matcher.check.projective import Floats, Projective, affine, fitted, plausible

Indices = NDArray[np.intp]

_NEAR, _FAR, _RATIO = 40, 72, 0.85  # bits: a pair is near; or not far, and much nearer than the second best
_LEAST_PAIRS = 4  # three pairs always agree on some affine map
_HYPOTHESES = 64
_REFINED = 3
# Distances in units of the picture's longest side, wide at first, because one corner's rotation and scale are coarse.
_TOLERANCES = (0.06, 0.03, 0.016, 0.016)
_SMALLEST, _LARGEST = 0.12, 8.0  # scale from reference to picture
_STRETCHED = 2.6  # ratio of the map's larger scale to its smaller one
# For a projective map: it starts with what is near the affine one, from at least this many pairs, and must have this
# many times as many places within half of the last tolerance. A slightly tilted picture has most of its places within
# the whole of it under an affine map too, but not its corners.
_TILTED_TOLERANCES, _LEAST_TILTED, _MORE = (0.05, 0.04, 0.03, 0.016), 8, 1.15


@dataclass(frozen=True, slots=True, eq=False)
class Map(Projective):
    """The map from a reference to a picture, and the pairs of corners that agree on it."""

    pairs: Indices  # (m, 2): rows of picture and reference


def align(picture: Keypoints, reference: Keypoints) -> Map | None:
    """The map that most pairs of corners agree on, of at most 450 pairs; None if there is none.

    It is affine unless clearly more pairs agree on a projective one.
    """
    pairs = _pairs(picture, reference)
    if len(pairs) < _LEAST_PAIRS:
        return None
    there, here = picture.points[pairs[:, 0]], reference.points[pairs[:, 1]]
    agreeing = _hypotheses(picture, reference, pairs)
    best: Map | None = None
    most = _LEAST_PAIRS - 1
    for agree in agreeing:
        refined = _refined(there, here, agree)
        if refined is None:
            continue
        linear, shift, kept = refined
        distinct = min(_distinct(there[kept]), _distinct(here[kept]))
        if distinct > most:
            best, most = Map(affine(linear, shift).matrix, pairs[kept]), distinct
    return best and _tilted(best, most, picture, reference, pairs)


def _tilted(best: Map, most: int, picture: Keypoints, reference: Keypoints, pairs: Indices) -> Map:
    """A projective map near the affine one if clearly more places agree on it exactly, and no fewer than `most` do."""
    there, here = picture.points[pairs[:, 0]], reference.points[pairs[:, 1]]
    found: Projective = best
    frame = np.array([(0, 0), (reference.width, 0), (reference.width, reference.height), (0, reference.height)])
    for tolerance in _TILTED_TOLERANCES:
        agree = _agreeing(found, there, here, tolerance)
        if agree.sum() < _LEAST_TILTED:
            return best
        tilted = fitted(there[agree], here[agree])
        if tilted is None or not plausible(tilted, frame):
            return best
        found = tilted
    exactly = [_agreeing(one, there, here, _TOLERANCES[-1] / 2) for one in (best, found)]
    before, after = (min(_distinct(there[which]), _distinct(here[which])) for which in exactly)
    agree = _agreeing(found, there, here, _TOLERANCES[-1])
    if after < _MORE * before + _LEAST_PAIRS or min(_distinct(there[agree]), _distinct(here[agree])) < most:
        return best
    return Map(found.matrix, pairs[agree])


def _agreeing(found: Projective, there: Floats, here: Floats, tolerance: float) -> NDArray[np.bool_]:
    """Which points `here` the map puts near those `there`; where it shrinks the reference, the tolerance shrinks."""
    off = found.forth(here) - there
    return np.asarray((off * off).sum(1) < (tolerance * np.minimum(1.0, 2 * found.zoom(here))) ** 2)


def _pairs(picture: Keypoints, reference: Keypoints) -> Indices:
    """(m, 2): rows of picture and reference with matching descriptors, nearest first."""
    faiss.omp_set_num_threads(1)  # only the calling thread: FAISS's own threads would wait for each other on busy cores
    known = faiss.IndexBinaryFlat(8 * DESCRIPTOR_BYTES)
    known.add(reference.descriptors)
    distance, row = known.search(picture.descriptors, 2)
    best, next_best = distance.T
    # A reference with one corner has no second best: FAISS returns 2^31 - 1, which is far enough.
    sure = (best < _NEAR) | ((best < _FAR) & (best < _RATIO * next_best))
    chosen = np.flatnonzero(sure)
    chosen = chosen[np.argsort(best[chosen], kind="stable")]
    return np.stack([chosen, row[chosen, 0]], 1)


def _hypotheses(picture: Keypoints, reference: Keypoints, pairs: Indices) -> list[NDArray[np.bool_]]:
    """Which pairs agree with the best hypotheses, best first."""
    there, here = picture.points[pairs[:, 0]], reference.points[pairs[:, 1]]
    tried = pairs[:_HYPOTHESES]
    turn = np.deg2rad(picture.angles[tried[:, 0]] - reference.angles[tried[:, 1]])
    scale = picture.scales[tried[:, 0]] / reference.scales[tried[:, 1]]
    cosine, sine = (scale * np.cos(turn))[:, None], (scale * np.sin(turn))[:, None]
    number = len(tried)
    right, down = here[:, 0] - here[:number, :1], here[:, 1] - here[:number, 1:]
    off_x = cosine * right - sine * down + there[:number, :1] - there[:, 0]
    off_y = sine * right + cosine * down + there[:number, 1:] - there[:, 1]
    agree = off_x * off_x + off_y * off_y < _TOLERANCES[0] ** 2
    votes = agree.sum(1)
    best = np.argsort(-votes, kind="stable")[:_REFINED]
    return [agree[index] for index in best if votes[index] >= _LEAST_PAIRS]


def _refined(there: Floats, here: Floats, agree: NDArray[np.bool_]) -> tuple[Floats, Floats, NDArray[np.bool_]] | None:
    """Repeated least squares over the pairs that agree; None if too few do or the map is degenerate."""
    for tolerance in _TOLERANCES:
        fitted = _fitted(there[agree], here[agree])
        if fitted is None:
            return None
        linear, shift, smallest = fitted
        off = here @ linear + shift - there
        # In a strongly reduced reference everything is near, so the tolerance shrinks with it.
        allowed = tolerance * min(1.0, 2 * smallest)
        agree = (off * off).sum(1) < allowed * allowed
        if agree.sum() < _LEAST_PAIRS:
            return None
    return linear, shift, agree


def _fitted(there: Floats, here: Floats) -> tuple[Floats, Floats, float] | None:
    """The affine map by least squares, with its smaller scale; None for points on a line and for implausible maps."""
    mean_there, mean_here = there.mean(0), here.mean(0)
    centred = here - mean_here
    spread = centred.T @ centred
    trace, determinant = spread[0, 0] + spread[1, 1], spread[0, 0] * spread[1, 1] - spread[0, 1] ** 2
    if determinant <= 1e-3 * trace * trace:  # narrower than 1 : 30
        return None
    linear = np.linalg.solve(spread, centred.T @ (there - mean_there))
    area = linear[0, 0] * linear[1, 1] - linear[0, 1] * linear[1, 0]
    if area <= 0:  # mirrored: mirror images are stored or queried separately
        return None
    # Singular values of a 2 x 2 matrix from its squared norm and determinant.
    norm = float((linear * linear).sum())
    root = np.sqrt(max(norm * norm - 4 * area * area, 0.0))
    largest, smallest = np.sqrt((norm + root) / 2), np.sqrt(max((norm - root) / 2, 1e-12))
    if smallest < _SMALLEST or largest > _LARGEST or largest > _STRETCHED * smallest:
        return None
    return linear.astype(np.float32), (mean_there - mean_here @ linear).astype(np.float32), float(smallest)


def _distinct(points: Floats) -> int:
    """Number of different places: points at the same place on several levels count once."""
    places = np.floor(points * 80).astype(np.intp)
    return len(np.unique(places[:, 0] * 1000 + places[:, 1]))
