"""Which of two references on the same ground is in a picture? Pure.

A small mark on a known picture is invisible to the grid of weigh.py: with and without the mark, both references have
the same score. So only the corners that one of the two has and the other lacks are looked for in the picture.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedding.local.keypoints import Keypoints
from matcher.check.align import Floats
from matcher.evidence import Corners

# Two corners are the same if they are this near, in units of the picture's longest side, and differ in this many bits.
_NEAR, _ALIKE = 0.02, 64
# A smaller lead decides nothing. With marks of 10, 18 and 36 pixels across on photographs of 1,024, and 9 edits each,
# what is in the picture leads by 1.5 in 90 % of the cases, and the other by as much in 1 of 100.
_LEAST = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A reference's corners that lie in a picture.

    Attributes:
        points: float32 (n, 2), in the picture.
        descriptors: uint8 (n, 32).
        found: (n,) whether the picture has the same corner there.
        region: float32 (4, 2), the reference's own four corners in the picture.
    """

    points: Floats
    descriptors: NDArray[np.uint8]
    found: NDArray[np.bool_]
    region: Floats

    def within(self, region: Floats) -> "Shown":
        """Only the corners in a region of the picture."""
        right, down = region[1] - region[0], region[3] - region[0]
        parts = (self.points - region[0]) @ np.linalg.inv(np.stack([right, down]))
        inside = ((parts >= 0) & (parts < 1)).all(1)
        return Shown(self.points[inside], self.descriptors[inside], self.found[inside], self.region)


def shown(picture: Keypoints, reference: Keypoints, region: Corners) -> Shown:
    """The reference's corners in the picture, if it lies in this region: fractions of width and height."""
    corners = np.array([(x * picture.width, y * picture.height) for x, y in region], np.float32)
    right, down = (corners[1] - corners[0]) / reference.width, (corners[3] - corners[0]) / reference.height
    points = (corners[0] + reference.points @ np.stack([right, down])).astype(np.float32)
    inside = ((points >= 0) & (points < (picture.width, picture.height))).all(1)
    points, descriptors = points[inside], reference.descriptors[inside]
    return Shown(points, descriptors, among(points, descriptors, picture.points, picture.descriptors), corners)


def lead(first: Shown, second: Shown) -> float:
    """How much more of what only the first reference has is in the picture than of what only the second one has there.

    In corners: above 0 speaks for the first, below 0 for the second, 0 for neither. Only the first one's region counts:
    a small picture on a larger one is there although most of the larger one is there too.

    Of each reference some corners are missing after recompression, for example; the share found of the better one is
    the usual one. A corner that only one reference has counts for it by how much more often it is found than half of
    that, and against it by how much less.
    """
    second = second.within(first.region)
    usual = max(_share(first.found), _share(second.found))
    ours = first.found[~among(first.points, first.descriptors, second.points, second.descriptors)]
    theirs = second.found[~among(second.points, second.descriptors, first.points, first.descriptors)]
    difference = _surplus(ours, usual) - _surplus(theirs, usual)
    return difference if abs(difference) >= _LEAST else 0.0


def _share(found: NDArray[np.bool_]) -> float:
    return float(found.mean()) if len(found) else 0.0


def _surplus(found: NDArray[np.bool_], usual: float) -> float:
    return float(found.sum()) - len(found) * usual / 2


def among(
    points: Floats, descriptors: NDArray[np.uint8], others: Floats, their_descriptors: NDArray[np.uint8]
) -> NDArray[np.bool_]:
    """Which corners are the same as one of the others."""
    off_x, off_y = points[:, :1] - others[:, 0], points[:, 1:] - others[:, 1]
    row, other = np.nonzero(off_x * off_x + off_y * off_y < _NEAR * _NEAR)
    apart = descriptors.view(np.uint64)[row] ^ their_descriptors.view(np.uint64)[other]
    same = np.zeros(len(points), np.bool_)
    same[row[np.bitwise_count(apart).sum(1) <= _ALIKE]] = True
    return same
