"""Whether an allowed picture cancels a harmful match. Pure (docs/verdicts.md).

An allow match vetoes a harmful one if both are in the same view, or the harmful one in a second look at what the allow
match's view shows; its level is the same or higher; both were found by the same measure; and it is the better
explanation of what is there:

    verified by the check   it covers the harmful match's region, most of it is in the image, and what only the allowed
                            picture has is there, rather than what only the harmful one has
    by similarity alone     it is nearer, by the same encoder: similarities of different encoders are never compared

Where it lies elsewhere in the image, or was found by another measure, it says nothing about the harmful match. Where
nothing tells the two apart, a person decides: the harmful match's level is at most review.

The same bytes as an allowed picture's veto everything in the image. The same bytes in an allow set and in a harmful one
are for a person too.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

from matcher.evidence import CONTRADICTED, Placing, covered
from matcher.levels import RANK, ROUNDING, Match

# Share of the harmful match's region that the allowed one must cover. The maps of two references onto the same place
# differ by up to 0.016 of the picture's longest side (matcher/check/align.py).
_COVERED = 0.85

_Effect = Literal["cancels", "contradicts"] | None


def vetoed(harmful: Match, allowed: Sequence[Match]) -> Match:
    """The harmful match, marked with the best allow match that vetoes it, or capped if the two contradict."""
    effects = [(each, _effect(harmful, each)) for each in allowed]
    cancelling = [each for each, effect in effects if effect == "cancels"]
    if cancelling:
        best = min(cancelling, key=partial(_best_first, harmful))
        return replace(harmful, vetoed_by=best.set.name)
    if harmful.level == "block" and any(effect == "contradicts" for _, effect in effects):
        return replace(harmful, level="review", capped_by=(*harmful.capped_by, "allowed"))
    return harmful


def _best_first(harmful: Match, allowed: Match) -> tuple[bool, float, bool, float, str]:
    """Sorting key for the allow matches that veto: by content, by check, then those of the harmful match's encoder."""
    one, same_encoder = allowed.candidate, allowed.set.encoder == harmful.set.encoder
    nearness = one.similarity if same_encoder else 0.0
    return not one.content, -one.score, not same_encoder, -nearness, allowed.set.name


def _effect(harmful: Match, allowed: Match) -> _Effect:
    """What an allow match does to a harmful one."""
    by_content = harmful.decided_on == "content", allowed.decided_on == "content"
    if by_content == (True, True):
        return "contradicts"
    if by_content == (True, False) or RANK[allowed.level] < RANK[harmful.level]:
        return None
    if by_content == (False, True):
        return "cancels"
    if harmful.passed_check != allowed.passed_check:
        return None
    if harmful.candidate.view == allowed.candidate.view:
        return _by_check(harmful, allowed) if harmful.passed_check else _by_similarity(harmful, allowed)
    return _by_check_in_whole(harmful, allowed) if harmful.passed_check and allowed.candidate.view == 0 else None


def _by_check(harmful: Match, allowed: Match) -> _Effect:
    return _explained(harmful, allowed, harmful.candidate.leads.get(_placing(allowed), 0.0))


def _by_check_in_whole(harmful: Match, allowed: Match) -> _Effect:
    lead = harmful.candidate.leads_in_whole.get(_placing(allowed))
    return None if lead is None else _explained(harmful, allowed, lead)


def _placing(match: Match) -> Placing:
    near = match.candidate.neighbour
    return Placing(match.set.name, near.id, near.mirrored)


def _explained(harmful: Match, allowed: Match, lead: float) -> _Effect:
    there, here = harmful.candidate.evidence, allowed.candidate.evidence
    if there is None or here is None or covered(there.region, here.region) < _COVERED:
        return None
    if here.share < CONTRADICTED:  # perhaps the harmful picture is all of it that is in the image
        return None
    if lead:
        return "cancels" if lead < 0 else None
    return "contradicts"


def _by_similarity(harmful: Match, allowed: Match) -> _Effect:
    if harmful.set.encoder != allowed.set.encoder:
        return None
    nearer = allowed.candidate.similarity - harmful.candidate.similarity
    if nearer > ROUNDING:
        return "cancels"
    return "contradicts" if nearer >= -ROUNDING else None
