"""Counts the results of `benchmarks.copies`. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True, slots=True)
class Copy:
    """The answer for one edited reference.

    Attributes:
        edit: name of the edit.
        score: of the best candidate.
        right: whether that candidate is the reference.
        rank: of the reference in the shortlist, from 1; None: it is not in it.
        passes: whether the geometric check passes for the reference, in the shortlist or not; None: not known.
        altered: a part of the picture differs from the best candidate.
    """

    edit: str
    score: float
    right: bool
    rank: int | None
    passes: bool | None = None
    altered: bool = False


class Other(NamedTuple):
    """The answer for an unrelated picture.

    Attributes:
        score: of the best candidate.
        altered: a part of the picture differs from it.
    """

    score: float
    altered: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """All answers of one way to find copies: for edited references, and by kind for unrelated pictures."""

    copies: list[Copy] = field(default_factory=list)
    others: dict[str, list[Other]] = field(default_factory=dict)

    @property
    def unrelated(self) -> list[float]:
        """The scores of all unrelated pictures."""
        return [one.score for answers in self.others.values() for one in answers]


@dataclass(frozen=True, slots=True)
class Figures:
    """The results. Shares are 0 to 1.

    Attributes:
        uap: micro average precision over all pictures, copies and unrelated ones: the metric of DISC21.
        recall: mean of `per_edit` over the edits.
        per_edit: share of the copies with each edit whose best candidate is right and above the threshold.
        shortlist: share of all copies whose reference is in the shortlist.
        shortlist_per_edit: the same for each edit.
        threshold: the score that the chosen share of the unrelated pictures reaches; a copy must be above it.
    """

    uap: float
    recall: float
    per_edit: dict[str, float]
    shortlist: float
    shortlist_per_edit: dict[str, float]
    threshold: float


@dataclass(frozen=True, slots=True)
class AtLevels:
    """The results for one edit at the thresholds of a set. Shares are 0 to 1.

    Attributes:
        review: share of the copies whose best candidate is right and reaches the level `review`.
        block: the same for `block`.
        altered: share of the copies that are in `block` and differ in a part: by default a set only reviews them.
        shortlist: share of the copies whose reference is in the shortlist.
        passes: share of the copies for which the check of their reference reaches `review`; None: not known.
        lost: of these, the share that is not in `review`; None: there are none.
    """

    review: float
    block: float
    altered: float
    shortlist: float
    passes: float | None
    lost: float | None


@dataclass(frozen=True, slots=True)
class Alarms:
    """How many pictures of one unrelated kind reach the levels `review` and `block` of a set; `altered` as above."""

    pictures: int
    review: int
    block: int
    altered: int


def at_levels(tally: Tally, levels: tuple[float, float]) -> dict[str, AtLevels]:
    """The results by edit, at the scores from which a set reviews and blocks."""
    review, block = levels
    return {
        name: AtLevels(
            review=_share([one.right and one.score >= review for one in of]),
            block=_share([one.right and one.score >= block for one in of]),
            altered=_share([one.right and one.score >= block and one.altered for one in of]),
            shortlist=_share([one.rank is not None for one in of]),
            passes=None if any(one.passes is None for one in of) else _share([bool(one.passes) for one in of]),
            lost=_share(lost) if (lost := [not one.right or one.score < review for one in of if one.passes]) else None,
        )
        for name, of in _by_edit(tally).items()
    }


def alarms(tally: Tally, levels: tuple[float, float]) -> dict[str, Alarms]:
    """The false alarms by kind of unrelated pictures, at the scores from which a set reviews and blocks."""
    review, block = levels
    return {
        kind: Alarms(
            pictures=len(answers),
            review=sum(one.score >= review for one in answers),
            block=sum(one.score >= block for one in answers),
            altered=sum(one.score >= block and one.altered for one in answers),
        )
        for kind, answers in tally.others.items()
    }


def figures(tally: Tally, false_positives: float) -> Figures:
    """The results at a share of false positives, 0 to 1."""
    limit = threshold(tally.unrelated, false_positives)
    by_edit = _by_edit(tally)
    per_edit = {name: _share([one.right and one.score > limit for one in of]) for name, of in by_edit.items()}
    scores = [one.score for one in tally.copies] + tally.unrelated
    right = [one.right for one in tally.copies] + [False] * len(tally.unrelated)
    return Figures(
        uap=micro_average_precision(scores, right, len(tally.copies)),
        recall=float(np.mean(list(per_edit.values()))),
        per_edit=per_edit,
        shortlist=_share([one.rank is not None for one in tally.copies]),
        shortlist_per_edit={name: _share([one.rank is not None for one in of]) for name, of in by_edit.items()},
        threshold=limit,
    )


def any_of(tallies: Sequence[Tally], false_positives: float) -> dict[str, float]:
    """By edit, the share of the copies that at least one of several ways finds.

    Scores of different ways cannot be compared, so each has a threshold of its own, which an equal part of the false
    positives passes: together at most as many as for one way alone.

    Args:
        tallies: of the ways, for the same pictures in the same order.
        false_positives: share of unrelated pictures that may pass, 0 to 1.
    """
    limits = [threshold(each.unrelated, false_positives / len(tallies)) for each in tallies]
    by_edit: dict[str, list[bool]] = {}
    for answers in zip(*(each.copies for each in tallies), strict=True):
        found = any(one.right and one.score > limit for one, limit in zip(answers, limits, strict=True))
        by_edit.setdefault(answers[0].edit, []).append(found)
    return {name: _share(of) for name, of in by_edit.items()}


def threshold(unrelated: Sequence[float], false_positives: float) -> float:
    """The score that this share of the unrelated pictures reaches; the highest score if there are too few pictures."""
    return sorted(unrelated, reverse=True)[max(1, round(len(unrelated) * false_positives)) - 1]


def micro_average_precision(scores: Sequence[float], right: Sequence[bool], positives: int) -> float:
    """Average precision of all answers in the order of their scores.

    Args:
        scores: of all answers; of equal scores the right answers count last.
        right: whether each answer is right.
        positives: number of possible right answers.
    """
    hits = np.array(right, float)
    order = np.lexsort((hits, -np.array(scores)))
    hits = hits[order]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / positives)


def _by_edit(tally: Tally) -> dict[str, list[Copy]]:
    by_edit: dict[str, list[Copy]] = {}
    for one in tally.copies:
        by_edit.setdefault(one.edit, []).append(one)
    return by_edit


def _share(of: Sequence[bool]) -> float:
    return float(np.mean(of))
