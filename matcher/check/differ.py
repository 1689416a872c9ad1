"""Where a picture differs from a reference that lies in it: places where both have corners and none agree. Pure.

A copy of a form has the same entries, and a copy of a meme has the same words. A stranger's form and a meme with other
words agree with the reference everywhere else, so their scores are as high as a copy's.

Each corner of one picture is found in the other, contradicted (the other has a corner of the same size there that looks
different), or missing. Every edit hides some corners everywhere, fine ones more than coarse ones. So each corner counts
by how much more probable it is in a part that differs than in the rest of its band of sizes. A part of the picture
differs if the corners of both say so.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embedding.local.keypoints import Keypoints
from matcher.check.align import Map
from matcher.check.cells import Sums, Truths, inside, rectangles, spans
from matcher.check.pairs import where
from matcher.check.projective import Floats
from matcher.evidence import Box

_CELLS = 20  # per side of the picture: boxes consist of whole cells
_MOST = 4  # boxes
# A corner is found if the other picture has one within this distance, in units of the longest side, with this number of
# different bits at most. It is contradicted by a corner within this share of its patch and with nearly the same size.
_NEAR, _ALIKE = 0.008, 64
_SAME_PLACE, _SAME_SIZE = 0.09, 1.25
# Share of the corners that are found, and contradicted, in a part that differs. Lettering of one font has many alike.
_FOUND, _CONTRADICTED = 0.1, 0.4
# Share of contradicted corners in the rest: no rarer, however few corners there are; and no more frequent, because few
# edits contradict more (strong colours, stretching and blur reach 0.2 in one of twenty copies of drawn pictures). Where
# half of a form differs, a third of all its corners are contradicted, and would count for little. But where few corners
# are found at all, the map may be inexact, and contradicts by itself.
_RAREST, _COMMONEST, _EXACT = 0.02, 0.2, 0.33
_BANDS = (0.116, 0.2)  # sizes of patches between fine, middle and coarse corners, in units of the longest side
_PRIOR = 10  # a band with this number of corners counts as much as all bands together
# Logarithm of how much more probable the corners must be in a part that differs: docs/copies.md says how many copies
# have such a part.
_LEAST = 12.0

_FIRST, _LAST = spans(_CELLS)


class _Corners(NamedTuple):
    """Corners in the overlap, as they lie in the picture."""

    points: Floats
    descriptors: NDArray[np.uint8]
    scales: Floats


def differing(picture: Keypoints, reference: Keypoints, found: Map) -> tuple[Box, ...]:
    """The parts of the picture that differ, most certain first: left, top, right, bottom as fractions of its sides."""
    theirs, ours = _overlap(picture, reference, found)
    if not len(theirs.points) or not len(ours.points):
        return ()
    here, there = _evidence(theirs, ours, picture), _evidence(ours, theirs, picture)
    return tuple(_boxes(here, there))


def _overlap(picture: Keypoints, reference: Keypoints, found: Map) -> tuple[_Corners, _Corners]:
    """The corners of the reference and of the picture in the overlap, of sizes that both can have."""
    points, zoom = found.forth(reference.points), found.zoom(reference.points)
    shown = inside(points, picture)
    covered = inside(found.back(picture.points), reference)
    theirs = _Corners(points[shown], reference.descriptors[shown], reference.scales[shown] * zoom[shown])
    ours = _Corners(picture.points[covered], picture.descriptors[covered], picture.scales[covered])
    return _of_sizes(theirs, ours), _of_sizes(ours, theirs)


def _of_sizes(corners: _Corners, other: _Corners) -> _Corners:
    """The corners that are neither finer nor coarser than all of the other's."""
    if not len(other.scales):
        return corners
    kept = (corners.scales > other.scales.min() / 1.1) & (corners.scales < other.scales.max() * 1.1)
    return _Corners(*(values[kept] for values in corners))


def _evidence(corners: _Corners, other: _Corners, picture: Keypoints) -> Sums:
    """Per cell of the picture, how much the corners in it say that it differs."""
    found, contradicted = _compared(corners, other)
    weights = np.zeros(len(found))
    bands = np.digitize(corners.scales, _BANDS)
    for band in range(len(_BANDS) + 1):
        own = bands == band
        if own.any():
            weights[own] = _weights(own, found, contradicted)[own]
    cells = (corners.points * (_CELLS / picture.width, _CELLS / picture.height)).astype(np.intp).clip(0, _CELLS - 1)
    flat = np.bincount(cells[:, 1] * _CELLS + cells[:, 0], weights, _CELLS * _CELLS)
    return np.asarray(flat.reshape(_CELLS, _CELLS))


def _compared(corners: _Corners, other: _Corners) -> tuple[Truths, Truths]:
    """Which corners the other picture has too, and which it contradicts."""
    off_x, off_y = (corners.points[:, [axis]] - other.points[:, axis] for axis in (0, 1))
    apart = off_x * off_x + off_y * off_y
    reach = np.maximum(_NEAR, _SAME_PLACE * corners.scales)[:, None]
    row, column = where(apart < reach * reach)
    apart, sizes = apart[row, column], corners.scales[row] / other.scales[column]
    unlike = corners.descriptors.view(np.uint64)[row] ^ other.descriptors.view(np.uint64)[column]
    found, contradicted = np.zeros((2, len(corners.points)), np.bool_)
    found[row[(np.bitwise_count(unlike).sum(1) <= _ALIKE) & (apart < _NEAR * _NEAR)]] = True
    place = _SAME_PLACE * np.minimum(corners.scales[row], other.scales[column])
    contradicted[row[(apart < place * place) & (sizes < _SAME_SIZE) & (sizes > 1 / _SAME_SIZE)]] = True
    return found, contradicted & ~found


def _weights(band: Truths, found: Truths, contradicted: Truths) -> Sums:
    """For each corner the logarithm of how much more probable it is in a part that differs than in the rest."""
    own = int(band.sum()) / (int(band.sum()) + _PRIOR)
    present, against = (own * float(of[band].mean()) + (1 - own) * float(of.mean()) for of in (found, contradicted))
    most = _COMMONEST if found.mean() >= _EXACT else 1.0
    present, against = min(max(present, 0.1), 0.95), min(max(against, _RAREST), most)
    missing = max(1 - present - against, 0.05)
    weights = np.full(len(found), np.log((1 - _FOUND - _CONTRADICTED) / missing))
    weights[contradicted] = np.log(_CONTRADICTED / against)
    weights[found] = np.log(_FOUND / present)
    return weights


def _boxes(here: Sums, there: Sums) -> Iterator[Box]:
    """The rectangles of cells with the most evidence of both pictures, one after the other."""
    for _ in range(_MOST):
        evidence = np.minimum(rectangles(here), rectangles(there))
        row, column = np.unravel_index(int(evidence.argmax()), evidence.shape)
        if evidence[row, column] < _LEAST:
            return
        top, bottom, left, right = (int(each) for each in (_FIRST[row], _LAST[row], _FIRST[column], _LAST[column]))
        yield left / _CELLS, top / _CELLS, right / _CELLS, bottom / _CELLS
        here[top:bottom, left:right] = there[top:bottom, left:right] = 0
