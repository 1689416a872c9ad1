"""The decision from the candidates of all sets. Pure: no clock, tested as a table (docs/verdicts.md).

    set kind     level block              level review             no level
    harmful      block                    review                   nothing
    allow        vetoes block and review  vetoes review            nothing
    reference    reported                 reported                 nothing

    step
    1  levels        each candidate in use gets its level (levels.py)
    2  vetoes        which harmful matches an allowed picture cancels (veto.py)
    3  alone         harmful matches that no other encoder's corroborates are lowered or dropped (corroborate.py)
    4  vetoes        the same as 2 by the new levels: a match that is for review now can be vetoed by review
    5  per set       the worst match that is not vetoed, in whichever view it was found; if all are vetoed, the worst
    6  decision      the highest level that is not vetoed
    7  not compared  instead of allow: see below

No image is allowed because it could not be compared. Harmful sets of one group speak of the same thing, so one of each
group must have been compared by an encoder of pictures. Exact lists (encoder `exact`) hold digests only: they do not
count, and a group that has nothing else needs nothing. Exactly the same content needs no comparison, so it decides
whatever else is wrong with the image.

Scores of different encoders have different scales and are never compared: matches are ordered by level, severity,
content and the check's score, which has one scale for all, and by similarity only within a set.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from embedding.image import Unreadable
from matcher.corroborate import corroborated
from matcher.evidence import Candidate
from matcher.levels import RANK, Compared, Match, in_use, matches
from matcher.veto import vetoed
from reference_sets.in_memory.constants import is_exact
from reference_sets.model import Kind

Decision = Literal["block", "review", "allow", "unscannable"]
MOST_OTHERS = 8  # further references that a match names: a collage of 3 x 3 has nine


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
    judged_at: datetime,
    instead_of_allow: Unreadable | Literal["review"] | None = None,
) -> Outcome:
    """The decision on one image.

    Args:
        compared: all sets in force.
        problem: why the image could not be embedded; it is unscannable then, unless its content decides.
        judged_at: the verdict's time, with its zone: references that are disabled at this time do not count.
        instead_of_allow: the decision if nothing harmful is found: unscannable for this reason, or review. For images
            of which only a part could be compared. None: allow.
    """
    known = [in_use(each, judged_at) for each in compared]
    found = [one for each in known for one in matches(each)]
    allowed = [one for one in found if one.set.kind is Kind.ALLOW]
    judged = [*_harmful(found, allowed), *(one for one in found if one.set.kind is not Kind.HARMFUL)]
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


def _harmful(found: Sequence[Match], allowed: Sequence[Match]) -> list[Match]:
    """The harmful matches, vetoed and corroborated."""
    harmful = [one for one in found if one.set.kind is Kind.HARMFUL]
    unvetoed = [one for one in harmful if vetoed(one, allowed).vetoed_by is None]
    return [vetoed(one, allowed) for one in corroborated(harmful, unvetoed)]


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
    """Why not enough was compared: a group of harmful sets of which none was, but for exact lists and empty sets."""
    groups: dict[str, list[Compared]] = {}
    for each in known:
        if each.set.kind is Kind.HARMFUL and not is_exact(each.set.encoder):
            groups.setdefault(each.set.group_name, []).append(each)
    for sets in groups.values():
        # An empty set can always be compared, and says nothing about what the others hold.
        least = [each for each in sets if not each.empty] or sets
        if why is None and all(each.reason for each in least):
            why = _reason(least)
    return why


def _reason(sets: Sequence[Compared]) -> Unreadable | None:
    """The first reason for which the sets of a group were not compared."""
    reason, names = sets[0].reason, ", ".join(each.set.name for each in sets)
    if reason is None:
        return None
    one = f"the harmful set {names}" if len(sets) == 1 else f"the harmful sets {names}"
    return Unreadable(reason, f"{one} could not be compared, so the image is not allowed")


def _worst_first(one: Match) -> tuple[bool, bool, int, int, bool, float, str, float]:
    """Sorting key: effective harmful matches, worst first; then the rest in the same order."""
    return (
        not _counts(one),
        one.set.kind is not Kind.HARMFUL,
        -RANK[one.level],
        -one.set.severity,
        one.decided_on != "content",
        -one.candidate.score,
        one.set.name,
        -one.candidate.scored,
    )
