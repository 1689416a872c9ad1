"""Local features of a picture: where its corners are and what they look like.

Corners are the peaks of Harris' measure (Harris and Stephens, 1988) on ten sizes of the picture, each 1.2 times smaller
than the one before; each has a direction, the way to its patch's centre of brightness; and OpenCV's ORB (Rublee et al.,
ICCV 2011) describes it by 256 comparisons of brightness, read along that direction, so that turning the picture changes
little.

ORB's own detector is not used: it keeps the strongest corners of the whole picture, and a caption takes them all. Here
a corner must be the strongest for some pixels around, and the 8 x 8 cells of the picture are served in turn, best
corner first. On 50 photographs with 7 hard edits each, 94 % of the copies then pass the geometric check, and 75 % with
ORB's detector, in the same time.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from embedding.encoder import Pixels

cv2.setNumThreads(1)  # the workers are the parallelism; OpenCV's own threads would fight with them

DESCRIPTOR_BYTES = 32

SIDE = 400  # pixels of the longest side of the largest size looked at
LEVELS, FACTOR = 10, 1.2
CELLS = 8  # per side
# How many keypoints are kept of which levels: without quotas the fine levels take all, and a blurred, shrunk or
# far enlarged copy has only the coarse ones.
QUOTAS = ((range(3), 200), (range(3, 6), 150), (range(6, LEVELS), 100))
MOST = sum(kept for _, kept in QUOTAS)
MATCHABLE = 12  # keypoints without which nothing can be said: a caption of one short word has as many

PATCH = 31  # pixels across, on the corner's level
_RADIUS = PATCH // 2
_RIM = _RADIUS + 1  # pixels at the rim of a level that hold no whole patch
_HARRIS_BLOCK, _HARRIS_K = 7, 0.04  # ORB's own
# Harris' measure of a sharp corner of 7 of 255 grey levels; noise with a deviation of 2 stays below (1e-8).
_FAINTEST = 2e-8
_APART = {False: 9, True: 7}  # pixels in which a corner must be the strongest, on fine and on coarse levels


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """The local features of one picture, n of them.

    Attributes:
        points: float32 (n, 2), x and y in units of the picture's longest side, from the upper left corner.
        descriptors: uint8 (n, 32), 256 bits each.
        angles: float32 (n,), direction of the corner in degrees, 0 to 360, from x towards y.
        scales: float32 (n,), diameter of the described patch in units of the longest side.
        width: of the picture in units of the longest side, so 1 or less.
        height: likewise.
    """

    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    angles: NDArray[np.float32]
    scales: NDArray[np.float32]
    width: float
    height: float

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True, slots=True)
class _Corners:
    """Corners on their levels: whole pixels (n, 2), level (n,), and strength (n,)."""

    places: NDArray[np.intp]
    levels: NDArray[np.intp]
    strengths: NDArray[np.float32]

    def __getitem__(self, chosen: NDArray[np.intp]) -> "_Corners":
        return _Corners(self.places[chosen], self.levels[chosen], self.strengths[chosen])

    @property
    def points(self) -> NDArray[np.float64]:
        """Positions (n, 2) on level 0."""
        return self.places * (FACTOR**self.levels)[:, None]


def detect(pixels: Pixels) -> Keypoints:
    """The keypoints of a picture (height, width, 3) uint8 RGB: at most MOST, none where there are no corners.

    The same pixels give the same keypoints. The time is bounded by the size of the picture alone.
    """
    levels = _pyramid(_working_copy(pixels))
    height, width = levels[0].shape
    longest = max(height, width)
    corners = _spread(_corners(levels), height, width)
    angles = _directions(levels, corners)
    points = corners.points
    return Keypoints(
        points=(points / longest).astype(np.float32),
        descriptors=_described(levels[0], corners, points, angles),
        angles=angles,
        scales=(PATCH * FACTOR**corners.levels / longest).astype(np.float32),
        width=width / longest,
        height=height / longest,
    )


def _working_copy(pixels: Pixels) -> NDArray[np.uint8]:
    """Grey, the longest side SIDE pixels; smaller pictures are enlarged, so that their corners look as they would."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    factor = SIDE / max(grey.shape)
    size = max(1, round(grey.shape[1] * factor)), max(1, round(grey.shape[0] * factor))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    return np.asarray(small, np.uint8)


def _pyramid(grey: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """The sizes of the picture that have room for a patch, largest first; always at least the picture itself."""
    levels = [grey]
    for level in range(1, LEVELS):
        width, height = (round(side / FACTOR**level) for side in (grey.shape[1], grey.shape[0]))
        if min(width, height) <= 2 * _RIM:
            break
        smaller = cv2.resize(levels[-1], (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
        levels.append(np.asarray(smaller, np.uint8))
    return levels


def _corners(levels: list[NDArray[np.uint8]]) -> _Corners:
    """All corners of all levels, by level."""
    places, numbers, strengths = [], [], []
    for level, grey in enumerate(levels):
        measure = cv2.cornerHarris(grey, _HARRIS_BLOCK, 3, _HARRIS_K)
        apart = _APART[level >= LEVELS // 2]
        peaks = (measure == cv2.dilate(measure, np.ones((apart, apart), np.uint8))) & (measure > _FAINTEST)
        rows, columns = np.nonzero(peaks[_RIM:-_RIM, _RIM:-_RIM])
        places.append(np.stack([columns, rows], 1) + _RIM)
        numbers.append(np.full(len(rows), level))
        strengths.append(measure[_RIM:-_RIM, _RIM:-_RIM][rows, columns])
    return _Corners(np.concatenate(places), np.concatenate(numbers), np.concatenate(strengths))


def _spread(corners: _Corners, height: int, width: int) -> _Corners:
    """Those that are kept, by level: in each band of levels the strongest of each cell, then the second, and so on."""
    cells = np.minimum(corners.points * (CELLS / width, CELLS / height), CELLS - 1).astype(np.intp)
    cell = cells[:, 1] * CELLS + cells[:, 0]
    chosen = []
    for band, kept in QUOTAS:
        inside = np.flatnonzero((corners.levels >= band.start) & (corners.levels < band.stop))
        order = inside[np.lexsort((-corners.strengths[inside], cell[inside]))]
        rank = np.arange(len(order)) - np.searchsorted(cell[order], cell[order])
        chosen.append(order[np.lexsort((-corners.strengths[order], rank))[:kept]])
    rows = np.concatenate(chosen)
    return corners[rows[np.argsort(corners.levels[rows], kind="stable")]]


def _directions(levels: list[NDArray[np.uint8]], corners: _Corners) -> NDArray[np.float32]:
    """Degrees (n,): from each corner to its patch's centre of brightness, as ORB takes it."""
    angles = np.empty(len(corners.levels), np.float32)
    for level, grey in enumerate(levels):
        here = np.flatnonzero(corners.levels == level)
        if not len(here):
            continue
        columns, rows = (corners.places[here] - _RADIUS).T
        patches = np.lib.stride_tricks.sliding_window_view(grey, (PATCH, PATCH))[rows, columns]
        moments = patches.reshape(len(here), -1).astype(np.float32) @ _disc()
        angles[here] = np.degrees(np.arctan2(moments[:, 1], moments[:, 0])) % 360
    return angles


@cache
def _disc() -> NDArray[np.float32]:
    """(PATCH², 2): x and y of each pixel of a patch within the disc, from its centre; zero outside."""
    y, x = np.mgrid[-_RADIUS : _RADIUS + 1, -_RADIUS : _RADIUS + 1]
    disc = x * x + y * y <= _RADIUS * (_RADIUS + 1)
    return np.stack([(x * disc).ravel(), (y * disc).ravel()], 1).astype(np.float32)


def _described(
    grey: NDArray[np.uint8], corners: _Corners, points: NDArray[np.float64], angles: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Descriptors (n, 32) of the corners, which are sorted by level: ORB would sort them."""
    if not len(points):
        return np.zeros((0, DESCRIPTOR_BYTES), np.uint8)
    rows = zip(points.tolist(), angles.tolist(), corners.levels.tolist(), strict=True)
    given = [cv2.KeyPoint(x, y, PATCH * FACTOR**level, angle, 1, level) for (x, y), angle, level in rows]
    # Made anew for each picture (10 µs): OpenCV does not say that one may be shared by threads.
    describer = cv2.ORB.create(nlevels=LEVELS, scaleFactor=FACTOR, edgeThreshold=_RIM)
    kept, descriptors = describer.compute(grey, given)
    if len(kept) != len(given):
        raise AssertionError(f"ORB described {len(kept)} of {len(given)} corners")
    return np.asarray(descriptors, np.uint8)
