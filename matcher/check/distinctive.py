"""Which agreeing corners are distinctive: not letters or shapes that recur in the pictures. Pure."""

import numpy as np
from numpy.typing import NDArray

from embedding.local.keypoints import Keypoints
from matcher.check.pairs import where
from matcher.check.projective import Floats

# Two corners are alike if they differ in this many of 256 bits at most: equal letters in other words mostly do, corners
# at different places of a photograph seldom.
_ALIKE = 36
_ELSEWHERE = 0.05  # of the longest side: nearer corners may be the same one on another level


def distinctive(picture: Keypoints, reference: Keypoints, pairs: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which of the pairs (m, 2) of corners have nothing alike elsewhere in the other picture: (m,)."""
    there, here = pairs.T
    return ~(
        recurs(picture.descriptors[there], reference, reference.points[here])
        | recurs(reference.descriptors[here], picture, picture.points[there])
    )


def recurs(descriptors: NDArray[np.uint8], other: Keypoints, but_at: Floats | None = None) -> NDArray[np.bool_]:
    """Which corners (m,) have one alike in the other picture, apart from the places `but_at` (m, 2)."""
    ours, theirs = descriptors.view(np.uint64), other.descriptors.view(np.uint64)
    # Two of the four words first: few pairs differ as little in these alone.
    half = np.bitwise_count(ours[:, :1] ^ theirs[:, 0])
    half += np.bitwise_count(ours[:, 1:2] ^ theirs[:, 1])
    row, column = where(half <= _ALIKE)
    alike = np.bitwise_count(ours[row] ^ theirs[column]).sum(1, np.uint16) <= _ALIKE
    row, column = row[alike], column[alike]
    if but_at is not None:
        off = other.points[column] - but_at[row]
        row = row[(off * off).sum(1) > _ELSEWHERE**2]
    found = np.zeros(len(descriptors), np.bool_)
    found[row] = True
    return found
