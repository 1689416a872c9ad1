"""Which of two references on the same ground is in a picture? Pure.

A small mark on a known picture is invisible to the cells of cells.py: with and without the mark, both references have
the same score. So only the corners that one of the two has and the other lacks are looked for in the picture.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedding.local.keypoints import Keypoints
from matcher.check.cells import corners as frame
from matcher.check.pairs import where
from matcher.check.projective import Floats, through
from matcher.evidence import Box, Corners

# Two corners are the same if they are this near, in units of the picture's longest side, and differ in this many bits.
_NEAR, _ALIKE = 0.02, 64
# A smaller lead decides nothing. With marks of 10, 18 and 36 pixels across on photographs of 1,024, and 9 edits each,
# what is in the picture leads by 1.5 in 90 % of the cases, and the other by as much in 1 of 100.
_LEAST = 1.5
_FEWEST = 4  # corners in a part of the picture that say whether it shows the reference
# For parts of the picture: how far a patch reaches from its corner, of its diameter; and how much finer a corner of a
# reference may be than the picture's finest.
_REACH, _FINER = 0.5, 1.1
_SQUARE = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A reference's corners that lie in a picture.

    Attributes:
        points: float32 (n, 2), in the picture.
        descriptors: uint8 (n, 32).
        sizes: float32 (n,), diameters of the described patches in the picture, in units of its longest side.
        found: (n,) whether the picture has the same corner there.
        region: float32 (4, 2), the reference's own four corners in the picture.
    """

    points: Floats
    descriptors: NDArray[np.uint8]
    sizes: Floats
    found: NDArray[np.bool_]
    region: Floats

    def within(self, region: Floats) -> "Shown":
        """Only the corners in a region of the picture."""
        parts = through(region, _SQUARE).back(self.points)
        return self._only(np.asarray(((parts >= 0) & (parts < 1)).all(1)))

    def of_part(self, box: Box, picture: Keypoints) -> "Shown":
        """Only the corners that show what is in a part of the picture, of sizes that the picture can have.

        Coarse corners of a small part show what surrounds it: they are the same whatever is in it.

        Args:
            box: left, top, right, bottom as fractions of the picture's sides.
            picture: the picture.
        """
        size = np.array([picture.width, picture.height], np.float32)
        first, last = np.array(box[:2], np.float32) * size, np.array(box[2:], np.float32) * size
        reach = self.sizes[:, None] * _REACH
        inside = ((self.points - reach >= first) & (self.points + reach <= last)).all(1)
        return self._only(inside & (self.sizes > picture.scales.min(initial=1.0) / _FINER))

    def _only(self, rows: NDArray[np.bool_]) -> "Shown":
        return Shown(self.points[rows], self.descriptors[rows], self.sizes[rows], self.found[rows], self.region)


def shown(picture: Keypoints, reference: Keypoints, region: Corners) -> Shown:
    """The reference's corners in the picture, if it lies in this region: fractions of width and height."""
    corners = np.array([(x * picture.width, y * picture.height) for x, y in region], np.float32)
    found = through(corners, frame(reference))
    points, sizes = found.forth(reference.points), reference.scales * found.zoom(reference.points)
    inside = ((points >= 0) & (points < (picture.width, picture.height))).all(1)
    points, descriptors, sizes = points[inside], reference.descriptors[inside], sizes[inside]
    return Shown(points, descriptors, sizes, among(points, descriptors, picture.points, picture.descriptors), corners)


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


def explains(one: Shown, part: Shown) -> bool:
    """Whether the corners in a part of the picture are found about as often as all of the reference's corners.

    Where something was put over it, the picture shows nothing of it.
    """
    return len(part.found) >= _FEWEST and _share(part.found) >= _share(one.found) / 2


def _share(found: NDArray[np.bool_]) -> float:
    return float(found.mean()) if len(found) else 0.0


def _surplus(found: NDArray[np.bool_], usual: float) -> float:
    return float(found.sum()) - len(found) * usual / 2


def among(
    points: Floats, descriptors: NDArray[np.uint8], others: Floats, their_descriptors: NDArray[np.uint8]
) -> NDArray[np.bool_]:
    """Which corners are the same as one of the others."""
    off_x, off_y = points[:, :1] - others[:, 0], points[:, 1:] - others[:, 1]
    row, other = where(off_x * off_x + off_y * off_y < _NEAR * _NEAR)
    apart = descriptors.view(np.uint64)[row] ^ their_descriptors.view(np.uint64)[other]
    same = np.zeros(len(points), np.bool_)
    same[row[np.bitwise_count(apart).sum(1) <= _ALIKE]] = True
    return same
