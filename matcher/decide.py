"""The decision from the candidates of all sets. Pure: no clock, tested as a table (docs/verdicts.md).

    set kind     level block              level review             no level
    harmful      block                    review                   nothing
    allow        vetoes block and review  vetoes review            nothing
    reference    reported                 reported                 nothing

How a candidate gets its level; similarity and check each have their own thresholds:

    verify       level                                               decided on
    off          that of the similarity                              similarity
    supports     the higher of the similarity's and the check's      the higher, at equal level the check
    required     the lower of the two; none if it was not checked    the lower, at equal level the check

An allow match cancels the effect of a harmful match if it has the same level or a higher one **and** is at least as
near: by the check's scores if both passed the check, else by similarity. Without the second
condition a harmful picture could pass because of an allowed look-alike that is farther away.

The decision is the highest level left, else allow. Instead of allow it is unscannable if a harmful set could not be
compared: no image is allowed because it could not be compared.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from embedding.image import Reason, Unreadable
from matcher.evidence import Candidate
from reference_sets.model import CheckThresholds, Kind, Level, ReferenceSet, Thresholds, Verify

Decision = Literal["block", "review", "allow", "unscannable"]
Measure = Literal["check", "similarity", "content"]
_LEVELS: tuple[Level | None, ...] = (None, "review", "block")
_RANK = {"review": 1, "block": 2}
MOST_OTHERS = 4  # further references that a match names

# Cosines are computed in float32: two equal unit vectors can give 0.9999999. A threshold counts as reached within
# this distance, which is 8 units in the last place of a float32 near 1.
ROUNDING = 5e-7


@dataclass(frozen=True, slots=True)
class Compared:
    """A set, and the candidates in it for one image.

    Attributes:
        set: as it was when it was searched.
        candidates: by the check's score, then by similarity, best first.
        reason: why the set was not compared; None if it was.
    """

    set: ReferenceSet
    candidates: Sequence[Candidate] = ()
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A set in which an image reached a threshold.

    Attributes:
        set: the set as it was when it was searched.
        level: the level that counts.
        reached: the highest level that a candidate reached.
        decided_on: the measure that gave it.
        candidate: that candidate; of several with this level the one with the best check, then the most similar.
        others: further candidates that reached a level.
        vetoed_by: name of the allow set that cancelled the effect.
    """

    set: ReferenceSet
    level: Level
    reached: Level
    decided_on: Measure
    candidate: Candidate
    others: tuple[Candidate, ...] = ()
    vetoed_by: str | None = None

    @property
    def similarity_threshold(self) -> float:
        """The similarity threshold of the level that was reached, a cosine."""
        return _of(self.set.thresholds, self.reached)

    @property
    def check_threshold(self) -> float:
        """The check's threshold of the level that was reached."""
        return _of(self.set.check, self.reached)

    @property
    def score(self) -> float:
        """Score or threshold of the measure that decided."""
        return self.candidate.score if self.decided_on == "check" else self.candidate.similarity

    @property
    def threshold(self) -> float:
        """Score or threshold of the measure that decided."""
        return self.check_threshold if self.decided_on == "check" else self.similarity_threshold

    @property
    def margin(self) -> float:
        """Score minus threshold, at least 0: rounding of float32 is not shown."""
        return max(0.0, self.score - self.threshold)

    @property
    def passed_check(self) -> bool:
        """Whether the check's score reached its review threshold."""
        return self.candidate.checked and self.candidate.score >= self.set.check.review

    def at_least_as_near_as(self, other: "Match") -> bool:
        """By the check's scores if both passed the check, else by similarity."""
        if self.passed_check and other.passed_check:
            return self.candidate.score >= other.candidate.score
        return self.candidate.similarity >= other.candidate.similarity


@dataclass(frozen=True, slots=True)
class Outcome:
    """The decision, the problem if it is unscannable, the set that decided, and all matches, worst first."""

    decision: Decision
    problem: Unreadable | None
    decided_by: str | None
    matches: tuple[Match, ...]


def match(compared: Compared) -> Match | None:
    """The match of an image with a set, or None."""
    known = compared.set
    reached = [(one, *_reached(known, one)) for one in compared.candidates]
    reached = [each for each in reached if each[1]]
    if not reached:
        return None
    best, rank, measure = max(reached, key=lambda each: (each[1], each[0].score, each[0].similarity))
    level = _LEVELS[rank]
    assert level  # noqa: S101 (a rank above 0 has one; for the type checker)
    others = tuple(one for one, *_ in reached if one is not best)[:MOST_OTHERS]
    return Match(known, level, level, measure, best, others)


def _reached(known: ReferenceSet, candidate: Candidate) -> tuple[int, Measure]:
    """A candidate's level, as its rank (0 none, 1 review, 2 block), and the measure that gives it."""
    similar = _rank(known.thresholds, candidate.similarity, ROUNDING)
    if known.verify is Verify.OFF:
        return similar, "similarity"
    if not candidate.checked:
        return (0, "check") if known.verify is Verify.REQUIRED else (similar, "similarity")
    checked = _rank(known.check, candidate.score, 0.0)
    by_check = checked <= similar if known.verify is Verify.REQUIRED else checked >= similar
    return (checked, "check") if by_check else (similar, "similarity")


def _rank(thresholds: Thresholds | CheckThresholds, score: float, rounding: float) -> int:
    return int(score >= thresholds.review - rounding) + int(score >= thresholds.block - rounding)


def _of(thresholds: Thresholds | CheckThresholds, level: Level) -> float:
    return thresholds.block if level == "block" else thresholds.review


def decide(compared: Iterable[Compared], problem: Unreadable | None = None) -> Outcome:
    """The decision on one image.

    Args:
        compared: all sets in force.
        problem: why the image could not be embedded; it is unscannable then.
    """
    known = tuple(compared)
    found = [each for each in map(match, known) if each]
    allowed = [each for each in found if each.set.kind is Kind.ALLOW]
    judged = [_vetoed(each, allowed) if each.set.kind is Kind.HARMFUL else each for each in found]
    judged.sort(key=_worst_first)
    matches = tuple(judged)
    if problem:
        return Outcome("unscannable", problem, None, matches)
    effective = [each for each in judged if each.set.kind is Kind.HARMFUL and each.vetoed_by is None]
    if effective:
        return Outcome(effective[0].level, None, effective[0].set.name, matches)
    for each in known:
        if each.reason and each.set.kind is Kind.HARMFUL:
            why = f"the harmful set {each.set.name} could not be compared, so the image is not allowed"
            return Outcome("unscannable", Unreadable(each.reason, why), None, matches)
    return Outcome("allow", None, None, matches)


def _vetoed(harmful: Match, allowed: Sequence[Match]) -> Match:
    """`harmful`, marked with the best allow match that vetoes it, if there is one."""
    vetoes = [
        each for each in allowed if _RANK[each.level] >= _RANK[harmful.level] and each.at_least_as_near_as(harmful)
    ]
    if not vetoes:
        return harmful
    best = max(vetoes, key=lambda each: (each.candidate.score, each.candidate.similarity))
    return replace(harmful, vetoed_by=best.set.name)


def _worst_first(each: Match) -> tuple[bool, bool, int, int, float, float, str]:
    """Sorting key: effective harmful matches, by level, severity and scores; then the rest in the same order."""
    harmful = each.set.kind is Kind.HARMFUL
    return (
        not (harmful and each.vetoed_by is None),
        not harmful,
        -_RANK[each.level],
        -each.set.severity,
        -each.candidate.score,
        -each.candidate.similarity,
        each.set.name,
    )
