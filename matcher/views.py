"""Candidates of a picture's views → candidates of the whole picture. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from embedding.look import Look
from embedding.picture import WHOLE, Box
from matcher.evidence import Candidate, Corners, Evidence, covered

_SAME_PLACE = 0.85  # share of each of two regions that the other covers, if both are the same reference in one place


def placed(candidates: Sequence[Candidate], view: int, box: Box) -> list[Candidate]:
    """Candidates of a view, with their regions in the whole picture.

    Args:
        candidates: with regions as fractions of the view.
        view: its number.
        box: the part of the picture that it shows.
    """
    if box == WHOLE and view == 0:
        return list(candidates)
    return [one._replace(view=view, evidence=one.evidence and in_whole(one.evidence, box)) for one in candidates]


def in_whole(evidence: Evidence, box: Box) -> Evidence:
    """Evidence in a part of a picture, as it lies in the whole."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    first, second, third, fourth = ((left + x * width, top + y * height) for x, y in evidence.region)
    differs = tuple(
        (left + x * width, top + y * height, left + z * width, top + w * height) for x, y, z, w in evidence.differs
    )
    return replace(evidence, region=(first, second, third, fourth), differs=differs)


def with_differences(candidates: Sequence[Candidate], looks: Sequence[Look]) -> list[Candidate]:
    """The candidates of all views, with the differences that other views of the same place show better.

    A window can cut off what tells a copy from another form, or leave too few corners to see it. So the view in which
    a reference scores best says in what it differs there, and any other one where that view does not show it.

    Args:
        candidates: of one set, with regions in the whole picture.
        looks: the picture's views.
    """
    differing: dict[str, list[Candidate]] = {}
    for one in candidates if len(looks) > 1 else ():
        if one.altered:
            differing.setdefault(one.neighbour.id, []).append(one)
    return [_differing(one, differing.get(one.neighbour.id, ()), looks) for one in candidates]


def _differing(one: Candidate, others: Sequence[Candidate], looks: Sequence[Look]) -> Candidate:
    evidence, look = one.evidence, looks[one.view]
    if evidence is None or evidence.differs:
        return one
    for other in others:
        its, there = other.evidence, looks[other.view]
        same_frame = (there.frame, there.reading) == (look.frame, look.reading)
        if its and same_frame and _in_one_place(its, evidence):
            better = its.score >= evidence.score
            differs = tuple(box for box in its.differs if better or _cuts_off(look.box, box, evidence.region))
            if differs:
                return one._replace(evidence=replace(evidence, differs=differs))
    return one


def _cuts_off(view: Box, part: Box, region: Corners) -> bool:
    """Whether a view shows less than half of a part of the picture, of what of it lies in the reference's region."""
    columns, rows = zip(*region, strict=True)
    part = _common(part, (min(columns), min(rows), max(columns), max(rows)))
    return _area(_common(part, view)) < _area(part) / 2


def _common(one: Box, other: Box) -> Box:
    left, top = max(one[0], other[0]), max(one[1], other[1])
    return left, top, max(left, min(one[2], other[2])), max(top, min(one[3], other[3]))


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _in_one_place(one: Evidence, other: Evidence) -> bool:
    regions = one.region, other.region
    return one.mirrored == other.mirrored and min(covered(*regions), covered(*regions[::-1])) >= _SAME_PLACE


def with_content(candidates: Sequence[Candidate], same: Sequence[Candidate]) -> list[Candidate]:
    """The candidates, of which those in `same` are marked, and those of them that the search has not found."""
    if not same:
        return list(candidates)
    equal = {one.neighbour.id for one in same}
    there = {one.neighbour.id for one in candidates}
    marked = [one._replace(content=True) if one.neighbour.id in equal else one for one in candidates]
    return [*(one for one in same if one.neighbour.id not in there), *marked]
