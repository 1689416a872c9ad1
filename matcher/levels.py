"""Which level a candidate gives: by content, similarity and check, then lowered by caps. Pure (docs/verdicts.md).

    verify       level                                               decided on
    off          that of the similarity                              similarity
    supports     the higher of the similarity's and the check's      the higher, at equal level the check
    required     the lower of the two; none if it was not checked    the lower, at equal level the check

The same bytes as the reference's are level block, whatever the thresholds are. Similarity is the normalised one if the
set names a background. Then caps lower the level: the reference's ceiling, and the set's `altered` if a part of the
image differs from the reference and its bytes do too. A disabled reference gives no level.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from embedding.image import Reason
from matcher.evidence import Candidate
from reference_sets.model import Cap, CheckThresholds, Level, ReferenceSet, Thresholds, Verify

Measure = Literal["check", "similarity", "content"]
LEVELS: tuple[Level | None, ...] = (None, "review", "block")
RANK: dict[Level | Cap, int] = {"nothing": 0, "review": 1, "block": 2}

# Cosines are computed in float32: two equal unit vectors can give 0.9999999. A threshold counts as reached within
# this distance, which is 8 units in the last place of a float32 near 1.
ROUNDING = 5e-7


@dataclass(frozen=True, slots=True)
class Compared:
    """A set, and the candidates in it for one image.

    Attributes:
        set: as it was when it was searched.
        candidates: of all views of the image, in any order; those that have its content too, even if nothing else of
            the image could be compared.
        reason: why the set was not compared; None if it was.
        empty: whether the set has no references, so that comparing it says nothing.
    """

    set: ReferenceSet
    candidates: Sequence[Candidate] = ()
    reason: Reason | None = None
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """A candidate that reached a level; for a set, the one that counts.

    Attributes:
        set: the set as it was when it was searched.
        level: the level that counts.
        reached: the level before caps.
        decided_on: the measure that gave it.
        candidate: the candidate.
        capped_by: why `level` is lower than `reached`: "ceiling", "altered", "alone" or "allowed".
        others: further candidates that reached a level.
        vetoed_by: name of the allow set that cancelled the effect.
        corroborated_by: names of the sets whose matches corroborate this one, sorted.
    """

    set: ReferenceSet
    level: Level
    reached: Level
    decided_on: Measure
    candidate: Candidate
    capped_by: tuple[str, ...] = ()
    others: tuple[Candidate, ...] = ()
    vetoed_by: str | None = None
    corroborated_by: tuple[str, ...] = ()

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
        """Score of the measure that decided; 1 for the same content."""
        if self.decided_on == "content":
            return 1.0
        return self.candidate.score if self.decided_on == "check" else self.candidate.scored

    @property
    def threshold(self) -> float:
        """Threshold of the measure that decided; 1 for the same content."""
        if self.decided_on == "content":
            return 1.0
        return self.check_threshold if self.decided_on == "check" else self.similarity_threshold

    @property
    def margin(self) -> float:
        """Score minus threshold, at least 0: rounding of float32 is not shown."""
        return max(0.0, self.score - self.threshold)

    @property
    def passed_check(self) -> bool:
        """Whether the check's score reached its review threshold."""
        return self.candidate.checked and self.candidate.score >= self.set.check.review


def in_use(compared: Compared, at: datetime) -> Compared:
    """The set without the candidates that are disabled at this time, which has its zone."""
    second = at.timestamp()
    return replace(compared, candidates=[one for one in compared.candidates if one.neighbour.facts.in_use(second)])


def matches(compared: Compared) -> Iterator[Match]:
    """The candidates of a set that give a level, before the rules that compare them with other sets'."""
    known = compared.set
    for one in compared.candidates:
        rank, measure = _reached(known, one)
        caps = [(name, RANK[cap]) for name, cap in _caps(known, one) if RANK[cap] < rank]
        level, reached = LEVELS[min([rank, *(cap for _, cap in caps)])], LEVELS[rank]
        if level and reached:
            yield Match(known, level, reached, measure, one, tuple(name for name, _ in caps))


def _reached(known: ReferenceSet, candidate: Candidate) -> tuple[int, Measure]:
    """A candidate's level before caps, as its rank (0 none, 1 review, 2 block), and the measure that gives it."""
    if candidate.content:
        return RANK["block"], "content"
    similar = _rank(known.thresholds, candidate.scored, ROUNDING)
    if known.verify is Verify.OFF:
        return similar, "similarity"
    if not candidate.checked:
        return (0, "check") if known.verify is Verify.REQUIRED else (similar, "similarity")
    checked = _rank(known.check, candidate.score, 0.0)
    by_check = checked <= similar if known.verify is Verify.REQUIRED else checked >= similar
    return (checked, "check") if by_check else (similar, "similarity")


def _caps(known: ReferenceSet, candidate: Candidate) -> Iterator[tuple[str, Cap]]:
    """Why the candidate's level may be lowered, and to what."""
    if candidate.ceiling:
        yield "ceiling", candidate.ceiling
    if candidate.altered and not candidate.content:
        yield "altered", known.altered


def _rank(thresholds: Thresholds | CheckThresholds, score: float, rounding: float) -> int:
    return int(score >= thresholds.review - rounding) + int(score >= thresholds.block - rounding)


def _of(thresholds: Thresholds | CheckThresholds, level: Level) -> float:
    return thresholds.block if level == "block" else thresholds.review
