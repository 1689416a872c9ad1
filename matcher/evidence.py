"""Candidates, and the geometric check's results for them (plain values, standard library only)."""

from dataclasses import dataclass
from typing import NamedTuple

from reference_sets.model import Neighbour

Point = tuple[float, float]
Corners = tuple[Point, Point, Point, Point]


@dataclass(frozen=True, slots=True)
class Evidence:
    """How a reference lies in the image, from `matcher.check.weigh.Alignment`.

    Attributes:
        score: of the check, 0 to 1.
        inliers: pairs of corners that agree.
        share: share of the places with corners of both where they agree, 0 to 1.
        distinctive: share of the inliers that are not a frame that other references have too, 0 to 1.
        coverage: share of the reference that the image shows, 0 to 1.
        region: the reference's corners in the image, upper left first, clockwise, as fractions of width and height.
        mirrored: the image shows the reference's mirror image.
    """

    score: float
    inliers: int
    share: float
    distinctive: float
    coverage: float
    region: Corners
    mirrored: bool


class Candidate(NamedTuple):  # a tuple, because there are as many as neighbours
    """A reference that the search found, and the check's result for it.

    Attributes:
        neighbour: the reference.
        checked: whether it was checked: the set checks, and image and reference have enough keypoints.
        evidence: None if it was not checked, or is not in the image.
    """

    neighbour: Neighbour
    checked: bool = False
    evidence: Evidence | None = None

    @property
    def similarity(self) -> float:
        """Cosine of image and reference."""
        return self.neighbour.score

    @property
    def score(self) -> float:
        """Score of the check; 0 without evidence."""
        return self.evidence.score if self.evidence else 0.0


def flipped(corners: Corners) -> Corners:
    """The same points in the mirror image, in the same order."""
    first, second, third, fourth = ((1 - x, y) for x, y in corners)
    return first, second, third, fourth


def renamed(corners: Corners) -> Corners:
    """A mirror image's corners, in the order of the original picture's corners."""
    upper_left, upper_right, lower_right, lower_left = corners
    return upper_right, upper_left, lower_left, lower_right
