"""The geometric check: does a reference lie in a picture, where, and what contradicts it? Pure.

propose   which references may be in it at all (propose.py)
align     where: the map from reference to picture (align.py)
weigh     the evidence for the map and against it: places where both pictures have corners but none agree
differ    the parts of the picture in which both have corners and none agree (differ.py)
common    corners shared with references that contradict the picture elsewhere are a frame, and do not count

Two memes with the same caption, or two screenshots of the same app, agree in dozens of corners. They differ from copies
in the rest of the overlap. So both pictures are divided into 8 x 8 cells. Of the cells in the overlap that have corners
of both, the share with agreeing corners is computed; the smaller share of the two pictures counts.

The work is bounded for every picture: a reference's corner is compared with at most one corner of the picture for each
of its descriptor's 16 parts, MOST_ALIGNED references are aligned, and each tries 64 maps on at most 450 pairs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from embedding.local.keypoints import Keypoints
from matcher.check.align import Floats, Indices, Map, align
from matcher.check.differ import differing
from matcher.check.propose import promising
from matcher.evidence import CONTRADICTED, Box, Corners, visible

# An alignment with this score ends the check: the remaining references have fewer agreeing pairs.
CONCLUSIVE = 0.8

_CELLS = 8  # per side
_HALF = 6.0  # evidence with the score 0.5
# The share of the reference's cells in the overlap that must agree for more than a review. A caption on a plain ground
# has 0.17 to 0.37 of a meme's cells, because nothing else is there to contradict; copies have 0.4 or more, except for
# strong blur, stretching and combinations. With a smaller share the score is at most 7 / (7 + 6) = 0.54.
_ANSWERED, _UNANSWERED_EVIDENCE = 0.4, 7.0
_COMMON_RADIUS = 0.02  # of the picture's longest side
# No frame has this score: it is more than a caption on a plain ground can have, and of 400 chats and letters none that
# only shares its app or letterhead with a reference reached it. So collages with halves of a picture do not hide it.
_NO_FRAME = 0.55
_DIFFERENCES = 0.15  # the lowest score for which differences are looked for: one in a hundred unrelated pictures has it


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """How a reference lies in a picture. Positions are fractions of width and height, from the upper left corner.

    Attributes:
        score: 0 to 1: c / (c + 6), where c is the number of agreeing cells times their share times `distinctive`.
        inliers: number of pairs of corners that agree on the map.
        share: share of agreeing cells among those in the overlap with corners of both; the smaller of the two sides.
        distinctive: share of the inliers that are not common to references that contradict the picture elsewhere.
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


def check(picture: Keypoints, references: Sequence[Keypoints]) -> list[Alignment | None]:
    """How each reference lies in the picture, in the order of the references; None if it does not."""
    (found,) = without_common(picture, [place(picture, dict(enumerate(references)))])
    return [found.get(index) for index in range(len(references))]


def place(picture: Keypoints, references: Mapping[int, Keypoints], *, thorough: bool = False) -> Placed:
    """The references of one set that lie in the picture.

    Args:
        picture: the picture.
        references: that are near it, by their numbers.
        thorough: go on after a conclusive alignment, because something may contradict it.
    """
    found = Placed({}, {})
    numbers = list(references)
    for index in (numbers[row] for row in promising(picture, list(references.values()))):
        aligned = align(picture, references[index])
        if aligned is None:
            continue
        found.maps[index] = aligned
        weighed = found.alignments[index] = _weighed(picture, references[index], aligned)
        if weighed.score >= CONCLUSIVE and not weighed.differs and not thorough:
            break
    return found


def score_of(evidence: float) -> float:
    """The score, 0 to less than 1, of evidence c, 0 to 64 (agreeing cells times their share)."""
    return evidence / (evidence + _HALF)


def evidence_of(score: float) -> float:
    """The evidence that gives this score, 0 to less than 1."""
    return _HALF * score / (1 - score)


def _weighed(picture: Keypoints, reference: Keypoints, found: Map) -> Alignment:
    """The alignment, scored by the evidence for and against it."""
    in_picture = _cells(
        picture, reference, found.back(picture.points), found.forth(reference.points), found.pairs[:, 0]
    )
    in_reference = _cells(
        reference, picture, found.forth(reference.points), found.back(picture.points), found.pairs[:, 1]
    )
    agreeing = min(in_picture[0], in_reference[0])
    share = min(in_picture[0] / max(in_picture[1], 1), in_reference[0] / max(in_reference[1], 1))
    evidence = agreeing * share
    if in_reference[0] < _ANSWERED * in_reference[2]:
        evidence = min(evidence, _UNANSWERED_EVIDENCE)
    score = score_of(evidence)
    region = _fractions(found.forth(_frame(reference)), picture)
    return Alignment(
        score=score,
        inliers=len(found.pairs),
        share=share,
        distinctive=1.0,
        coverage=visible(region),
        region=region,
        back=_fractions(found.back(_frame(picture)), reference),
        pairs=np.concatenate(
            [
                picture.points[found.pairs[:, 0]] / (picture.width, picture.height),
                reference.points[found.pairs[:, 1]] / (reference.width, reference.height),
            ],
            1,
        ).astype(np.float32),
        differs=differing(picture, reference, found) if score >= _DIFFERENCES else (),
    )


def _cells(
    own: Keypoints, other: Keypoints, in_other: Floats, of_other: Floats, agreeing: Indices
) -> tuple[int, int, int]:
    """Number of own cells in the overlap with agreeing corners, with corners of both pictures, and with own corners.

    Args:
        own: the picture whose cells are counted.
        other: the other picture.
        in_other: own corners, mapped to the other picture.
        of_other: the other's corners, mapped to the own picture.
        agreeing: rows of own corners that agree.
    """
    ours = _occupied(own, own.points[_inside(in_other, other)])
    theirs = _occupied(own, of_other[_inside(of_other, own)])
    both = ours & theirs
    return int((both & _occupied(own, own.points[agreeing])).sum()), int(both.sum()), int(ours.sum())


def _occupied(frame: Keypoints, points: Floats) -> NDArray[np.bool_]:
    """Which of the frame's cells hold one of the points."""
    cells = (points * (_CELLS / frame.width, _CELLS / frame.height)).astype(np.intp).clip(0, _CELLS - 1)
    return np.bincount(cells[:, 1] * _CELLS + cells[:, 0], minlength=_CELLS * _CELLS) > 0


def _inside(points: Floats, frame: Keypoints) -> NDArray[np.bool_]:
    return np.asarray(((points >= 0) & (points < (frame.width, frame.height))).all(1))


def _frame(of: Keypoints) -> Floats:
    """The picture's four corners, upper left first, clockwise."""
    return np.array([(0, 0), (of.width, 0), (of.width, of.height), (0, of.height)], np.float32)


def _fractions(points: Floats, of: Keypoints) -> Corners:
    first, second, third, fourth = ((float(x) / of.width, float(y) / of.height) for x, y in points)
    return first, second, third, fourth


def without_common(picture: Keypoints, placed: Sequence[Placed]) -> list[dict[int, Alignment]]:
    """Each set's alignments, without the inliers that contradicted references of any set have in common with them."""
    contradicted = {
        (number, index): one.maps[index].pairs[:, 0]
        for number, one in enumerate(placed)
        for index, alignment in one.alignments.items()
        if alignment.share < CONTRADICTED
    }
    return [
        {
            index: _without(
                picture,
                alignment,
                one.maps[index],
                [rows for other, rows in contradicted.items() if other != (number, index)],
            )
            for index, alignment in one.alignments.items()
        }
        for number, one in enumerate(placed)
    ]


def _without(picture: Keypoints, alignment: Alignment, aligned: Map, others: Sequence[Indices]) -> Alignment:
    """The alignment, without the inliers that lie where contradicted references have some."""
    if alignment.score >= _NO_FRAME or not others:
        return alignment
    places = picture.points[np.unique(np.concatenate(others))]
    own = picture.points[aligned.pairs[:, 0]]
    near = ((own[:, None] - places[None]) ** 2).sum(2).min(1) < _COMMON_RADIUS**2
    distinctive = 1.0 - float(near.mean())
    score = score_of(evidence_of(alignment.score) * distinctive)
    return replace(alignment, distinctive=distinctive, score=score)
