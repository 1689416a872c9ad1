"""The evidence for a copy, and against it, by cells of the part that both pictures show. Pure.

A corner that agrees speaks for a copy. But two memes with the same caption, or two screenshots of one app, agree in
dozens of corners too. They differ from copies in the rest of what both show: there both have corners, and none agree.
So that part is divided into 8 x 8 cells, in both pictures, and of the cells with corners of both, the share with
agreeing corners is computed.

A copy that is blurred, noisy or photographed from a screen has a low share as well, but its agreeing cells are spread
evenly, and those of a frame or caption are not. How uneven they are is measured by the rectangle that sets them apart
best: the spatial scan statistic of Kulldorff (1997).
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embedding.local.keypoints import Keypoints
from matcher.check.projective import Floats

Way = Callable[[Floats], Floats]  # maps points (n, 2) from one picture to the other
Truths = NDArray[np.bool_]
Sums = NDArray[np.float64]

_CELLS = 8  # per side of the part that both show
_SMALLEST = (
    0.05  # side of a cell, in units of the picture's longest side: corners of one place must not fill many cells
)
_CHANCE = 4  # agreeing cells that count for nothing: the best alignments of unrelated photographs have 5 or 6
# Below the first value, the agreeing cells are evenly spread; above the second they are not: shared captions
# have 9 to 25. Between them it is a matter of degree.
_EVEN, _UNEVEN = 5.0, 9.0
# Exponents of the share if the agreeing cells are evenly spread, and if they are not.
_LENIENT, _STRICT = 0.2, 1.25
# The share of a picture's own cells that must agree for more than a review, if they are not spread evenly. A caption on
# a plain ground has 0.17 to 0.37 of a meme's cells, because nothing else is there to contradict it.
_ANSWERED, _UNANSWERED_EVIDENCE = 0.4, 4.7


class Cells(NamedTuple):
    """The cells of one of the two pictures in the part that both show: bool (8, 8) each.

    Attributes:
        own: with its own corners.
        both: with corners of both pictures.
        agreeing: with corners of both, and some agree.
        distinctive: of these, those in which one that agrees is distinctive.
    """

    own: Truths
    both: Truths
    agreeing: Truths
    distinctive: Truths

    @property
    def share(self) -> float:
        """Share of the cells with corners of both pictures that agree, 0 to 1."""
        return float(self.agreeing.sum() / max(self.both.sum(), 1))

    @property
    def answered(self) -> float:
        """Share of the cells with its own corners that agree, 0 to 1."""
        return float(self.agreeing.sum() / max(self.own.sum(), 1))

    @property
    def evidence(self) -> float:
        """0 to 60: the distinctive cells beyond chance, times what the other cells leave of them."""
        even = 1.0 - min(max((_unevenness(self.own, self.agreeing) - _EVEN) / (_UNEVEN - _EVEN), 0.0), 1.0)
        cells = max(0.0, float(self.distinctive.sum()) - _CHANCE)
        found = cells * float(self.share ** (even * _LENIENT + (1 - even) * _STRICT))
        if self.answered >= _ANSWERED:
            return found
        return min(found, _UNANSWERED_EVIDENCE + even * _CELLS * _CELLS)


class Side(NamedTuple):
    """One of the two pictures, as it lies in the other.

    Attributes:
        own, other: the picture, and the other one.
        to_other, to_own: map points of the picture to the other one, and back.
        agreeing: rows (m,) of its corners that agree.
    """

    own: Keypoints
    other: Keypoints
    to_other: Way
    to_own: Way
    agreeing: NDArray[np.intp]


def cells(side: Side, distinctive: Truths) -> Cells:
    """The cells of one of the two pictures; `distinctive`: (m,) which of the agreeing corners are."""
    own, other = side.own, side.other
    theirs = side.to_own(other.points)
    edge = side.to_own(corners(other)).clip(0, np.array([own.width, own.height], np.float32))
    first, last = edge.min(0), edge.max(0)
    size = np.maximum((last - first) / _CELLS, _SMALLEST)
    matched = own.points[side.agreeing]
    occupied, theirs_there, agree, distinct = (
        _occupied(points, first, size)
        for points in (
            own.points[inside(side.to_other(own.points), other)],
            theirs[inside(theirs, own)],
            matched,
            matched[distinctive],
        )
    )
    both = occupied & theirs_there
    return Cells(occupied, both, both & agree, both & distinct)


def corners(of: Keypoints) -> Floats:
    """The picture's four corners, upper left first, clockwise."""
    return np.array([(0, 0), (of.width, 0), (of.width, of.height), (0, of.height)], np.float32)


def inside(points: Floats, frame: Keypoints) -> Truths:
    """Which of the points (n, 2) lie in the picture."""
    return np.asarray(((points >= 0) & (points < (frame.width, frame.height))).all(1))


@cache
def spans(cells: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """All spans in a row of cells: from the first to before the last, (n,) each."""
    first, last = np.triu_indices(cells + 1, 1)
    return first, last


def rectangles(cells: Truths | Sums) -> Sums:
    """The sums of all rectangles of (n, n) cells: a row for each span of rows, a column for each span of columns."""
    first, last = spans(len(cells))
    total = np.zeros((len(cells) + 1, len(cells) + 1))
    total[1:, 1:] = cells.cumsum(0).cumsum(1)
    bands = total[last] - total[first]
    return np.asarray(bands[:, last] - bands[:, first])


def _occupied(points: Floats, first: Floats, size: Floats) -> Truths:
    """Which cells of the grid with its upper left corner at `first` hold one of the points."""
    places = ((points - first) / size).astype(np.intp).clip(0, _CELLS - 1)
    return np.bincount(places[:, 1] * _CELLS + places[:, 0], minlength=_CELLS**2).reshape(_CELLS, _CELLS) > 0


def _unevenness(there: Truths, agreeing: Truths) -> float:
    """How much better two rates of agreement explain the cells than one: within a rectangle a lower one than outside.

    The logarithm of the ratio of likelihoods, of the rectangle where it is highest.
    """
    number, found = rectangles(there), rectangles(agreeing)
    outside, found_outside = number.max() - number, found.max() - found
    gain = _likelihood(found, number) + _likelihood(found_outside, outside) - _likelihood(found.max(), number.max())
    return float(gain[found * outside < found_outside * number].max(initial=0.0))


def _likelihood(found: Sums, of: Sums) -> Sums:
    """Logarithm of the likelihood of so many agreeing cells, at the rate that suits them best."""
    rate = found / np.maximum(of, 1)
    return np.asarray(found * np.log(np.maximum(rate, 1e-9)) + (of - found) * np.log(np.maximum(1 - rate, 1e-9)))
