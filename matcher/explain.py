"""Why a picture matched a set or did not, for a person to look at: where the reference lies, and a sentence.

A verdict has the region and the figures, and not the pairs of corners. Those are computed again, by the same check.
"""

from dataclasses import dataclass

import numpy as np

from embedding.encoder import Encoder
from embedding.local.features import unpack
from embedding.local.keypoints import Keypoints, detect
from embedding.picture import Pixels
from matcher.check.align import Floats
from matcher.check.weigh import Alignment, check
from matcher.decide import ROUNDING
from matcher.evidence import Candidate, Corners
from matcher.search import Examiner, View, candidates
from matcher.verdict import Near, SetMatch, SetSeen, Verdict
from reference_sets.model import Mirrored, Neighbour, ReferenceSet
from reference_sets.store import Store


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """How a reference lies in a picture, both as they are seen. Positions are fractions of width and height.

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
        seen: the set as it was searched.
        match: what the verdict says; None where the set did not match.
        near: the reference that matched, else the best one; None in an empty set.
        corners: of the picture, as the check sees it.
        candidate: what search and check say of the reference; None if the set has changed meanwhile.
        known: None where the set keeps nothing of it for a check.
        overlay: None where it does not lie in the picture.
    """

    seen: SetSeen
    match: SetMatch | None
    near: Near | None
    corners: int
    candidate: Candidate | None
    known: Known | None
    overlay: Overlay | None


def explain(
    pixels: Pixels, verdict: Verdict, *, encoder: Encoder, examiner: Examiner, store: Store
) -> tuple[Explanation, ...]:
    """Each set of a verdict, the matches first.

    Args:
        pixels: of the picture that was judged; it was not unscannable.
        verdict: on it.
        encoder: as the judge has it; so the others.
        examiner: searches and checks once more.
        store: has the references' features.

    Raises:
        StoreError, Away: as the store does.
        FeaturesError: a row of a set is damaged or was made by another version.
    """
    straight = _view(encoder, pixels)
    mirror = _view(encoder, _mirror(pixels))
    matches = {match.set: match for match in verdict.matches}
    found = []
    place = {name: index for index, name in enumerate(matches)}
    for seen in sorted(verdict.sets, key=lambda each: place.get(each.set, len(place))):
        match = matches.get(seen.set)
        near = match.nearest if match else seen.nearest
        if near is None:
            found.append(Explanation(seen, match, None, _corners(straight), None, None, None))
            continue
        candidate = _candidate(near, store.describe(seen.set), examiner, straight, mirror)
        known = kept(store, seen.set, near)
        evidence = candidate.evidence if candidate else None
        laid = lay(pixels, known, mirrored=evidence.mirrored) if known and evidence else None
        found.append(Explanation(seen, match, near, _corners(straight), candidate, known, laid))
    return tuple(found)


def kept(store: Store, name: str, near: Near) -> Known | None:
    """What the set keeps of a reference for the check; None where it is nothing, or the reference is gone."""
    rows = store.features(name, [Neighbour(near.id, near.label, near.score, mirrored) for mirrored in (False, True)])
    straight, mirror = (rows.get((near.id, mirrored)) for mirrored in (False, True))
    return Known(unpack(straight), unpack(mirror) if mirror else None) if straight else None


def lay(pixels: Pixels, known: Known, *, mirrored: bool) -> Overlay | None:
    """How a reference lies in a picture; None if it does not.

    Args:
        pixels: of the picture.
        known: of the reference.
        mirrored: whether the picture shows the reference's mirror image, as the verdict's evidence says.
    """
    if not mirrored:
        (found,) = check(detect(pixels), [known.keypoints])
        return Overlay(found.region, found.back, found.pairs) if found else None
    if known.mirror:
        (found,) = check(detect(pixels), [known.mirror])
        return Overlay(_other_way(found.region), _flipped(found.back), _pairs_flipped(found, 2)) if found else None
    (found,) = check(detect(_mirror(pixels)), [known.keypoints])
    return Overlay(_flipped(found.region), _other_way(found.back), _pairs_flipped(found, 0)) if found else None


def why(one: Explanation) -> str:
    """One sentence on why the set matched, or did not."""
    match = one.match
    if one.near is None:
        return "no match: the set is empty"
    head: str = match.level if match else "no match"
    if match and match.vetoed_by:
        head += f", taken back by {match.vetoed_by}"
    said = [] if one.seen.verify == "off" else _checked(one)
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
    level = one.match.level if one.match else "review"
    limits = {
        ("similarity", "review"): one.seen.review,
        ("similarity", "block"): one.seen.block,
        ("check", "review"): one.seen.check_review,
        ("check", "block"): one.seen.check_block,
    }
    return limits[what, level], level


def _compared(what: str, score: float, threshold: float, level: str) -> str:
    reached = "reaches" if score >= threshold - ROUNDING else "is below"
    return f"{what} {score:.3f} {reached} {level}'s {threshold:.3f}"


def _view(encoder: Encoder, pixels: Pixels) -> View:
    encoded = encoder.encode([pixels])
    return View(encoded.vectors[0], encoded.keypoints[0] if encoded.keypoints else detect(pixels))


def _corners(view: View) -> int:
    return len(view.keypoints) if view.keypoints else 0


def _candidate(near: Near, known: ReferenceSet, examiner: Examiner, straight: View, mirror: View) -> Candidate | None:
    """The reference among the candidates of the set, as the judge has found them."""
    mirrors = [mirror if known.mirrored is Mirrored.QUERIED else None]
    found = examiner.search(known, [straight], mirrors)
    checked = candidates(straight, mirrors[0], found[0], examiner.read(known, found))
    return next((one for one in checked if one.neighbour.id == near.id), None)


def _mirror(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[:, ::-1])


def _flipped(corners: Corners) -> Corners:
    """The same corners in the mirror image."""
    first, second, third, fourth = ((1 - x, y) for x, y in corners)
    return first, second, third, fourth


def _other_way(corners: Corners) -> Corners:
    """The corners of a mirror image, named as those of what it mirrors."""
    upper_left, upper_right, lower_right, lower_left = corners
    return upper_right, upper_left, lower_left, lower_right


def _pairs_flipped(found: Alignment, column: int) -> Floats:
    """The pairs with the x of one side as in the mirror image."""
    pairs = found.pairs.copy()
    pairs[:, column] = 1 - pairs[:, column]
    return pairs
