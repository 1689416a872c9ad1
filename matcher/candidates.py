"""An image's look, and what the searches found for it → the candidates of all sets, checked if the set checks. Pure.

All sets are checked together: what references of several sets have in common is a frame, and an allowed picture is
compared with the harmful ones on the same ground (check/tell_apart.py).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from embedding.local.keypoints import MIN_KEYPOINTS, Keypoints
from embedding.look import Look
from matcher.check.common import check, without_common
from matcher.check.tell_apart import Shown, lead, shown
from matcher.check.weigh import Alignment, Placed, place
from matcher.evidence import NO_LEADS, Candidate, Evidence, Placing, flipped, flipped_box, renamed
from matcher.search import Near
from matcher.whole import Lying, allowed_in, beside
from reference_sets.model import Kind, Neighbour, ReferenceSet, Verify


class _Checkable(NamedTuple):
    """The neighbours in one set that are no damaged references, and the keypoints of those that can be checked.

    Attributes:
        nearest: mean similarity of the background, which lessens theirs; None: there is no background.
    """

    set: ReferenceSet
    neighbours: list[Neighbour]
    keypoints: dict[int, Keypoints]
    nearest: float | None = None

    def candidate(self, index: int, **facts: Any) -> Candidate:
        """The neighbour with this number as a candidate."""
        one = self.neighbours[index]
        normalised = None if self.nearest is None else one.score - self.nearest
        return Candidate(one, normalised=normalised, **facts)


def candidates(look: Look, near: Sequence[Near], *, contested: bool = False) -> list[list[Candidate]]:
    """An image's candidates in each set, each reference once: by the check's score, then by similarity.

    Args:
        look: a look at the image.
        near: what was found for it in each set.
        contested: an allowed picture that was found in another look may contradict what is found here.
    """
    listed = _checked(look.view.keypoints, [_checkable(each, 0) for each in near], contested=contested)
    if look.mirror is not None:
        sets = [_checkable(each, 1) for each in near]
        turned = _checked(look.mirror.keypoints, sets, contested=contested)
        listed = [[*straight, *map(_turned, more)] for straight, more in zip(listed, turned, strict=True)]
    return [_each_once(each) for each in listed]


def candidates_of_looks(looks: Sequence[tuple[Look, Sequence[Near]]]) -> list[list[list[Candidate]]]:
    """The candidates of each look at an image, in each set; those of second looks beside the first one."""
    found: list[list[list[Candidate]]] = []
    allowed: list[Lying] = []
    for number, (look, near) in enumerate(looks):
        listed = candidates(look, near, contested=look.second and bool(allowed))
        if number == 0 and not look.second:
            allowed = allowed_in(look, near, listed)
        elif look.second and allowed:
            listed = beside(allowed, looks[0][0], look, near, listed)
        found.append(listed)
    return found


def _each_once(listed: Sequence[Candidate]) -> list[Candidate]:
    best: dict[str, Candidate] = {}
    for one in sorted(listed, key=lambda one: (-one.score, -one.similarity)):
        best.setdefault(one.neighbour.id, one)
    return list(best.values())


def _checkable(near: Near, side: int) -> _Checkable:
    pairs = [(one, near.stored.get((one.id, one.mirrored))) for one in near.found[side]]
    pairs = [(one, stored) for one, stored in pairs if stored is None or not stored.damaged]
    neighbours = [one._replace(facts=stored.facts) if stored else one for one, stored in pairs]
    theirs = (stored.keypoints if stored else None for _, stored in pairs)
    keypoints = {index: each for index, each in enumerate(theirs) if each is not None and len(each) >= MIN_KEYPOINTS}
    return _Checkable(near.set, neighbours, keypoints, near.nearest[side])


def _checked(ours: Keypoints | None, sets: Sequence[_Checkable], *, contested: bool) -> list[list[Candidate]]:
    """The neighbours as candidates; those with enough keypoints are checked."""
    if ours is None or len(ours) < MIN_KEYPOINTS:
        return [[each.candidate(index) for index in range(len(each.neighbours))] for each in sets]
    aligned = _aligned(ours, sets, contested=contested)
    leads = _leads(ours, sets, aligned)
    return [
        [
            each.candidate(
                index,
                checked=index in each.keypoints,
                evidence=_evidence(found[index], mirrored=one.mirrored) if index in found else None,
                leads=leads.get((number, index), NO_LEADS),
            )
            for index, one in enumerate(each.neighbours)
        ]
        for number, (each, found) in enumerate(zip(sets, aligned, strict=True))
    ]


def _aligned(ours: Keypoints, sets: Sequence[_Checkable], *, contested: bool) -> list[dict[int, Alignment]]:
    """How the neighbours lie in the picture, by their numbers."""
    placed: dict[int, Placed] = {}
    for number in sorted(range(len(sets)), key=lambda number: sets[number].set.kind is not Kind.ALLOW):
        each = sets[number]
        # An allowed picture may contradict the first harmful reference and not the next.
        thorough = contested and each.set.kind is Kind.HARMFUL
        found = placed[number] = place(ours, each.keypoints, thorough=thorough)
        contested = contested or (each.set.kind is Kind.ALLOW and bool(found.alignments))
    return without_common(ours, [placed[number] for number in range(len(sets))])


def _leads(
    ours: Keypoints, sets: Sequence[_Checkable], aligned: Sequence[dict[int, Alignment]]
) -> dict[tuple[int, int], dict[Placing, float]]:
    """By set and neighbour of harmful references: by how much they lead over each allowed one on the same ground."""
    seen: dict[Kind, list[tuple[int, int, Shown]]] = {Kind.HARMFUL: [], Kind.ALLOW: []}
    kinds = {each.set.kind for each, found in zip(sets, aligned, strict=True) if found}
    if not kinds >= seen.keys():
        return {}
    for number, (each, found) in enumerate(zip(sets, aligned, strict=True)):
        if each.set.kind in seen:
            seen[each.set.kind] += [
                (number, index, shown(ours, each.keypoints[index], one.region))
                for index, one in found.items()
                if one.score >= each.set.check.review
            ]
    return {
        (number, index): {
            _placing(sets[other], row): lead(harmful, allowed) for other, row, allowed in seen[Kind.ALLOW]
        }
        for number, index, harmful in seen[Kind.HARMFUL]
    }


def _placing(of: _Checkable, index: int) -> Placing:
    near = of.neighbours[index]
    return Placing(of.set.name, near.id, near.mirrored)


def _evidence(alignment: Alignment, *, mirrored: bool) -> Evidence:
    """The alignment as evidence; the region's corners are in the reference's own order, also for its mirror image."""
    return Evidence(
        score=alignment.score,
        inliers=alignment.inliers,
        share=alignment.share,
        distinctive=alignment.distinctive,
        coverage=alignment.coverage,
        region=renamed(alignment.region) if mirrored else alignment.region,
        mirrored=mirrored,
        differs=alignment.differs,
    )


def _turned(candidate: Candidate) -> Candidate:
    """A candidate found in the image's mirror image, as it lies in the image itself."""
    near, evidence = candidate.neighbour, candidate.evidence
    if evidence is not None:
        evidence = replace(
            evidence,
            region=flipped(evidence.region),
            mirrored=True,
            differs=tuple(map(flipped_box, evidence.differs)),
        )
    leads = {each._replace(mirrored=True): value for each, value in candidate.leads.items()}
    return candidate._replace(neighbour=near._replace(mirrored=True), evidence=evidence, leads=leads)


def finds_itself(look: Look, known: ReferenceSet) -> bool:
    """Whether a set finds an exact copy of a picture by its thresholds, not only by the digest of its file."""
    if known.verify is not Verify.REQUIRED:
        return True  # the similarity to itself is 1, which every threshold permits
    ours = look.view.keypoints
    if ours is None or len(ours) < MIN_KEYPOINTS:
        return False
    (found,) = check(ours, [ours])
    return found is not None and found.score >= known.check.review
