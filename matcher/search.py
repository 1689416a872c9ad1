"""A batch's vectors → per set and image the candidates that may match, checked where the set wants it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from embedding.local.keypoints import MATCHABLE, Keypoints
from matcher.check.weigh import Alignment, check
from matcher.evidence import Candidate, Corners, Evidence
from matcher.keypoint_cache import Shelf
from reference_sets.model import Mirrored, Neighbour, ReferenceSet, Verify
from reference_sets.store import Store

Found = tuple[list[Neighbour], list[Neighbour]]  # near an image, and near its mirror image
Known = dict[tuple[str, bool], Keypoints]  # of references, by id and mirrored


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """An image as it is compared.

    Attributes:
        vector: float32 (d,), unit length.
        keypoints: None when no set checks.
    """

    vector: NDArray[np.float32]
    keypoints: Keypoints | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """What sets need of an image beside its vector."""

    keypoints: bool
    mirror: bool

    @classmethod
    def of(cls, sets: Sequence[ReferenceSet]) -> "Needs":
        """The needs of all the sets together."""
        return cls(
            keypoints=any(known.verify is not Verify.OFF for known in sets),
            mirror=any(known.mirrored is Mirrored.QUERIED for known in sets),
        )

    def within(self, met: "Needs") -> bool:
        """Whether nothing is needed that is not met."""
        return self.keypoints <= met.keypoints and self.mirror <= met.mirror


class Examiner:
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
        self._shelf = Shelf(store, keep_bytes)

    def search(self, known: ReferenceSet, views: Sequence[View], mirrors: Sequence[View | None]) -> list[Found]:
        """Per image what is near it, and what is near its mirror image; one search for the batch, nearest first.

        Args:
            known: the set.
            views: of n images, n ≥ 1.
            mirrors: of their mirror images; None where they are not needed.
        """
        top_k = self._top_k if known.verify is Verify.OFF else self._shortlist
        also = [mirror for mirror in mirrors if mirror and known.mirrored is Mirrored.QUERIED]
        found = self._store.search(known.name, np.stack([view.vector for view in (*views, *also)]), top_k)
        straight, turned = found[: len(views)], found[len(views) :]
        return list(zip(straight, turned or [[] for _ in views], strict=True))

    def read(self, known: ReferenceSet, found: Sequence[Found]) -> Known:
        """What `candidates` needs of the references that were found; at most one question to Milvus for the batch."""
        if known.verify is Verify.OFF:
            return {}
        return self._shelf.keypoints(known, [one for pair in found for part in pair for one in part])


def candidates(view: View, mirror: View | None, found: Found, known: Known) -> list[Candidate]:
    """An image's candidates, each reference once: by the check's score, then by similarity. Pure.

    Args:
        view: of the image.
        mirror: of its mirror image, where it is needed.
        found: near each of the two.
        known: references that can be checked; others are candidates by their similarity alone.
    """
    near, turned = found
    listed = _checked(view, near, known)
    if mirror is not None:
        listed += [_turned(one) for one in _checked(mirror, turned, known)]
    return _each_once(listed)


def _checked(view: View, neighbours: Sequence[Neighbour], known: Known) -> list[Candidate]:
    """The neighbours, those with enough keypoints checked."""
    ours = view.keypoints
    theirs = [known.get((one.id, one.mirrored)) for one in neighbours]
    able = [index for index, keypoints in enumerate(theirs) if keypoints is not None and len(keypoints) >= MATCHABLE]
    if ours is None or len(ours) < MATCHABLE:
        able = []
    candidates = [Candidate(one) for one in neighbours]
    alignments = check(ours, [one for index in able if (one := theirs[index])]) if ours and able else []
    for index, alignment in zip(able, alignments, strict=True):
        candidates[index] = Candidate(
            neighbours[index],
            checked=True,
            evidence=_evidence(alignment, mirrored=neighbours[index].mirrored) if alignment else None,
        )
    return candidates


def _evidence(alignment: Alignment, *, mirrored: bool) -> Evidence:
    """As values; the region's corners are those of the reference itself, also where its mirror image was found."""
    upper_left, upper_right, lower_right, lower_left = alignment.region
    as_known: Corners = (upper_right, upper_left, lower_left, lower_right) if mirrored else alignment.region
    return Evidence(
        score=alignment.score,
        inliers=alignment.inliers,
        share=alignment.share,
        distinctive=alignment.distinctive,
        coverage=alignment.coverage,
        region=as_known,
        mirrored=mirrored,
    )


def _turned(candidate: Candidate) -> Candidate:
    """What was found in the image's mirror image, as it is in the image."""
    near, evidence = candidate.neighbour, candidate.evidence
    if evidence is not None:
        first, second, third, fourth = ((1 - x, y) for x, y in evidence.region)
        evidence = replace(evidence, region=(first, second, third, fourth), mirrored=True)
    return Candidate(Neighbour(near.id, near.label, near.score, mirrored=True), candidate.checked, evidence)


def _each_once(candidates: list[Candidate]) -> list[Candidate]:
    best: dict[str, Candidate] = {}
    for one in sorted(candidates, key=lambda one: (-one.score, -one.neighbour.score)):
        best.setdefault(one.neighbour.id, one)
    return list(best.values())
