"""The decision from the candidates of all sets. Pure: no clock, tested as a table (docs/verdicts.md).

    set kind     level block              level review             no level
    harmful      block                    review                   nothing
    allow        vetoes block and review  vetoes review            nothing
    reference    reported                 reported                 nothing

Each candidate gets its level (levels.py). Allowed candidates veto harmful ones (veto.py). Of each set the worst
candidate that is not vetoed is its match, in whichever view of the image it was found; if all are vetoed, the worst.

The decision is the highest level that is not vetoed. Otherwise the image is allowed, unless something was not compared:
no image is allowed because it could not be compared. Exactly the same content needs no comparison, so it decides
whatever else is wrong with the image.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from embedding.image import Unreadable
from matcher.evidence import Candidate
from matcher.levels import RANK, Compared, Match, matches
from matcher.veto import vetoed
from reference_sets.model import Kind

Decision = Literal["block", "review", "allow", "unscannable"]
MOST_OTHERS = 4  # further references that a match names


@dataclass(frozen=True, slots=True)
class Outcome:
    """The decision, the problem if it is unscannable, the set that decided, and all matches, worst first."""

    decision: Decision
    problem: Unreadable | None
    decided_by: str | None
    matches: tuple[Match, ...]


def decide(
    compared: Iterable[Compared],
    problem: Unreadable | None = None,
    *,
    instead_of_allow: Unreadable | Literal["review"] | None = None,
) -> Outcome:
    """The decision on one image.

    Args:
        compared: all sets in force.
        problem: why the image could not be embedded; it is unscannable then, unless its content decides.
        instead_of_allow: the decision if nothing harmful is found: unscannable for this reason, or review. For images
            of which only a part could be compared. None: allow.
    """
    known = tuple(compared)
    found = [one for each in known for one in matches(each)]
    allowed = [one for one in found if one.set.kind is Kind.ALLOW]
    judged = [vetoed(one, allowed) if one.set.kind is Kind.HARMFUL else one for one in found]
    per_set = _per_set(judged)
    if problem:  # what was not looked at decides nothing
        judged = [one for one in judged if one.decided_on == "content"]
    effective = sorted((one for one in judged if _counts(one)), key=_worst_first)
    if effective:
        return Outcome(effective[0].level, None, effective[0].set.name, per_set)
    if any(one.decided_on == "content" and one.level == "block" for one in allowed):
        # It vetoes whatever else could be found in the image. The same content in a harmful set would have been found.
        return Outcome("allow", None, None, per_set)
    why = problem or _not_compared(known, instead_of_allow if isinstance(instead_of_allow, Unreadable) else None)
    if why:
        return Outcome("unscannable", why, None, per_set)
    return Outcome("review" if instead_of_allow else "allow", None, None, per_set)


def match(compared: Compared) -> Match | None:
    """The match of an image with a set, before vetoes; None if no candidate reached a level."""
    return next(iter(_per_set(matches(compared))), None)


def _per_set(judged: Iterable[Match]) -> tuple[Match, ...]:
    """One match of each set, worst first."""
    by_set: dict[str, list[Match]] = {}
    for one in sorted(judged, key=_worst_first):
        by_set.setdefault(one.set.name, []).append(one)
    return tuple(replace(worst, others=_others(worst, rest)) for worst, *rest in by_set.values())


def _others(worst: Match, rest: Sequence[Match]) -> tuple[Candidate, ...]:
    """Further candidates of the set, each reference once."""
    others = {one.candidate.neighbour.id: one.candidate for one in reversed(rest)}
    others.pop(worst.candidate.neighbour.id, None)
    return tuple(reversed(others.values()))[:MOST_OTHERS]


def _counts(one: Match) -> bool:
    return one.set.kind is Kind.HARMFUL and one.vetoed_by is None


def _not_compared(known: Sequence[Compared], why: Unreadable | None) -> Unreadable | None:
    """Why not everything was compared that could be harmful."""
    for each in known:
        if why is None and each.reason and each.set.kind is Kind.HARMFUL:
            text = f"the harmful set {each.set.name} could not be compared, so the image is not allowed"
            return Unreadable(each.reason, text)
    return why


def _worst_first(one: Match) -> tuple[bool, bool, int, int, bool, float, float, str]:
    """Sorting key: effective harmful matches, by level, severity and scores; then the rest in the same order."""
    return (
        not _counts(one),
        one.set.kind is not Kind.HARMFUL,
        -RANK[one.level],
        -one.set.severity,
        one.decided_on != "content",
        -one.candidate.score,
        -one.candidate.similarity,
        one.set.name,
    )
