"""Pictures in a picture: rectangles with straight, sharp edges that hold something like a photograph. Pure.

Screenshots, collages and reposts show a picture in a part of another one. There it has few corners, so it is looked at
by itself. Two ways find where it may be:

    cuts         lines from edge to edge divide the picture, and then its parts: the recursive X-Y cut of document
                 analysis (Nagy and Seth, 1984); for collages, captions, and screenshots of feeds
    rectangles   four edges, none of which is the picture's whole side; for a picture that lies on another one

An edge is a place where two neighbouring pixels differ by much more than those on one side of them do, along most of a
straight line. Where one colour fills a large part there is text or a drawing, and no photograph.
"""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from embedding.picture import Box

Grey = NDArray[np.uint8]
Sums = NDArray[np.int32]
Floats = NDArray[np.float32]
Place = tuple[int, int, int, int]  # left, top, right, bottom, in pixels

MOST = 9  # insets: those of a collage of 3 x 3
_RECTANGLES = 2  # besides the parts that cuts leave

_STEEPEST = 24  # grey levels: steeper edges count the same, and the missing of one at most as much against
_LEAST_SIDE, _LEAST_AREA, _MOST_AREA = 0.12, 0.025, 0.75  # of the picture
_SAME = 0.5  # two places that overlap by more are one
_ONE_COLOUR = 0.45  # share of the pixels within 8 grey levels: photographs with half of a sky have less

_CUT = 20.0  # mean steepness of a line from edge to edge; 97 % of photographs have no such lines in both directions
_DEPTH = 6  # cuts, one after the other

_LINE, _LINES = 0.12, 14  # length of a line that is searched for, of the side; number of the best of them
_FAINTEST = 4.0  # its least mean steepness
_USUAL = 12.0  # mean steepness of an edge that says nothing: photographs have lines of which some parts reach it
_AT_BORDER = 0.75  # an edge that is the picture's own counts so much of the mean of the others
_EVIDENCE = 8.0  # sum over the edges of length and steepness beyond the usual; one in seven photographs has as much
_DIVIDED = 0.8  # a line across the inside with this share of the edges' steepness divides it: it is two pictures


class _Edges(NamedTuple):
    """Steepness of the vertical and of the horizontal edges, added up along them: (height + 1, width), and turned."""

    down: Sums
    across: Sums


def insets(grey: Grey) -> list[Box]:
    """Where other pictures may lie in a picture (height, width) uint8: at most MOST, the likeliest first.

    The longest side should have about 400 pixels: edges are then one or two pixels wide. The time is bounded by the
    size of the picture alone.
    """
    height, width = grey.shape
    if min(grey.shape) < 2 / _LEAST_SIDE:
        return []
    edges = _Edges(_summed(_steepness(grey)), _summed(_steepness(np.ascontiguousarray(grey.T))))
    found: list[Place] = []
    parts = _parts(edges, (0, 0, width, height), _DEPTH)
    for place in (*(parts if len(parts) > 1 else ()), *_rectangles(grey, edges)):
        if _like_a_photograph(grey, place) and not any(_overlap(place, other) > _SAME for other in found):
            found.append(place)
    return [
        (left / width, top / height, min(1.0, right / width), min(1.0, bottom / height))
        for left, top, right, bottom in found[:MOST]
    ]


def _steepness(grey: Grey) -> NDArray[np.int16]:
    """How much more the pixels left and right of each differ than those beside them on one side do, in grey levels."""
    steps = cv2.absdiff(grey[:, 2:], grey[:, :-2])
    beside = cv2.min(steps[:, :-4], steps[:, 4:])
    steeper = cv2.subtract(steps[:, 2:-2], beside, dtype=cv2.CV_16S)
    found = np.full(grey.shape, -_STEEPEST, np.int16)
    np.clip(steeper, -_STEEPEST, _STEEPEST, out=found[:, 3:-3])
    return found


def _summed(steepness: NDArray[np.int16]) -> Sums:
    sums = np.zeros((steepness.shape[0] + 1, steepness.shape[1]), np.int32)
    np.cumsum(steepness, 0, out=sums[1:])
    return sums


def _parts(edges: _Edges, place: Place, depth: int) -> list[Place]:
    """The parts of a place that lines from edge to edge leave; only itself if there is no such line."""
    left, top, right, bottom = place
    upright = _line(edges.down, (top, bottom), (left, right)) if depth else None
    level = _line(edges.across, (left, right), (top, bottom)) if depth else None
    if upright and (level is None or upright >= level):
        halves = (left, top, upright[1], bottom), (upright[1], top, right, bottom)
    elif level:
        halves = (left, top, right, level[1]), (left, level[1], right, bottom)
    else:
        return [place]
    return [part for half in halves for part in _parts(edges, half, depth - 1)]


def _line(sums: Sums, along: tuple[int, int], between: tuple[int, int]) -> tuple[float, int] | None:
    """The steepest line from edge to edge, and where it is; None if none is steep enough, in each of its quarters."""
    least = int(_LEAST_SIDE * sums.shape[1])
    first, last = between[0] + least, between[1] - least
    if last <= first or along[1] - along[0] < least:
        return None
    ends = np.linspace(*along, 5).astype(np.intp)
    quarters = (sums[ends[1:]] - sums[ends[:-1]])[:, first:last] / np.diff(ends)[:, None]
    means = np.where(quarters.min(0) > _CUT / 2, quarters.mean(0), -np.inf)
    at = int(means.argmax())
    return (float(means[at]), first + at) if means[at] >= _CUT else None


def _rectangles(grey: Grey, edges: _Edges) -> Iterator[Place]:
    """The rectangles with the steepest edges for their length."""
    height, width = grey.shape
    columns, rows = _lines(edges.down), _lines(edges.across)
    left, right = _spans(columns, _LEAST_SIDE * width)
    top, bottom = _spans(rows, _LEAST_SIDE * height)
    if not len(left) or not len(top):
        return
    upright = _means(edges.down, columns, rows[top], rows[bottom])  # (spans of rows, columns)
    level = _means(edges.across, rows, columns[left], columns[right])  # (spans of columns, rows)
    four = np.stack([upright[:, left].T, upright[:, right].T, level[:, top], level[:, bottom]])
    ends = (left == 0)[:, None], (right == len(columns) - 1)[:, None], top == 0, bottom == len(rows) - 1
    at_border = np.stack([np.broadcast_to(end, four.shape[1:]) for end in ends])
    inner = 4 - at_border.sum(0)
    mean = np.where(at_border, 0, four).sum(0) / np.maximum(inner, 1)
    beyond = np.where(at_border, _AT_BORDER * mean, four) - _USUAL
    wide, high = (columns[right] - columns[left])[:, None] / width, (rows[bottom] - rows[top]) / height
    evidence = (beyond[0] + beyond[1]) * high + (beyond[2] + beyond[3]) * wide
    area = wide * high
    fits = (area >= _LEAST_AREA) & (area <= _MOST_AREA) & (inner >= 2) & (np.where(at_border, 1, four).min(0) > 0)  # noqa: PLR2004 (two edges of its own)
    evidence[~fits] = -np.inf
    best = np.argsort(-evidence, axis=None)[: 50 * _RECTANGLES]
    number = 0
    for one, another in zip(*np.unravel_index(best, evidence.shape), strict=True):
        if evidence[one, another] < _EVIDENCE or number == _RECTANGLES:
            return
        across = upright[another, left[one] + 1 : right[one]].max(initial=-np.inf)
        down = level[one, top[another] + 1 : bottom[another]].max(initial=-np.inf)
        if max(across, down) <= _DIVIDED * mean[one, another]:
            number += 1
            yield (
                int(columns[left[one]]),
                int(rows[top[another]]),
                int(columns[right[one]]) + 1,
                int(rows[bottom[another]]) + 1,
            )


def _lines(sums: Sums) -> NDArray[np.intp]:
    """Positions of the lines that are steepest along a part of them, and of the first and the last pixel."""
    along, positions = sums.shape[0] - 1, sums.shape[1]
    length = max(3, round(_LINE * along))
    steepest = (sums[length:] - sums[:-length]).max(0) / length
    found: list[int] = []
    for at in np.argsort(-steepest, kind="stable"):
        if steepest[at] < _FAINTEST or len(found) == _LINES:
            break
        if all(abs(int(at) - other) > 3 for other in found):  # noqa: PLR2004 (pixels: an edge is this wide at most)
            found.append(int(at))
    return np.array([0, *sorted(found), positions - 1])


def _spans(positions: NDArray[np.intp], least: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the first and the last position of all spans that are long enough."""
    first, last = np.triu_indices(len(positions), 1)
    long = positions[last] - positions[first] >= least
    return first[long], last[long]


def _means(sums: Sums, at: NDArray[np.intp], first: NDArray[np.intp], last: NDArray[np.intp]) -> Floats:
    """Mean steepness (spans, lines) of each line at `at` from `first` to `last`, or of the line beside it."""
    near = np.clip(at[:, None] + np.array([-1, 0, 1]), 0, sums.shape[1] - 1)
    return np.asarray((sums[last][:, near] - sums[first][:, near]).max(2) / (last - first)[:, None], np.float32)


def _like_a_photograph(grey: Grey, place: Place) -> bool:
    """Whether the place is large enough, not nearly all of the picture, and not mostly of one colour."""
    left, top, right, bottom = place
    area = (right - left) * (bottom - top) / grey.size
    inside = grey[top + 2 : bottom - 1, left + 2 : right - 1]
    if not _LEAST_AREA <= area <= _MOST_AREA or not inside.size:
        return False
    shares = np.bincount(inside.ravel() >> 2, minlength=64) / inside.size
    return float((shares[1:] + shares[:-1]).max()) <= _ONE_COLOUR


def _overlap(one: Place, other: Place) -> float:
    """The area that two places share, divided by the area of both together."""
    wide = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    high = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = sum((place[2] - place[0]) * (place[3] - place[1]) for place in (one, other))
    return wide * high / (areas - wide * high)
