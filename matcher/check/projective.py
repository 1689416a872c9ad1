"""Projective maps from a reference to a picture: fit, bounds, and where points lie. Pure.

A screen or a print that is photographed from the side is not an affine image of itself: parallel edges meet.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Matrix = NDArray[np.float64]  # (3, 3): (x, y, 1) of the reference to multiples of (x, y, 1) of the picture

FAR = 1e6  # where points on or beyond the horizon are put
_TINY = 1e-6
# The farthest part of the reference may be this many times smaller than the nearest. A screen that is photographed
# from 45 degrees at a distance of its own width has 2.1; with side edges of half the other's length it has 2.
_FORESHORTENED = 4.0
# Weight of a ridge on the two coefficients of perspective: without need for them the map is affine.
_RIDGE = 2e-3


@dataclass(frozen=True, slots=True, eq=False)
class Projective:
    """A map of points of the reference to points of the picture; both in units of their longest sides."""

    matrix: Matrix

    def forth(self, points: Floats) -> Floats:
        """Points (n, 2) of the reference, mapped to the picture; those beyond the horizon are far outside."""
        return _mapped(self.matrix, points)

    def back(self, points: Floats) -> Floats:
        """Points (n, 2) of the picture, mapped to the reference; those beyond the horizon are far outside."""
        return _mapped(np.asarray(np.linalg.inv(self.matrix), np.float64), points)

    def zoom(self, points: Floats) -> Floats:
        """How much larger the picture shows the reference at its points (n, 2): (n,), a ratio of lengths."""
        depth = _depth(self.matrix, points)
        determinant = max(float(np.linalg.det(self.matrix)), 0.0)
        return np.sqrt(determinant / np.maximum(depth, _TINY) ** 3).astype(np.float32)


def affine(linear: Floats, shift: Floats) -> Projective:
    """The map p = r @ linear + shift."""
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = linear.T, shift
    return Projective(matrix)


def through(there: Floats, here: Floats) -> Projective:
    """The map of four points `here` (4, 2), no three on a line, to `there`."""
    return Projective(np.asarray(cv2.getPerspectiveTransform(here.astype(np.float32), there.astype(np.float32))))


def fitted(there: Floats, here: Floats) -> Projective | None:
    """The map of points `here` (n, 2), n ≥ 4, to `there` by least squares; None if they determine none.

    Solved for the eight coefficients in coordinates around the points' centres (Hartley, 1997).
    """
    to, from_ = _centred(there), _centred(here)
    if to is None or from_ is None:
        return None
    (x, y), (u, v) = (there @ to[:2, :2] + to[:2, 2]).T, (here @ from_[:2, :2] + from_[:2, 2]).T
    zero, one = np.zeros_like(u), np.ones_like(u)
    rows = np.concatenate(
        [
            np.stack([u, v, one, zero, zero, zero, -x * u, -x * v], 1),
            np.stack([zero, zero, zero, u, v, one, -y * u, -y * v], 1),
        ]
    )
    normal = rows.T @ rows
    normal[6, 6] += _RIDGE * len(rows)
    normal[7, 7] += _RIDGE * len(rows)
    try:
        solved = np.linalg.solve(normal, rows.T @ np.concatenate([x, y]))
    except np.linalg.LinAlgError:
        return None
    matrix = np.linalg.inv(to) @ np.append(solved, 1.0).reshape(3, 3) @ from_
    return Projective(matrix / matrix[2, 2]) if abs(matrix[2, 2]) > _TINY else None


def plausible(found: Projective, frame: Floats) -> bool:
    """Whether the whole reference with these corners (4, 2) lies before the horizon, with bounded foreshortening."""
    depth = _depth(found.matrix, frame)
    return bool(depth.min() > 0 and depth.max() <= _FORESHORTENED * depth.min())


def _mapped(matrix: Matrix, points: Floats) -> Floats:
    mapped = points @ matrix[:2, :2].T + matrix[:2, 2]
    depth = _depth(matrix, points)[:, None]
    return np.where(depth > _TINY, mapped / np.maximum(depth, _TINY), FAR).clip(-FAR, FAR).astype(np.float32)


def _depth(matrix: Matrix, points: Floats) -> NDArray[np.float64]:
    return np.asarray(points @ matrix[2, :2] + matrix[2, 2])


def _centred(points: Floats) -> Matrix | None:
    """The map that moves the points' mean to 0 and their mean distance from it to 1; None if they are one point."""
    mean = points.mean(0, dtype=np.float64)
    spread = float(np.hypot(*(points - mean).T).mean())
    if spread < _TINY:
        return None
    return np.array([[1 / spread, 0, -mean[0] / spread], [0, 1 / spread, -mean[1] / spread], [0, 0, 1]])
