"""Why a picture matched a set or did not, for a person to read: where the reference lies, and a sentence.

A verdict has the region and the figures, and not the pairs of corners. Those are computed again, by the same check.
"""

from dataclasses import dataclass

import numpy as np

from embedding.encoder import Encoder
from embedding.local.features import FeaturesError, unpack
from embedding.local.keypoints import Keypoints, detect
from embedding.look import Look, look, mirrored
from embedding.picture import Pixels
from matcher.check.align import Floats
from matcher.check.weigh import Alignment, check
from matcher.decide import ROUNDING
from matcher.evidence import Candidate, Corners, flipped, renamed
from matcher.search import Searcher, candidates, needs_of
from matcher.verdict import SetMatch, SetResult, Verdict
from reference_sets.model import Neighbour, ReferenceSet
from reference_sets.store import Store


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """How a reference lies in a picture. Positions are fractions of width and height, as both are shown.

    Attributes:
        region: the reference's corners in the picture, its upper left first; may lie outside.
        back: the picture's corners in the reference.
        pairs: float32 (inliers, 4): x and y in the picture, x and y in the reference.
    """

    region: Corners
    back: Corners
    pairs: Floats


@dataclass(frozen=True, slots=True)
class Known:
    """What a set keeps of a reference for the check.

    Attributes:
        mirror: keypoints of its mirror image; None where the set stores none.
    """

    keypoints: Keypoints
    mirror: Keypoints | None


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """One set, and the reference of it that says most about the picture.

    Attributes:
        result: the set as it was searched.
        match: what the verdict says; None where the set did not match.
        near: the reference that matched, else the best candidate; None in an empty set.
        corners: of the picture, as the check uses it.
        candidate: what search and check say of the reference now; None if the set has changed meanwhile.
        known: None where the set keeps nothing of it for a check.
        overlay: None where it does not lie in the picture.
    """

    result: SetResult
    match: SetMatch | None
    near: Neighbour | None
    corners: int
    candidate: Candidate | None
    known: Known | None
    overlay: Overlay | None


def explain(
    pixels: Pixels, verdict: Verdict, *, encoder: Encoder, searcher: Searcher, store: Store
) -> tuple[Explanation, ...]:
    """Each set of a verdict, the matches first.

    Args:
        pixels: of the picture that was judged; it was not unscannable.
        verdict: on it.
        encoder: as the judge has it; so the others.
        searcher: searches and checks once more.
        store: has the references' features.

    Raises:
        StoreError, Away: as the store does.
    """
    matches = {match.set: match for match in verdict.matches}
    place = {name: index for index, name in enumerate(matches)}
    described = {result.set: store.describe(result.set) for result in verdict.sets}
    (found,) = look(encoder, [pixels], needs_of(list(described.values())))
    results = sorted(verdict.sets, key=lambda each: place.get(each.set, len(place)))
    return tuple(
        _explained(pixels, each, matches.get(each.set), described[each.set], found, searcher, store)
        for each in results
        if found
    )


def _explained(  # noqa: PLR0913, PLR0917 (one call, and all of it is different for each set)
    pixels: Pixels,
    result: SetResult,
    match: SetMatch | None,
    described: ReferenceSet,
    found: Look,
    searcher: Searcher,
    store: Store,
) -> Explanation:
    corners = len(found.view.keypoints) if found.view.keypoints else 0
    near = nearest(result, match)
    if near is None:
        return Explanation(result, match, None, corners, None, None, None)
    (neighbours,) = searcher.search(described, [found])
    listed = candidates(found, neighbours, searcher.read(described, [neighbours]))
    candidate = next((one for one in listed if one.neighbour.id == near.id), None)
    known = kept(store, result.set, near)
    evidence = candidate.evidence if candidate else None
    overlay = lay(pixels, known, mirror=evidence.mirrored) if known and evidence else None
    return Explanation(result, match, near, corners, candidate, known, overlay)


def nearest(result: SetResult, match: SetMatch | None) -> Neighbour | None:
    """The reference that matched, else the best candidate of the set."""
    if match:
        return Neighbour(match.reference.id, match.reference.label, match.similarity.score)
    if result.candidates:
        best = result.candidates[0]
        return Neighbour(best.id, best.label, best.similarity)
    return None


def kept(store: Store, name: str, near: Neighbour) -> Known | None:
    """What the set keeps of a reference for the check; None if that is nothing or damaged, or it is gone."""
    rows = store.features(name, [near._replace(mirrored=each) for each in (False, True)])
    straight, mirror = (rows.get((near.id, each)) for each in (False, True))
    try:
        return Known(unpack(straight), unpack(mirror) if mirror else None) if straight else None
    except FeaturesError:
        return None


def lay(pixels: Pixels, known: Known, *, mirror: bool) -> Overlay | None:
    """How a reference lies in a picture; None if it does not.

    Args:
        pixels: of the picture.
        known: of the reference.
        mirror: whether the picture shows the reference's mirror image, as the verdict's evidence says.
    """
    if not mirror:
        (found,) = check(detect(pixels), [known.keypoints])
        return Overlay(found.region, found.back, found.pairs) if found else None
    if known.mirror:
        (found,) = check(detect(pixels), [known.mirror])
        return Overlay(renamed(found.region), flipped(found.back), _pairs_flipped(found, 2)) if found else None
    (found,) = check(detect(mirrored(pixels)), [known.keypoints])
    return Overlay(flipped(found.region), renamed(found.back), _pairs_flipped(found, 0)) if found else None


def why(one: Explanation) -> str:
    """One sentence on why the set matched, or did not."""
    match, result = one.match, one.result
    if one.near is None:
        return "no match: the set is empty"
    head: str = match.level if match else "no match"
    if match and match.vetoed_by:
        head += f", taken back by {match.vetoed_by}"
    if not result.compared:
        return f"{head}: the picture has too few corners to be compared with this set"
    said = [] if result.rules.check.use == "off" else _checked(one)
    threshold, level = _limit(one, "similarity")
    if threshold > 0 or not said:  # else similarity only makes candidates
        said.append(_compared("the similarity", one.near.score, threshold, level))
    return f"{head}: {'; '.join(said)}"


def _checked(one: Explanation) -> list[str]:
    """What the check says."""
    candidate = one.candidate
    if candidate is None:
        return ["the set has changed since the picture was judged"]
    if not candidate.checked:
        return ["the picture or the reference has too few corners to be checked"]
    evidence = candidate.evidence
    if evidence is None:
        return ["no place of the picture agrees with the reference"]
    what = "the reference's mirror image" if evidence.mirrored else "the reference"
    said = [f"{evidence.inliers} of the picture's {one.corners} corners agree on where {what} lies"]
    if evidence.distinctive < 1:
        said.append(f"{1 - evidence.distinctive:.0%} of them are a frame that other references have too")
    return [*said, _compared("the check's score", evidence.score, *_limit(one, "check"))]


def _limit(one: Explanation, what: str) -> tuple[float, str]:
    """The threshold of the level that was reached, else of review; and its name."""
    level = one.match.reached if one.match else "review"
    rules = one.result.rules.check if what == "check" else one.result.rules.similarity
    return (rules.block if level == "block" else rules.review), level


def _compared(what: str, score: float, threshold: float, level: str) -> str:
    reached = "reaches" if score >= threshold - ROUNDING else "is below"
    return f"{what} {score:.3f} {reached} {level}'s {threshold:.3f}"


def _pairs_flipped(found: Alignment, column: int) -> Floats:
    """The pairs with the x of one side as in the mirror image."""
    pairs = found.pairs.copy()
    pairs[:, column] = 1 - pairs[:, column]
    return np.asarray(pairs, np.float32)
