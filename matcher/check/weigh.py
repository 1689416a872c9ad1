"""The geometric check: does a reference lie in a picture, where, and what contradicts it? Pure.

propose      which references may be in it at all (propose.py)
align        where: the map from reference to picture (align.py)
distinctive  letters and shapes that recur do not count (distinctive.py)
cells        the evidence for the map and against it, by places (cells.py) → a score from 0 to 1
differ       the parts of the picture in which both have corners and none agree (differ.py)
common       corners shared with references that contradict the picture elsewhere are a frame (common.py)

The work is bounded for every picture: a reference's corner is compared with at most one corner of the picture for each
of its descriptor's 16 parts, MOST_ALIGNED references are aligned, and each tries 64 maps on at most 450 pairs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedding.local.keypoints import Keypoints
from matcher.check.align import Map, align
from matcher.check.cells import Side, cells, corners
from matcher.check.differ import differing
from matcher.check.distinctive import distinctive
from matcher.check.projective import Floats
from matcher.check.propose import promising
from matcher.evidence import Box, Corners, visible

# An alignment with this score ends the check: the remaining references have fewer agreeing pairs.
CONCLUSIVE = 0.8

_HALF = 4.0  # evidence with the score 0.5
_IDENTICAL = 8  # exponent: a copy of which 0.9 is the same is as good as one with 1.8 times its evidence
_STORED = 1e-4  # of the longest side: positions are stored in steps of 1/65,535
_DIFFERENCES = 0.15  # the lowest score for which differences are looked for: one in a hundred unrelated pictures has it


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """How a reference lies in a picture. Positions are fractions of width and height, from the upper left corner.

    Attributes:
        score: 0 to 1, of the evidence: see `score_of`.
        inliers: number of pairs of corners that agree on the map.
        share: share of agreeing cells among those in the overlap with corners of both; the smaller of the two sides.
        distinctive: share of the inliers that recur nowhere in the pictures, and are not common to references that
            contradict the picture elsewhere.
        coverage: share of the reference's area that the picture shows.
        region: the reference's corners in the picture, upper left first, clockwise; they may lie outside.
        back: the picture's corners in the reference.
        pairs: float32 (inliers, 4): x and y in the picture, x and y in the reference.
        differs: parts of the picture in which both have corners and none agree: left, top, right, bottom.
    """

    score: float
    inliers: int
    share: float
    distinctive: float
    coverage: float
    region: Corners
    back: Corners
    pairs: Floats
    differs: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """References that lie in a picture, by their numbers: how, and by which map."""

    alignments: dict[int, Alignment]
    maps: dict[int, Map]
    references: Mapping[int, Keypoints]


def place(picture: Keypoints, references: Mapping[int, Keypoints], *, thorough: bool = False) -> Placed:
    """The references of one set that lie in the picture.

    Args:
        picture: the picture.
        references: that are near it, by their numbers.
        thorough: go on after a conclusive alignment, because something may contradict it.
    """
    found = Placed({}, {}, references)
    numbers = list(references)
    for index in (numbers[row] for row in promising(picture, list(references.values()))):
        aligned = align(picture, references[index])
        if aligned is None:
            continue
        found.maps[index] = aligned
        weighed = found.alignments[index] = weigh(picture, references[index], aligned)
        if weighed.score >= CONCLUSIVE and not weighed.differs and not thorough:
            break
    return found


def score_of(evidence: float, sameness: float = 0.0) -> float:
    """The score, 0 to 1, of evidence, 0 to 60 (see cells.py), for two pictures of which a share is the same, 0 to 1."""
    doubt = _HALF * (1 - sameness**_IDENTICAL)
    return evidence / (evidence + doubt) if evidence > 0 else 0.0


def evidence_of(score: float) -> float:
    """The evidence that gives this score, 0 to less than 1, for pictures of which little is the same."""
    return _HALF * score / (1 - score)


def weigh(
    picture: Keypoints,
    reference: Keypoints,
    found: Map,
    common: NDArray[np.bool_] | None = None,
    *,
    differences: bool = True,
) -> Alignment:
    """The alignment, scored by the evidence for and against it; identical pictures have the score 1, also poor ones.

    Args:
        picture: the picture.
        reference: a reference.
        found: how it lies in the picture.
        common: (inliers,) which pairs speak for other references too, so that they are not distinctive.
        differences: look for the parts that differ; this takes more than half of the time.
    """
    there, here = found.pairs.T
    distinct = distinctive(picture, reference, found.pairs)
    if common is not None:
        distinct &= ~common
    in_picture = cells(Side(picture, reference, found.back, found.forth, there), distinct)
    in_reference = cells(Side(reference, picture, found.forth, found.back, here), distinct)
    region = _fractions(found.forth(corners(reference)), picture)
    back = _fractions(found.back(corners(picture)), reference)
    coverage = visible(region)
    sameness = min(in_picture.answered, in_reference.answered) * coverage * visible(back)
    score = score_of(min(in_picture.evidence, in_reference.evidence), sameness)
    if _identical(picture, reference):
        score = 1.0
    points = picture.points[there] / (picture.width, picture.height)
    theirs = reference.points[here] / (reference.width, reference.height)
    return Alignment(
        score=score,
        inliers=len(found.pairs),
        share=min(in_picture.share, in_reference.share),
        distinctive=float(distinct.mean()),
        coverage=coverage,
        region=region,
        back=back,
        pairs=np.concatenate([points, theirs], 1).astype(np.float32),
        differs=differing(picture, reference, found) if differences and score >= _DIFFERENCES else (),
    )


def _identical(picture: Keypoints, reference: Keypoints) -> bool:
    """Whether both have the same corners in the same places, as identical pictures do."""
    return np.array_equal(picture.descriptors, reference.descriptors) and np.allclose(
        picture.points, reference.points, rtol=0, atol=_STORED
    )


def _fractions(points: Floats, of: Keypoints) -> Corners:
    first, second, third, fourth = ((float(x) / of.width, float(y) / of.height) for x, y in points)
    return first, second, third, fourth
