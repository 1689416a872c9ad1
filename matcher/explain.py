"""Why a picture matched a set or did not, for a person: one sentence, and where the reference lies in the picture.

A verdict has the region and the figures, but not the pairs of corners. They are computed again, by the same check.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embedding.encoders import Encoders
from embedding.image import Reason
from embedding.local.features import FeaturesError, unpack
from embedding.local.keypoints import Keypoints, detect
from embedding.look import Look, look, mirrored
from embedding.picture import Pixels
from matcher.candidates import candidates
from matcher.check.common import check
from matcher.check.projective import Floats
from matcher.check.weigh import Alignment
from matcher.demand import demand_of
from matcher.evidence import Box, Candidate, Corners, flipped, renamed
from matcher.levels import ROUNDING
from matcher.search import NOT_NORMALISED, Near, Searcher
from matcher.verdict import SetMatch, SetResult, Verdict
from reference_sets.in_memory.constants import EXACT_NAME
from reference_sets.model import Neighbour, ReferenceSet
from reference_sets.store import Store


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """How a reference lies in a picture. Positions are fractions of width and height, as both are shown.

    Attributes:
        region: the reference's corners in the picture, upper left first; they may lie outside.
        back: the picture's corners in the reference.
        pairs: float32 (inliers, 4): x and y in the picture, x and y in the reference.
    """

    region: Corners
    back: Corners
    pairs: Floats

    def in_whole(self, box: Box) -> "Overlay":
        """The same, found in a part of a picture, as it lies in the whole; `back` stays that of the part."""
        left, top, right, bottom = box
        size, start = np.array([right - left, bottom - top], np.float32), np.array([left, top], np.float32)
        first, second, third, fourth = ((float(x), float(y)) for x, y in np.array(self.region) * size + start)
        pairs = np.concatenate([self.pairs[:, :2] * size + start, self.pairs[:, 2:]], 1)
        return Overlay((first, second, third, fourth), self.back, pairs.astype(np.float32))


@dataclass(frozen=True, slots=True)
class StoredKeypoints:
    """What a set stores of a reference for the check.

    Attributes:
        keypoints: of the reference.
        mirror: of its mirror image; None if the set does not store them.
    """

    keypoints: Keypoints
    mirror: Keypoints | None


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """One set, and its reference that says most about the picture.

    Attributes:
        result: the set as it was searched.
        match: the verdict's match; None if the set did not match.
        near: the reference that matched, else the best candidate; None if there is none.
        corners: number of the picture's corners, as the check uses them.
        candidate: the result of searching and checking again; None if the set has changed since the verdict.
        stored: None if the set stores nothing of the reference for a check.
        overlay: None if the reference is not in the picture.
    """

    result: SetResult
    match: SetMatch | None
    near: Neighbour | None
    corners: int
    candidate: Candidate | None
    stored: StoredKeypoints | None
    overlay: Overlay | None


def explain(
    pixels: Pixels, verdict: Verdict, *, encoders: Encoders, searcher: Searcher, store: Store
) -> tuple[Explanation, ...]:
    """An explanation for each set of a verdict, the matches first.

    Args:
        pixels: of the judged picture, which must not be unscannable.
        verdict: on that picture.
        encoders: the judge's.
        searcher: the judge's; searches and checks again.
        store: the judge's; holds the references' features.

    Raises:
        StoreError, Away: see `Store`.
    """
    matches = {match.set: match for match in verdict.matches}
    place = {name: index for index, name in enumerate(matches)}
    described = {result.set: store.describe(result.set) for result in verdict.sets}
    demand = demand_of(list(described.values()))
    # One that could not look at the picture, or raised for it, has no part in the verdict either.
    looked = {each.fingerprint for each in verdict.encoders if each.looked}
    loaded = [encoders.with_fingerprint(each).encoder for each in demand.encoders if each in looked]
    (found,) = look(loaded, [pixels], demand.needs)
    corners = len(found.view.keypoints) if found.view.keypoints else 0
    near = [_near(each, found, searcher, store) for each in described.values()]
    listed = dict(zip(described, candidates(found, near), strict=True))
    results = sorted(verdict.sets, key=lambda each: place.get(each.set, len(place)))
    return tuple(_explained(pixels, each, matches.get(each.set), corners, listed[each.set], store) for each in results)


def _near(known: ReferenceSet, found: Look, searcher: Searcher, store: Store) -> Near:
    """What the search finds in a set."""
    near = searcher.search(known, [found])
    nearest_ = NOT_NORMALISED
    if known.background:
        (nearest_,) = searcher.background(known, store.describe(known.background), [found])
    return Near(known, near[0], searcher.read_keypoints(known, near), nearest_)


def _explained(  # noqa: PLR0913, PLR0917 (one call, most arguments differ for each set)
    pixels: Pixels,
    result: SetResult,
    match: SetMatch | None,
    corners: int,
    listed: Sequence[Candidate],
    store: Store,
) -> Explanation:
    near = nearest(result, match)
    if near is None:
        return Explanation(result, match, None, corners, None, None, None)
    candidate = next((one for one in listed if one.neighbour.id == near.id), None)
    stored = stored_keypoints(store, result.set, near)
    evidence = candidate.evidence if candidate else None
    overlay = overlay_of(pixels, stored, mirror=evidence.mirrored) if stored and evidence else None
    return Explanation(result, match, near, corners, candidate, stored, overlay)


def nearest(result: SetResult, match: SetMatch | None) -> Neighbour | None:
    """The reference that matched, else the best candidate of the set."""
    if match:
        return Neighbour(match.reference.id, match.reference.label, match.similarity.score)
    if result.candidates:
        best = result.candidates[0]
        return Neighbour(best.id, best.label, best.similarity)
    return None


def stored_keypoints(store: Store, name: str, near: Neighbour) -> StoredKeypoints | None:
    """What the set stores of a reference for the check; None if there is nothing, it is damaged, or it was removed."""
    rows = store.features(name, [near._replace(mirrored=each) for each in (False, True)])
    straight, mirror = (rows.get((near.id, each), (b"", None))[0] for each in (False, True))
    try:
        return StoredKeypoints(unpack(straight), unpack(mirror) if mirror else None) if straight else None
    except FeaturesError:
        return None


def overlay_of(pixels: Pixels, stored: StoredKeypoints, *, mirror: bool) -> Overlay | None:
    """How a reference lies in a picture; None if it is not in it.

    Args:
        pixels: of the picture.
        stored: of the reference.
        mirror: whether the picture shows the reference's mirror image, as the verdict's evidence says.
    """
    if not mirror:
        (found,) = check(detect(pixels), [stored.keypoints])
        return Overlay(found.region, found.back, found.pairs) if found else None
    if stored.mirror:
        (found,) = check(detect(pixels), [stored.mirror])
        return Overlay(renamed(found.region), flipped(found.back), _pairs_flipped(found, 2)) if found else None
    (found,) = check(detect(mirrored(pixels)), [stored.keypoints])
    return Overlay(flipped(found.region), renamed(found.back), _pairs_flipped(found, 0)) if found else None


_OTHERWISE = "the picture was not compared with this set"
_NOT_COMPARED: dict[Reason | None, str] = {
    Reason.FEATURELESS: "the picture has too little detail to be compared with this set",
    Reason.ENCODER_FAILED: "the set's encoder failed for this picture, as the log says",
}


def why(one: Explanation) -> str:
    """One sentence on why the set matched, or did not."""
    match, result = one.match, one.result
    if one.near is None:
        return f"no match: {_nothing_found(result)}"
    outcome: str = match.level if match else "no match"
    if match and match.vetoed_by:
        outcome += f", vetoed by {match.vetoed_by}"
    elif match and match.capped_by:
        outcome += f" at most ({', '.join(match.capped_by)})"
    if match and match.decided_on == "content":
        return f"{outcome}: the file has exactly the reference's bytes"
    if not result.compared:
        return f"{outcome}: {_NOT_COMPARED.get(result.reason, _OTHERWISE)}"
    reasons = [] if result.rules.check.use == "off" else _checked(one)
    threshold, level = _limit(one, "similarity")
    if threshold > 0 or not reasons:  # otherwise similarity only selects candidates
        reasons.append(_compared(*_similarity(one, one.near), threshold, level))
    if match is None and result.rules.alone == "nothing":
        reasons.append("it matches only if a match of another encoder of its group corroborates it")
    elif match and match.corroborated_by:
        reasons.append(f"corroborated by {', '.join(match.corroborated_by)}")
    return f"{outcome}: {'; '.join(reasons)}"


def _nothing_found(result: SetResult) -> str:
    """Why a set has no candidate."""
    if not result.compared:
        return _NOT_COMPARED.get(result.reason, _OTHERWISE)
    if result.encoder == EXACT_NAME:
        return "the list has no digest of this file"
    return "the set is empty, or all of its references are disabled"


def _similarity(one: Explanation, near: Neighbour) -> tuple[str, float]:
    """What the thresholds of similarity are compared with: its name and value, as the verdict has them."""
    if one.match:
        normalised = one.match.similarity.normalised
    else:
        normalised = next((each.normalised for each in one.result.candidates if each.id == near.id), None)
    return ("the similarity", near.score) if normalised is None else ("the normalised similarity", normalised)


def _checked(one: Explanation) -> list[str]:
    """The check's result in words."""
    candidate = one.candidate
    if candidate is None:
        return ["the set has changed since the picture was judged"]
    if not candidate.checked:
        return ["the picture or the reference has too few corners to be checked"]
    evidence = candidate.evidence
    if evidence is None:
        return ["no place of the picture agrees with the reference"]
    what = "the reference's mirror image" if evidence.mirrored else "the reference"
    reasons = [f"{evidence.inliers} of the picture's {one.corners} corners agree on where {what} lies"]
    if evidence.distinctive < 1:
        reasons.append(f"{1 - evidence.distinctive:.0%} of them recur elsewhere or are a common frame")
    if evidence.differs:
        reasons.append(f"the picture differs from it in {len(evidence.differs)} or more places")
    return [*reasons, _compared("the check's score", evidence.score, *_limit(one, "check"))]


def _limit(one: Explanation, what: str) -> tuple[float, str]:
    """The threshold of the level that was reached, else of review; and the level's name."""
    level = one.match.reached if one.match else "review"
    rules = one.result.rules.check if what == "check" else one.result.rules.similarity
    return (rules.block if level == "block" else rules.review), level


def _compared(what: str, score: float, threshold: float, level: str) -> str:
    reached = "reaches" if score >= threshold - ROUNDING else "is below"
    return f"{what} {score:.3f} {reached} {level}'s {threshold:.3f}"


def _pairs_flipped(found: Alignment, column: int) -> Floats:
    """The pairs, with the x in this column mirrored."""
    pairs = found.pairs.copy()
    pairs[:, column] = 1 - pairs[:, column]
    return np.asarray(pairs, np.float32)
