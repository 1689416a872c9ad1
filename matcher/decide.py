"""What the matches of all sets mean together. Pure: standard library only, tested as a table (docs/verdicts.md).

    set kind     score ≥ block            score ≥ review           below
    harmful      block                    review                   nothing
    allow        vetoes block and review  vetoes review            nothing
    reference    reported                 reported                 nothing

An allow match takes the effect of a harmful match away when it is of the same level or higher **and** at least as
near. The second half keeps a harmful picture from being waved through by an allowed look-alike that is farther away.
The decision is the highest level that is left, else allow.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from reference_sets.model import Kind, Neighbour, ReferenceSet

Level = Literal["review", "block"]
_RANK = {"review": 1, "block": 2}

# Cosines are computed in float32: two equal unit vectors come out as 0.9999999. A threshold counts as reached within
# this distance, which is 8 units in the last place of a float32 near 1.
ROUNDING = 5e-7


@dataclass(frozen=True, slots=True)
class Match:
    """A set in which an image reached a threshold.

    Attributes:
        set: the set as it was when it was searched.
        level: the highest level whose threshold the nearest reference reached.
        nearest: the nearest reference.
        runner_up: the second nearest, None in a set with one reference.
        vetoed_by: name of the allow set that took the effect away.
    """

    set: ReferenceSet
    level: Level
    nearest: Neighbour
    runner_up: Neighbour | None = None
    vetoed_by: str | None = None

    @property
    def threshold(self) -> float:
        """The threshold of `level`, a cosine."""
        return self.set.thresholds.block if self.level == "block" else self.set.thresholds.review

    @property
    def margin(self) -> float:
        """Score above the threshold; never negative."""
        return max(0.0, self.nearest.score - self.threshold)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The decision, the set that made it, and all matches, worst first."""

    decision: Literal["block", "review", "allow"]
    decided_by: str | None
    matches: tuple[Match, ...]


def match(known: ReferenceSet, neighbours: Sequence[Neighbour]) -> Match | None:
    """The match of an image with a set, or None.

    Args:
        known: the set that was searched.
        neighbours: what the search found, nearest first; may be empty or a single one.
    """
    if not neighbours:
        return None
    nearest, runner_up = neighbours[0], neighbours[1] if len(neighbours) > 1 else None
    if nearest.score >= known.thresholds.block - ROUNDING:
        return Match(known, "block", nearest, runner_up)
    if nearest.score >= known.thresholds.review - ROUNDING:
        return Match(known, "review", nearest, runner_up)
    return None


def decide(matches: Iterable[Match]) -> Outcome:
    """The decision that follows from the matches of one image, at most one per set."""
    found = tuple(matches)
    allowed = [each for each in found if each.set.kind is Kind.ALLOW]
    judged = [_vetoed(each, allowed) if each.set.kind is Kind.HARMFUL else each for each in found]
    judged.sort(key=_worst_first)
    effective = [each for each in judged if each.set.kind is Kind.HARMFUL and each.vetoed_by is None]
    if not effective:
        return Outcome("allow", None, tuple(judged))
    return Outcome(effective[0].level, effective[0].set.name, tuple(judged))


def _vetoed(harmful: Match, allowed: Sequence[Match]) -> Match:
    """`harmful`, marked with the nearest allow match that vetoes it, if there is one."""
    vetoes = [
        each
        for each in allowed
        if _RANK[each.level] >= _RANK[harmful.level] and each.nearest.score >= harmful.nearest.score
    ]
    if not vetoes:
        return harmful
    return replace(harmful, vetoed_by=max(vetoes, key=lambda each: each.nearest.score).set.name)


def _worst_first(each: Match) -> tuple[bool, bool, int, int, float, str]:
    """Sorting key: effective harmful matches, by level, severity and score; then the rest in the same order."""
    harmful = each.set.kind is Kind.HARMFUL
    return (
        not (harmful and each.vetoed_by is None),
        not harmful,
        -_RANK[each.level],
        -each.set.severity,
        -each.nearest.score,
        each.set.name,
    )
