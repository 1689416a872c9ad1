"""Local features of a picture: where its corners are and how they look.

Corners are the peaks of Harris' measure (Harris and Stephens, 1988) on ten sizes of the picture, each 1.2 times smaller
than the one before. Each has a direction, towards its patch's centre of brightness. OpenCV's ORB (Rublee et al.,
ICCV 2011) describes it by 256 comparisons of brightness relative to that direction, so that turning the picture changes
little.

ORB's own detector is not used: it keeps the strongest corners of the whole picture, and a caption has them all. Here
a corner must be the strongest within some pixels, and the 8 x 8 cells of the picture take turns, best corner first. On
50 photographs with 7 hard edits each, 94 % of the copies then pass the geometric check, against 75 % with ORB's
detector, in the same time.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from embedding.picture import Pixels

cv2.setNumThreads(1)  # the workers run in parallel; OpenCV's own threads would compete with them for cores

DESCRIPTOR_BYTES = 32

SIDE = 400  # pixels of the longest side of the largest level
# A picture may be decoded to a smaller size with this longest side. The average over its pixels that the working copy
# is made by still removes what is too fine for it: from SIDE pixels, edits scored 0.002 lower.
DECODED_SIDE = 2 * SIDE
LEVELS, FACTOR = 10, 1.2
CELLS = 8  # per side
# How many keypoints are kept of which levels: without quotas the fine levels would take all, but a blurred, shrunk or
# strongly enlarged copy has only the coarse ones.
QUOTAS = ((range(3), 200), (range(3, 6), 150), (range(6, LEVELS), 100))
MAX_KEYPOINTS = sum(kept for _, kept in QUOTAS)
MIN_KEYPOINTS = 12  # with fewer a picture cannot be compared: a caption of one short word has as many

# The negative is looked for by these levels only: 100 corners of 400. On 48 negatives, its vector was nearest to the
# right one of 740 references each time.
NEGATIVE_FROM = 5

PATCH = 31  # pixels across, on the corner's level
_RADIUS = PATCH // 2
_RIM = _RADIUS + 1  # corners this close to the edge of a level have no whole patch
_HARRIS_BLOCK, _HARRIS_K = 7, 0.04  # the same as ORB's
# Harris' measure of a sharp corner with a contrast of 7 grey levels; noise with a deviation of 2 has less (1e-8).
_FAINTEST = 2e-8
_APART_FINE, _APART_COARSE = 9, 7  # side of the square in which a corner must be the strongest, in pixels


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """The local features of one picture, n of them.

    Attributes:
        points: float32 (n, 2), x and y in units of the picture's longest side, from the upper left corner.
        descriptors: uint8 (n, 32), 256 bits each.
        angles: float32 (n,), direction of the corner in degrees, 0 to 360, from x towards y.
        scales: float32 (n,), diameter of the described patch in units of the longest side.
        width: of the picture in units of the longest side, so 1 or less.
        height: of the picture, in the same units.
        strong: bool (n,), whether a corner is in the sharper half of those with about its size. None: it is not known,
            because it is not stored.
    """

    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    angles: NDArray[np.float32]
    scales: NDArray[np.float32]
    width: float
    height: float
    strong: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.points)

    @property
    def bytes(self) -> int:
        """Size of its arrays."""
        return self.points.nbytes + self.descriptors.nbytes + self.angles.nbytes + self.scales.nbytes


_Peaks = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class _Pyramid:
    """The sizes of the picture that are large enough for a patch, largest first; always at least the picture itself.

    Attributes:
        sheet: all of them side by side, so that code for each pixel or corner runs on one array and not on many.
        levels: NumPy views of the sheet, one per size.
        lefts: (levels,) the column of the sheet where each begins.
    """

    sheet: NDArray[np.uint8]
    levels: list[NDArray[np.uint8]]
    lefts: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
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
    """The keypoints of a picture (height, width, 3) uint8 RGB: at most MAX_KEYPOINTS, none where there are no corners.

    The same pixels give the same keypoints. The time is bounded by the size of the picture alone.
    """
    return Detected(working_copy(pixels)).keypoints


class Detected:
    """The corners of a working copy, described as they are, and as its negative shows them.

    Attributes:
        grey: the working copy, (height, width) uint8.
        keypoints: of the picture.
        negative: the coarse ones of its negative. Corners are in the same places, their directions are reversed, and so
            is each comparison of brightness.
    """

    def __init__(self, grey: NDArray[np.uint8]) -> None:
        self.grey = grey
        pyramid = _pyramid(grey)
        corners = _spread(_corners(pyramid), *grey.shape)
        angles = _directions(pyramid, corners)
        coarse = np.flatnonzero(corners.levels >= NEGATIVE_FROM)
        # All together, by level: most of the time is taken by what ORB prepares for each picture.
        order = np.argsort(np.concatenate([corners.levels, corners.levels[coarse]]), kind="stable")
        rows = np.concatenate([np.arange(len(angles)), coarse])[order]
        turned = order >= len(angles)
        angles = np.where(turned, (angles[rows] + 180) % 360, angles[rows])
        descriptors = _described(grey, corners[rows], angles)
        self.keypoints = self._keypoints(corners[rows[~turned]], angles[~turned], descriptors[~turned])
        self.negative = self._keypoints(corners[rows[turned]], angles[turned], ~descriptors[turned])

    def _keypoints(self, corners: _Corners, angles: NDArray[np.float32], descriptors: NDArray[np.uint8]) -> Keypoints:
        height, width = self.grey.shape
        longest = max(height, width)
        return Keypoints(
            points=(corners.points / longest).astype(np.float32),
            descriptors=np.ascontiguousarray(descriptors),
            angles=angles,
            scales=(PATCH * FACTOR**corners.levels / longest).astype(np.float32),
            width=width / longest,
            height=height / longest,
            strong=_strong(corners),
        )


def working_copy(pixels: Pixels) -> NDArray[np.uint8]:
    """Grey, with a longest side of SIDE pixels; smaller pictures are enlarged, so that their corners look the same.

    The picture may be grey already: (height, width).
    """
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)  # noqa: PLR2004 (height and width)
    factor = SIDE / max(grey.shape)
    size = max(1, round(grey.shape[1] * factor)), max(1, round(grey.shape[0] * factor))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    return np.asarray(small, np.uint8)


def _pyramid(grey: NDArray[np.uint8]) -> _Pyramid:
    height, width = grey.shape
    sizes = [(round(height / FACTOR**level), round(width / FACTOR**level)) for level in range(LEVELS)]
    sizes = sizes[:1] + [size for size in sizes[1:] if min(size) > 2 * _RIM]
    rights = np.cumsum([width for _, width in sizes])
    lefts = rights - [width for _, width in sizes]
    sheet = np.zeros((height, rights[-1]), np.uint8)
    levels = [sheet[:height, left : left + width] for (height, width), left in zip(sizes, lefts, strict=True)]
    levels[0][:] = grey
    for larger, smaller in pairwise(levels):
        cv2.resize(larger, smaller.shape[::-1], dst=smaller, interpolation=cv2.INTER_LINEAR_EXACT)
    return _Pyramid(sheet, levels, lefts)


def _corners(pyramid: _Pyramid) -> _Corners:
    """All corners of all levels, by level."""
    fine, lefts = LEVELS // 2, pyramid.lefts
    found = [_peaks(grey, left, _APART_FINE) for grey, left in zip(pyramid.levels[:fine], lefts[:fine], strict=True)]
    if len(lefts) > fine:  # the coarse levels are small, so they are searched together
        coarse = pyramid.sheet[: len(pyramid.levels[fine]), lefts[fine] :]
        found.append(_peaks(coarse, lefts[fine], _APART_COARSE))
    columns, rows, strengths = (np.concatenate(one) for one in zip(*found, strict=True))
    levels = np.searchsorted(lefts, columns, "right") - 1
    corners = _Corners(np.stack([columns - lefts[levels], rows], 1), levels, strengths)
    ends = np.array([grey.shape[::-1] for grey in pyramid.levels])[levels] - _RIM
    usable = np.flatnonzero(((corners.places >= _RIM) & (corners.places < ends)).all(1))
    return corners[usable[np.argsort(levels[usable], kind="stable")]]


def _peaks(grey: NDArray[np.uint8], left: int, apart: int) -> _Peaks:
    """Columns plus `left`, rows and strengths (n,) of corners that are the strongest within `apart` pixels.

    Not all corners in the rim are found; do not use those.
    """
    # Room for the pixels that the first usable corner is compared with, and for their own Harris blocks.
    margin = _RIM - apart // 2 - _HARRIS_BLOCK // 2 - 1
    inner = grey[margin:-margin, margin:-margin]
    if not inner.size:
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.float32)
    measure = np.asarray(cv2.cornerHarris(inner, _HARRIS_BLOCK, 3, _HARRIS_K), np.float32)
    places = np.flatnonzero(measure == cv2.dilate(measure, np.ones((apart, apart), np.uint8)))
    strengths = measure.ravel()[places]
    sharp = strengths > _FAINTEST
    rows, columns = np.divmod(places[sharp], measure.shape[1])
    return columns + (left + margin), rows + margin, strengths[sharp]


def _spread(corners: _Corners, height: int, width: int) -> _Corners:
    """The corners to keep, by level: in each band of levels the strongest of each cell, then the second, and so on."""
    cells = np.minimum(corners.points * (CELLS / width, CELLS / height), CELLS - 1).astype(np.intp)
    bands = np.searchsorted([band.stop for band, _ in QUOTAS], corners.levels, "right")
    cell = (bands * CELLS + cells[:, 1]) * CELLS + cells[:, 0]
    order = np.lexsort((-corners.strengths, cell))
    rank = np.arange(len(order)) - np.searchsorted(cell[order], cell[order])
    order = order[np.lexsort((-corners.strengths[order], rank, bands[order]))]
    starts = np.searchsorted(bands[order], range(len(QUOTAS) + 1))
    kept = [order[start:end][:most] for (start, end), (_, most) in zip(pairwise(starts), QUOTAS, strict=True)]
    rows = np.concatenate(kept)
    return corners[rows[np.argsort(corners.levels[rows], kind="stable")]]


def _strong(corners: _Corners) -> NDArray[np.bool_]:
    """Which corners are in the stronger half of their band of levels, (n,)."""
    bands = np.searchsorted([band.stop for band, _ in QUOTAS], corners.levels, "right")
    order = np.lexsort((-corners.strengths, bands))
    counts = np.bincount(bands, minlength=len(QUOTAS))
    rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    strong = np.empty(len(order), np.bool_)
    strong[order] = 2 * rank < np.repeat(counts, counts)
    return strong


def _directions(pyramid: _Pyramid, corners: _Corners) -> NDArray[np.float32]:
    """Degrees (n,): direction from each corner to its patch's centre of brightness, as ORB computes it."""
    if not len(corners.levels):  # the sheet may also be smaller than a patch
        return np.zeros(0, np.float32)
    columns, rows = (corners.places - _RADIUS).T
    windows = np.lib.stride_tricks.sliding_window_view(pyramid.sheet, (PATCH, PATCH))
    patches = windows[rows, columns + pyramid.lefts[corners.levels]]
    moments = patches.reshape(len(patches), -1).astype(np.float32) @ _disc()
    return np.asarray(np.degrees(np.arctan2(moments[:, 1], moments[:, 0])) % 360, np.float32)


@cache
def _disc() -> NDArray[np.float32]:
    """(PATCH², 2): x and y of each pixel of a patch within the disc, from its centre; zero outside."""
    y, x = np.mgrid[-_RADIUS : _RADIUS + 1, -_RADIUS : _RADIUS + 1]
    disc = x * x + y * y <= _RADIUS * (_RADIUS + 1)
    return np.stack([(x * disc).ravel(), (y * disc).ravel()], 1).astype(np.float32)


def _described(grey: NDArray[np.uint8], corners: _Corners, angles: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Descriptors (n, 32) of the corners, which must be sorted by level: otherwise ORB would reorder them."""
    points = corners.points
    if not len(points):
        return np.zeros((0, DESCRIPTOR_BYTES), np.uint8)
    sizes = PATCH * FACTOR**corners.levels
    each = (*points.T, sizes, angles, np.ones(len(points)), corners.levels)
    given = list(map(cv2.KeyPoint, *(values.tolist() for values in each)))
    # Created for each picture (10 µs): OpenCV does not document that threads may share one.
    describer = cv2.ORB.create(nlevels=LEVELS, scaleFactor=FACTOR, edgeThreshold=_RIM)
    kept, descriptors = describer.compute(grey, given)
    if len(kept) != len(given):
        raise AssertionError(f"ORB described {len(kept)} of {len(given)} corners")
    return np.asarray(descriptors, np.uint8)
