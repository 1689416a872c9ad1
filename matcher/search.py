"""A batch's looks → per set and image the candidates that may match, checked where the set checks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from embedding.local.keypoints import MIN_KEYPOINTS, Keypoints
from embedding.look import Look, Needs, View
from matcher.check.weigh import Alignment, check
from matcher.evidence import Candidate, Evidence, flipped, renamed
from matcher.keypoint_cache import KeypointCache
from reference_sets.model import Mirrored, Neighbour, ReferenceSet, Verify
from reference_sets.store import Store

Found = tuple[list[Neighbour], list[Neighbour]]  # near an image, and near its mirror image
Known = dict[tuple[str, bool], Keypoints | None]  # of references, by id and mirrored; None where they are damaged


def needs_of(sets: Sequence[ReferenceSet]) -> Needs:
    """What all the sets together need of an image beside its vector."""
    return Needs(
        keypoints=any(known.verify is not Verify.OFF for known in sets),
        mirror=any(known.mirrored is Mirrored.QUERIED for known in sets),
    )


def comparable(known: ReferenceSet, look: Look) -> bool:
    """Whether the image has what the set needs to match it at all: without keypoints a required check never passes."""
    keypoints = look.view.keypoints
    return known.verify is not Verify.REQUIRED or (keypoints is not None and len(keypoints) >= MIN_KEYPOINTS)


class Searcher:
    """Searches sets and checks what it finds. Safe to use from several threads.

    Args:
        store: where the sets are searched.
        top_k: neighbours asked for per image where similarity decides.
        shortlist: the same where candidates are checked.
        keep_bytes: of references' keypoints, in memory.
    """

    def __init__(self, store: Store, *, top_k: int, shortlist: int, keep_bytes: int) -> None:
        self._store = store
        self._top_k = top_k
        self._shortlist = shortlist
        self._cache = KeypointCache(store, keep_bytes)

    def search(self, known: ReferenceSet, looks: Sequence[Look]) -> list[Found]:
        """Per image what is near it, and what is near its mirror image; one search for the batch, nearest first.

        Args:
            known: the set.
            looks: of n images, n ≥ 1.
        """
        top_k = self._top_k if known.verify is Verify.OFF else self._shortlist
        also = [look.mirror for look in looks if look.mirror and known.mirrored is Mirrored.QUERIED]
        vectors = [look.view.vector for look in looks] + [view.vector for view in also]
        found = self._store.search(known.name, np.stack(vectors), top_k)
        straight, turned = found[: len(looks)], found[len(looks) :]
        return list(zip(straight, turned or [[] for _ in looks], strict=True))

    def read(self, known: ReferenceSet, found: Sequence[Found]) -> Known:
        """What `candidates` needs of the references that were found; at most one question to Milvus for the batch."""
        if known.verify is Verify.OFF:
            return {}
        return self._cache.keypoints(known, [one for pair in found for part in pair for one in part])

    def damaged(self, sets: Sequence[ReferenceSet]) -> Mapping[str, int]:
        """Number of references that are left out because they are damaged, for each set that has some."""
        return self._cache.damaged(sets)


def candidates(look: Look, found: Found, known: Known) -> list[Candidate]:
    """An image's candidates, each reference once: by the check's score, then by similarity. Pure.

    Args:
        look: at the image.
        found: near it and near its mirror image.
        known: keypoints of references. A damaged one is no candidate; one that is missing cannot be checked.
    """
    near, turned = found
    listed = _checked(look.view, near, known)
    if look.mirror is not None:
        listed += [_turned(one) for one in _checked(look.mirror, turned, known)]
    best: dict[str, Candidate] = {}
    for one in sorted(listed, key=lambda one: (-one.score, -one.similarity)):
        best.setdefault(one.neighbour.id, one)
    return list(best.values())


def _checked(view: View, near: Sequence[Neighbour], known: Known) -> list[Candidate]:
    """The neighbours, those with enough keypoints checked."""
    neighbours = [one for one in near if known.get((one.id, one.mirrored), ()) is not None]
    ours = view.keypoints
    theirs = [known.get((one.id, one.mirrored)) for one in neighbours]
    able = [
        index for index, keypoints in enumerate(theirs) if keypoints is not None and len(keypoints) >= MIN_KEYPOINTS
    ]
    if ours is None or len(ours) < MIN_KEYPOINTS:
        able = []
    listed = [Candidate(one) for one in neighbours]
    alignments = check(ours, [one for index in able if (one := theirs[index])]) if ours and able else []
    for index, alignment in zip(able, alignments, strict=True):
        evidence = _evidence(alignment, mirrored=neighbours[index].mirrored) if alignment else None
        listed[index] = Candidate(neighbours[index], checked=True, evidence=evidence)
    return listed


def _evidence(alignment: Alignment, *, mirrored: bool) -> Evidence:
    """As values; the region's corners are those of the reference itself, also where its mirror image was found."""
    return Evidence(
        score=alignment.score,
        inliers=alignment.inliers,
        share=alignment.share,
        distinctive=alignment.distinctive,
        coverage=alignment.coverage,
        region=renamed(alignment.region) if mirrored else alignment.region,
        mirrored=mirrored,
    )


def _turned(candidate: Candidate) -> Candidate:
    """What was found in the image's mirror image, as it is in the image."""
    near, evidence = candidate.neighbour, candidate.evidence
    if evidence is not None:
        evidence = replace(evidence, region=flipped(evidence.region), mirrored=True)
    return Candidate(near._replace(mirrored=True), candidate.checked, evidence)
