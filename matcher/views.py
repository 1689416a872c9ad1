"""Candidates of a picture's views → candidates of the whole picture. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from embedding.look import Look
from embedding.picture import WHOLE, Box
from matcher.evidence import Candidate, Evidence, covered

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
    return [one._replace(view=view, evidence=one.evidence and _within(one.evidence, box)) for one in candidates]


def with_differences(candidates: Sequence[Candidate], looks: Sequence[Look]) -> list[Candidate]:
    """The candidates of all views, with the differences that other views of the same place show better.

    A window can cut off what tells a copy from another form, or leave too few corners to see it. So the view in which
    a reference scores best says in what it differs there.

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
        if its and same_frame and its.score >= evidence.score and _in_one_place(its, evidence):
            return one._replace(evidence=replace(evidence, differs=its.differs))
    return one


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


def _within(evidence: Evidence, box: Box) -> Evidence:
    """Evidence in a part of a picture, as it lies in the whole."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    first, second, third, fourth = ((left + x * width, top + y * height) for x, y in evidence.region)
    differs = tuple(
        (left + x * width, top + y * height, left + z * width, top + w * height) for x, y, z, w in evidence.differs
    )
    return replace(evidence, region=(first, second, third, fourth), differs=differs)
