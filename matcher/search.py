"""A batch's looks → per set and view the references near it, their keypoints, and references with the same content."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from embedding.local.keypoints import MIN_KEYPOINTS, Keypoints
from embedding.look import Look
from embedding.picture import Needs
from matcher.evidence import Candidate
from matcher.keypoint_cache import KeypointCache
from reference_sets.digest_table import DigestTable
from reference_sets.model import Cap, Known, Mirrored, Neighbour, ReferenceSet, Verify
from reference_sets.store import Store

Found = tuple[list[Neighbour], list[Neighbour]]  # near an image, and near its mirror image
CAPS: tuple[Cap, ...] = ("block", "review", "nothing")
ReferenceKeypoints = dict[tuple[str, bool], Keypoints | None]  # by id and mirrored; None if damaged


def needs_of(sets: Sequence[ReferenceSet]) -> Needs:
    """What all the sets together need of an image besides its vector."""
    return Needs(
        keypoints=any(known.verify is not Verify.OFF for known in sets),
        mirror=any(known.mirrored is Mirrored.QUERIED for known in sets),
    )


def comparable(known: ReferenceSet, look: Look) -> bool:
    """Whether the set can match the image at all: without enough keypoints a required check never passes."""
    keypoints = look.view.keypoints
    return known.verify is not Verify.REQUIRED or (keypoints is not None and len(keypoints) >= MIN_KEYPOINTS)


class Searcher:
    """Searches sets. Safe to use from several threads.

    Args:
        store: holds the sets.
        top_k: neighbours per image if similarity decides.
        shortlist: neighbours per image if candidates are checked.
        keep_bytes: memory for references' keypoints.
    """

    def __init__(self, store: Store, *, top_k: int, shortlist: int, keep_bytes: int) -> None:
        self._store = store
        self._digests = DigestTable(store)
        self._top_k = top_k
        self._shortlist = shortlist
        self._cache = KeypointCache(store, keep_bytes)

    def search(self, known: ReferenceSet, looks: Sequence[Look]) -> list[Found]:
        """Per image the references near it and near its mirror image, nearest first; one search for the batch.

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

    def same_content(self, known: ReferenceSet, digests: Collection[str]) -> dict[str, list[Candidate]]:
        """Digest → candidates for the references that are exactly the file with this SHA-256, of those there are."""
        return {
            digest: [_of_content(one) for one in rows] for digest, rows in self._digests.find(known, digests).items()
        }

    def read_keypoints(self, known: ReferenceSet, found: Sequence[Found]) -> ReferenceKeypoints:
        """Keypoints of the references that were found, for the check; at most one query to Milvus for the batch."""
        if known.verify is Verify.OFF:
            return {}
        return self._cache.keypoints(known, [one for pair in found for part in pair for one in part])

    def damaged(self, sets: Sequence[ReferenceSet]) -> Mapping[str, int]:
        """Set → number of its references that are left out because they are damaged, if there are any."""
        return self._cache.damaged(sets)


def _of_content(one: Known) -> Candidate:
    """Its similarity is that of a picture with itself. A ceiling that this version does not know permits nothing."""
    ceiling: Cap | None = None
    if one.ceiling:
        ceiling = next((cap for cap in CAPS if cap == one.ceiling), "nothing")
    return Candidate(Neighbour(one.id, one.label, 1.0), content=True, ceiling=ceiling)
