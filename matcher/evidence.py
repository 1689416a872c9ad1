"""Candidates, and the geometric check's results for them (plain values, standard library only)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from reference_sets.model import Cap, Neighbour

Point = tuple[float, float]
Corners = tuple[Point, Point, Point, Point]
Box = tuple[float, float, float, float]

CONTRADICTED = 0.4  # with a smaller share, a reference and the image have only a part in common, or a frame
WHOLE: Corners = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


class Placing(NamedTuple):
    """A reference as it was found: the same one can be in an image both as it is and as its mirror image."""

    set: str
    id: str
    mirrored: bool


NO_LEADS: Mapping[Placing, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Evidence:
    """How a reference lies in the image, from `matcher.check.weigh.Alignment`.

    Attributes:
        score: of the check, 0 to 1.
        inliers: pairs of corners that agree.
        share: share of the places with corners of both where they agree, 0 to 1.
        distinctive: share of the inliers that neither recur nor are a frame that other references have too, 0 to 1.
        coverage: share of the reference that the image shows, 0 to 1.
        region: the reference's corners in the image, upper left first, clockwise, as fractions of width and height.
        mirrored: the image shows the reference's mirror image.
        differs: parts of the image in which both have corners and none agree: left, top, right, bottom as fractions.
    """

    score: float
    inliers: int
    share: float
    distinctive: float
    coverage: float
    region: Corners
    mirrored: bool
    differs: tuple[Box, ...] = ()


class Candidate(NamedTuple):  # a tuple, because there are as many as neighbours
    """A reference that the search found, and the check's result for it.

    Attributes:
        neighbour: the reference.
        checked: whether it was checked: the set checks, and image and reference have enough keypoints.
        evidence: None if it was not checked, or is not in the image.
        content: the image has exactly the reference's bytes. It then counts in all views.
        normalised: the similarity minus the mean of the view's nearest background references; None: not normalised.
        view: number of the view of the image in which it was found.
        leads: by allowed reference on the same ground: above 0 if what only this reference has is in
            the image, below 0 if what only the allowed one has is. 0 or missing: nothing tells them apart.
        leads_in_whole: the same, for the allowed references of which this one may be a part as they lie in the whole
            picture, if the view is a second look at it. Missing: the allowed one does not explain what is there.
    """

    neighbour: Neighbour
    checked: bool = False
    evidence: Evidence | None = None
    content: bool = False
    normalised: float | None = None
    view: int = 0
    leads: Mapping[Placing, float] = NO_LEADS
    leads_in_whole: Mapping[Placing, float] = NO_LEADS

    @property
    def similarity(self) -> float:
        """Cosine of image and reference."""
        return self.neighbour.score

    @property
    def scored(self) -> float:
        """What the set's thresholds of similarity are compared with: the normalised similarity, if there is one."""
        return self.similarity if self.normalised is None else self.normalised

    @property
    def ceiling(self) -> Cap | None:
        """The highest level that the reference can give; None: any."""
        return self.neighbour.facts.cap

    @property
    def score(self) -> float:
        """Score of the check; 0 without evidence."""
        return self.evidence.score if self.evidence else 0.0

    @property
    def altered(self) -> bool:
        """A part of the image differs from the reference."""
        return self.evidence is not None and bool(self.evidence.differs)


def flipped(corners: Corners) -> Corners:
    """The same points in the mirror image, in the same order."""
    first, second, third, fourth = ((1 - x, y) for x, y in corners)
    return first, second, third, fourth


def flipped_box(box: Box) -> Box:
    """The same part in the mirror image."""
    left, top, right, bottom = box
    return 1 - right, top, 1 - left, bottom


def renamed(corners: Corners) -> Corners:
    """A mirror image's corners, in the order of the original picture's corners."""
    upper_left, upper_right, lower_right, lower_left = corners
    return upper_right, upper_left, lower_left, lower_right


def covered(inner: Corners, outer: Corners) -> float:
    """Share of the inner region's visible area that the outer region covers, 0 to 1; 0 if nothing of it is visible.

    Args:
        inner: corners of a convex region, as fractions of the image's width and height, in either direction.
        outer: the same.
    """
    visible = _clipped(inner, WHOLE)
    area = abs(_area(visible))
    return abs(_area(_clipped(visible, outer))) / area if area > 0 else 0.0


def visible(region: Corners) -> float:
    """Share of a convex region's area that is in the image, 0 to 1; 0 if it has no area.

    OpenCV's intersectConvexConvex sometimes finds nothing in common of two regions that are almost the same.
    """
    area = abs(_area(region))
    return min(1.0, abs(_area(_clipped(region, WHOLE))) / area) if area > 0 else 0.0


def _area(corners: "tuple[Point, ...]") -> float:
    """Twice the area; its sign says in which direction the corners go round."""
    return sum(
        first[0] * second[1] - second[0] * first[1]
        for first, second in zip(corners, corners[1:] + corners[:1], strict=True)
    )


def _clipped(corners: "tuple[Point, ...]", by: Corners) -> "tuple[Point, ...]":
    """The part of a convex polygon within a convex region (Sutherland and Hodgman, 1974)."""
    sign = 1 if _area(by) > 0 else -1
    for start, end in zip(by, by[1:] + by[:1], strict=True):
        along, down = end[0] - start[0], end[1] - start[1]
        sides = [sign * (along * (y - start[1]) - down * (x - start[0])) for x, y in corners]
        kept: list[Point] = []
        for index, (here, side) in enumerate(zip(corners, sides, strict=True)):
            before, side_before = corners[index - 1], sides[index - 1]
            if (side >= 0) != (side_before >= 0):
                at = side_before / (side_before - side)
                kept.append((before[0] + at * (here[0] - before[0]), before[1] + at * (here[1] - before[1])))
            if side >= 0:
                kept.append(here)
        corners = tuple(kept)
    return corners
