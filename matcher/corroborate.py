"""What a harmful match is worth by itself, and whether matches of other encoders corroborate it. Pure.

    the match                            level
    by content                           its own
    corroborated                         its own
    otherwise, by the set's `alone`      block: its own; review: at most review; nothing: it is no match

A match corroborates another one if both are harmful, of different encoders (fingerprints), of sets of one group, and in
the same view of the image. Exactly the same content is in every view. The match that corroborates must not be vetoed,
and has at least level review before its own `alone` lowers it: so two sets that are worth nothing by themselves can
corroborate one another. Scores are not compared, because those of different encoders have different scales.

The relation is symmetric but for vetoes. So a match that corroborates is capped only if the other one is vetoed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from matcher.levels import LEVELS, RANK, Match

_Found = dict[tuple[str, int | None], set[tuple[str, str]]]  # group, view → encoder and name of sets that match there


def corroborated(harmful: Iterable[Match], unvetoed: Sequence[Match]) -> Iterator[Match]:
    """The matches that are left, with the sets that corroborate them, and with levels lowered by `alone`.

    Args:
        harmful: all matches with harmful sets, before vetoes.
        unvetoed: those of them that no allowed picture cancels.
    """
    in_view: _Found = {}
    anywhere: _Found = {}
    for one in unvetoed:
        named = one.set.encoder, one.set.name
        in_view.setdefault((one.set.group_name, _view(one)), set()).add(named)
        anywhere.setdefault((one.set.group_name, None), set()).add(named)
    for one in harmful:
        group, view = one.set.group_name, _view(one)
        if view is None:
            there = anywhere.get((group, None), set())
        else:
            there = in_view.get((group, view), set()) | in_view.get((group, None), set())
        by = tuple(sorted({name for encoder, name in there if encoder != one.set.encoder}))
        if kept := _alone(replace(one, corroborated_by=by)):
            yield kept


def _view(one: Match) -> int | None:
    """The view in which it was found; None: in all."""
    return None if one.decided_on == "content" else one.candidate.view


def _alone(one: Match) -> Match | None:
    """The match, with its level lowered if nothing corroborates it; None if it is worth nothing."""
    cap = RANK[one.set.alone]
    if one.corroborated_by or one.decided_on == "content" or cap >= RANK[one.level]:
        return one
    level = LEVELS[cap]
    return replace(one, level=level, capped_by=(*one.capped_by, "alone")) if level else None
