"""Candidates of a picture's views → candidates of the whole picture. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from embedding.picture import WHOLE, Box
from matcher.evidence import Candidate, Evidence


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


def with_content(candidates: Sequence[Candidate], same: Sequence[Candidate]) -> list[Candidate]:
    """The candidates, of which those in `same` are marked, and those of them that the search has not found."""
    if not same:
        return list(candidates)
    ceilings = {one.neighbour.id: one.ceiling for one in same}
    there = {one.neighbour.id for one in candidates}
    marked = [
        one._replace(content=True, ceiling=ceilings[one.neighbour.id]) if one.neighbour.id in ceilings else one
        for one in candidates
    ]
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
