"""What the matches of all sets mean together. Pure: standard library only, tested as a table (docs/verdicts.md).

    set kind     level block              level review             no level
    harmful      block                    review                   nothing
    allow        vetoes block and review  vetoes review            nothing
    reference    reported                 reported                 nothing

Where a set's level comes from, each of similarity and check by its own thresholds:

    verify       level
    off          that of the similarity
    supports     the higher of the similarity's and the check's
    required     the lower of the two; a candidate that could not be checked has review at most

An allow match takes the effect of a harmful match away when it is of the same level or higher **and** at least as
near: by the check's scores if both were verified, else by similarity. The second half keeps a harmful picture from
being waved through by an allowed look-alike that is farther away. The decision is the highest level left, else allow.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from matcher.evidence import Candidate
from reference_sets.model import CheckThresholds, Kind, Neighbour, ReferenceSet, Thresholds, Verify

Level = Literal["review", "block"]
_LEVELS: tuple[Level | None, ...] = (None, "review", "block")
_RANK = {"review": 1, "block": 2}

# Cosines are computed in float32: two equal unit vectors come out as 0.9999999. A threshold counts as reached within
# this distance, which is 8 units in the last place of a float32 near 1.
ROUNDING = 5e-7


@dataclass(frozen=True, slots=True)
class Match:
    """A set in which an image reached a threshold.

    Attributes:
        set: the set as it was when it was searched.
        level: the highest level that a candidate reached.
        candidate: that candidate; of several with the level the one with the best check, then the nearest.
        runner_up: the next best candidate, None in a set with one reference.
        vetoed_by: name of the allow set that took the effect away.
    """

    set: ReferenceSet
    level: Level
    candidate: Candidate
    runner_up: Neighbour | None = None
    vetoed_by: str | None = None

    @property
    def nearest(self) -> Neighbour:
        """The reference that matched."""
        return self.candidate.neighbour

    @property
    def threshold(self) -> float:
        """The similarity threshold of `level`, a cosine."""
        return _of(self.set.thresholds, self.level)

    @property
    def margin(self) -> float:
        """Similarity above the threshold; negative only where the check raised the level."""
        margin = self.nearest.score - self.threshold
        return 0.0 if -ROUNDING <= margin < 0 else margin

    @property
    def check_threshold(self) -> float:
        """The check's threshold of `level`."""
        return _of(self.set.check, self.level)

    @property
    def verified(self) -> bool | None:
        """Whether the check reached its threshold of review; None if there was no check."""
        if not self.candidate.checked:
            return None
        return self.candidate.score >= self.set.check.review

    def at_least_as_near_as(self, other: "Match") -> bool:
        """By the check's scores if both were verified, else by similarity."""
        if self.verified and other.verified:
            return self.candidate.score >= other.candidate.score
        return self.nearest.score >= other.nearest.score


@dataclass(frozen=True, slots=True)
class Outcome:
    """The decision, the set that made it, and all matches, worst first."""

    decision: Literal["block", "review", "allow"]
    decided_by: str | None
    matches: tuple[Match, ...]


def match(known: ReferenceSet, candidates: Sequence[Candidate]) -> Match | None:
    """The match of an image with a set, or None.

    Args:
        known: the set that was searched.
        candidates: what search and check found, best check first, then nearest; may be empty or a single one.
    """
    if not candidates:
        return None
    best = max(candidates, key=lambda one: (_rank(known, one), one.score, one.neighbour.score))
    level = _LEVELS[_rank(known, best)]
    if level is None:
        return None
    others = (one.neighbour for one in candidates if one is not best)
    return Match(known, level, best, next(others, None))


def _rank(known: ReferenceSet, candidate: Candidate) -> int:
    """Level that a candidate gives, as its rank: 0 none, 1 review, 2 block."""
    similar = _reached(known.thresholds, candidate.neighbour.score, ROUNDING)
    if known.verify is Verify.OFF:
        return similar
    if not candidate.checked:
        return min(similar, _RANK["review"]) if known.verify is Verify.REQUIRED else similar
    checked = _reached(known.check, candidate.score, 0.0)
    return min(similar, checked) if known.verify is Verify.REQUIRED else max(similar, checked)


def _reached(thresholds: Thresholds | CheckThresholds, score: float, rounding: float) -> int:
    return int(score >= thresholds.review - rounding) + int(score >= thresholds.block - rounding)


def _of(thresholds: Thresholds | CheckThresholds, level: Level) -> float:
    return thresholds.block if level == "block" else thresholds.review


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
    """`harmful`, marked with the best allow match that vetoes it, if there is one."""
    vetoes = [
        each for each in allowed if _RANK[each.level] >= _RANK[harmful.level] and each.at_least_as_near_as(harmful)
    ]
    if not vetoes:
        return harmful
    return replace(harmful, vetoed_by=max(vetoes, key=lambda each: (each.candidate.score, each.nearest.score)).set.name)


def _worst_first(each: Match) -> tuple[bool, bool, int, int, float, float, str]:
    """Sorting key: effective harmful matches, by level, severity and scores; then the rest in the same order."""
    harmful = each.set.kind is Kind.HARMFUL
    return (
        not (harmful and each.vetoed_by is None),
        not harmful,
        -_RANK[each.level],
        -each.set.severity,
        -each.candidate.score,
        -each.nearest.score,
        each.set.name,
    )
