"""Corners that a picture shares with references that contradict it elsewhere: a frame, and no evidence. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embedding.local.keypoints import Keypoints
from matcher.check.align import align
from matcher.check.distinctive import recurs
from matcher.check.weigh import Alignment, Placed, place, weigh
from matcher.evidence import CONTRADICTED

_RADIUS = 0.02  # of the picture's longest side
_LEAST = 0.05  # a lower score decides nothing
# No frame has this score: it is more than a caption on a plain ground can have, and of 400 chats none that only shares
# its app with a reference reached it. So collages with halves of a picture do not hide it.
_NO_FRAME = 0.65
# Two references with this score are the same picture, and neither is a frame of the other. Hard copies of one picture,
# as photographs of a screen and grainy ones, mostly have more with it. Of pairs of chats of one app, of letters of one
# office, and of pictures below one caption, one in thirty has as much.
_SAME = 0.4

MOST_WITNESSES = 8  # contradicted references that each alignment is compared with

Truths = NDArray[np.bool_]
Key = tuple[int, int]  # number of the set, and of the reference in it


def check(picture: Keypoints, references: Sequence[Keypoints]) -> list[Alignment | None]:
    """How each reference lies in the picture, in the order of the references; None if it does not."""
    (found,) = without_common(picture, [place(picture, dict(enumerate(references)))])
    return [found.get(index) for index in range(len(references))]


def without_common(picture: Keypoints, placed: Sequence[Placed]) -> list[dict[int, Alignment]]:
    """Each set's alignments, without the inliers that contradicted references of any set have in common with them."""
    if not any(_doubtful(alignment) for one in placed for alignment in one.alignments.values()):
        return [one.alignments for one in placed]  # mostly: for unrelated pictures it saves more than the check takes
    witnesses = {key: _shown_too(picture, placed[key[0]], key[1]) for key in _contradicted(placed)}
    references = {(number, index): placed[number].references[index] for number, index in witnesses}
    return [
        {
            index: _without(picture, one, index, [(references[key], witnesses[key]) for key in witnesses if key != own])
            for index in one.alignments
            for own in [(number, index)]
        }
        for number, one in enumerate(placed)
    ]


def _doubtful(alignment: Alignment) -> bool:
    """Whether what it has in common with other references may be all that there is."""
    return _LEAST <= alignment.score < _NO_FRAME


def _contradicted(placed: Sequence[Placed]) -> list[Key]:
    """The contradicted references that have the most in common with the picture, at most MOST_WITNESSES."""
    found = [
        (-alignment.inliers, -alignment.score, number, index)
        for number, one in enumerate(placed)
        for index, alignment in one.alignments.items()
        if alignment.share < CONTRADICTED
    ]
    return [(number, index) for *_, number, index in sorted(found)[:MOST_WITNESSES]]


def _shown_too(picture: Keypoints, theirs: Placed, index: int) -> Truths:
    """Which corners (n,) of the picture a contradicted reference has too: in the same place, or anywhere."""
    common = recurs(picture.descriptors, theirs.references[index])
    if theirs.alignments[index].score > 0:
        there = picture.points[theirs.maps[index].pairs[:, 0]]
        common |= ((picture.points[:, None] - there) ** 2).sum(2).min(1) < _RADIUS**2
    return common


def _without(picture: Keypoints, one: Placed, index: int, witnesses: Sequence[tuple[Keypoints, Truths]]) -> Alignment:
    """The alignment, weighed again without the corners that contradicted references have too."""
    alignment, found, reference = one.alignments[index], one.maps[index], one.references[index]
    if not _doubtful(alignment):
        return alignment
    common = np.zeros(len(found.pairs), np.bool_)
    for theirs, corners in witnesses:
        more = corners[found.pairs[:, 0]] & ~common
        if more.any() and not _same_picture(reference, theirs):
            common |= more
    return weigh(picture, reference, found, common) if common.any() else alignment


def _same_picture(one: Keypoints, other: Keypoints) -> bool:
    """Whether two references show the same picture, so that what they have in common is more than a frame."""
    found = align(one, other)
    return found is not None and weigh(one, other, found, differences=False).score >= _SAME
