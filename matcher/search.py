"""A batch's looks → per set and view the references near it, their keypoints, and references with the same content."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

import numpy as np

from embedding.local.keypoints import MIN_KEYPOINTS
from embedding.look import Look, Vector, View
from embedding.pdq import bits_of
from matcher.depth import depth
from matcher.evidence import Candidate
from matcher.keypoint_cache import Key, KeypointCache, Row, Stored
from matcher.keypoint_file import KeypointFile
from reference_sets.canary import Canary, Recall
from reference_sets.in_memory.constants import IN_MEMORY
from reference_sets.in_memory.digest_table import DigestTable
from reference_sets.in_memory.hash_table import HashTable
from reference_sets.in_memory.on_disk import OnDisk
from reference_sets.model import Known, Mirrored, Neighbour, ReferenceSet, Verify
from reference_sets.store import Store

Found = tuple[list[Neighbour], list[Neighbour]]  # near an image, and near its mirror image
Nearest = tuple[float | None, float | None]  # mean background similarity of an image, and of its mirror image
NOT_NORMALISED: Nearest = (None, None)
ENABLED_SOON_S = 60.0  # longer than a batch takes from its search to its verdicts
# Candidates in a second look: what is right is among the first there, for 48 negatives the nearest of 740 each time.
_SECOND = 20
ReferenceKeypoints = dict[Row, Stored]  # what is stored of references for the check


class Near(NamedTuple):
    """A set, and what the search found in it for one image.

    Attributes:
        set: the set.
        found: references near the image, and near its mirror image.
        nearest: see `Searcher.background`.
        stored: of these references. A damaged reference is not a candidate; a missing one cannot be checked.
    """

    set: ReferenceSet
    found: Found
    stored: ReferenceKeypoints
    nearest: Nearest = NOT_NORMALISED


class _About(NamedTuple):
    """What a search must know of a set at a version: whether any reference is disabled, and how many there are."""

    created: str
    version: int
    disabled: bool = False
    references: int = 0


def comparable(known: ReferenceSet, look: Look) -> bool:
    """Whether the set can match the view at all.

    It needs the encoder's vector, and without enough keypoints a required check never passes.
    """
    if known.encoder not in look.view.vectors:
        return False
    keypoints = look.view.keypoints
    return known.verify is not Verify.REQUIRED or (keypoints is not None and len(keypoints) >= MIN_KEYPOINTS)


class Searcher:
    """Searches sets. Safe to use from several threads.

    Args:
        store: holds the sets.
        top_k: neighbours per image if similarity decides.
        shortlist: neighbours per image if candidates are checked.
        keep_bytes: memory for references' keypoints.
        keep_file: keeps the features of more references; None: they are read from Milvus again.
        parts: whether sets that require the check are also searched by the vectors of parts of a view.
        on_disk: copies of large lists of hashes. None: there are none.
    """

    def __init__(  # noqa: PLR0913 (limits and choices, by name)
        self,
        store: Store,
        *,
        top_k: int,
        shortlist: int,
        keep_bytes: int,
        keep_file: KeypointFile[Key] | None = None,
        parts: bool = True,
        on_disk: OnDisk | None = None,
    ) -> None:
        self._store = store
        self._digests = DigestTable(store)
        self._hashes = HashTable(store, on_disk)
        self._top_k = top_k
        self._shortlist = shortlist
        self._parts = parts
        self._cache = KeypointCache(store, keep_bytes, keep_file)
        self._canary = Canary(store)
        self._known: dict[str, _About] = {}  # by set

    def search(self, known: ReferenceSet, looks: Sequence[Look]) -> list[Found]:
        """Per image the references near it and near its mirror image, nearest first; one search for the batch.

        Args:
            known: the set.
            looks: of n images, n ≥ 1.
        """
        checks = known.verify is not Verify.OFF
        about = self._about(known)
        top_k = depth(self._shortlist, about.references) if checks else self._top_k
        in_use = time.time() + ENABLED_SOON_S if about.disabled else None
        return self._near(known, looks, top_k, facts=not checks, in_use=in_use)

    def background(self, known: ReferenceSet, background: ReferenceSet, looks: Sequence[Look]) -> list[Nearest]:
        """Per image how similar the nearest pictures of a background set are, see `reference_sets.model`.

        Args:
            known: the set whose similarities are normalised.
            background: the set that it names.
            looks: of n images, n ≥ 1.
        """
        turned = replace(background, mirrored=known.mirrored)
        near = self._near(turned, looks, known.background_k, facts=False)
        return [(_mean(own[: known.background_k]), _mean(mirror[: known.background_k])) for own, mirror in near]

    def _about(self, known: ReferenceSet) -> _About:
        """What a search must know of a set's references; read once for each version.

        Disabled references must not take the places of others that match. The decision leaves out those that are
        disabled at the verdict's time: so those that are enabled soon are found already.
        """
        if known.index == IN_MEMORY:  # the search looks itself
            return _About(known.created, known.version)
        about = self._known.get(known.name)
        if about is None or about[:2] != (known.created, known.version):
            # Only the check looks at a shortlist.
            count = self._store.count(known.name) if known.verify is not Verify.OFF else 0
            about = _About(known.created, known.version, self._store.any_disabled(known.name), count)
            self._known[known.name] = about
        return about

    def _near(
        self, known: ReferenceSet, looks: Sequence[Look], top_k: int, *, facts: bool, in_use: float | None = None
    ) -> list[Found]:
        queried = known.mirrored is Mirrored.QUERIED
        # By parts only candidates are found that the check decides on: their similarity is not that of the picture.
        parts = self._parts and known.verify is Verify.REQUIRED
        sides = [look.view for look in looks], [look.mirror if queried else None for look in looks]
        queries = [
            _queries(view, known.encoder, parts=parts and not look.second)
            for views in sides
            for look, view in zip(looks, views, strict=True)
        ]
        vectors = [vector for of_view in queries for vector in of_view]
        if not vectors:
            return [([], []) for _ in looks]
        if self._hashes.holds(known):
            found = iter(self._hashes.find(known, bits_of(np.stack(vectors)), top_k))
        else:
            by = self._canary.index(known, top_k)
            answers = self._store.search(known.name, np.stack(vectors), top_k, facts=facts, in_use=in_use, index=by)
            found = iter(answers)
        most = [_SECOND if look.second else None for look in (*looks, *looks)]
        lists = [_together([next(found) for _ in each])[:number] for each, number in zip(queries, most, strict=True)]
        return list(zip(lists[: len(looks)], lists[len(looks) :], strict=True))

    def same_content(self, known: ReferenceSet, digests: Collection[str]) -> dict[str, list[Candidate]]:
        """Digest → candidates for the references that are exactly the file with this SHA-256, of those there are."""
        return {
            digest: [_of_content(one) for one in rows] for digest, rows in self._digests.find(known, digests).items()
        }

    def read_keypoints(self, known: ReferenceSet, found: Sequence[Found]) -> ReferenceKeypoints:
        """What is stored of the references that were found, for the check; at most one query to Milvus."""
        if known.verify is Verify.OFF:
            return {}
        return self._cache.stored(known, [one for pair in found for part in pair for one in part])

    def recalls(self, sets: Sequence[ReferenceSet]) -> Mapping[str, Recall]:
        """Set → what its approximate index finds of planted copies, if it has one."""
        return self._canary.recalls(sets)

    def damaged(self, sets: Sequence[ReferenceSet]) -> Mapping[str, int]:
        """Set → number of its references that are left out because they are damaged, if there are any."""
        return self._cache.damaged(sets)


def _queries(view: View | None, encoder: str, *, parts: bool) -> list[Vector]:
    """The vectors to search by: that of the view, if it has one, then those of its parts."""
    whole = view.vectors.get(encoder) if view else None
    if view is None or whole is None:
        return []
    return [whole, *(view.parts.get(encoder, ()) if parts else ())]


def _together(lists: Sequence[list[Neighbour]]) -> list[Neighbour]:
    """The nearest of the whole view, then those near a part of it, each once."""
    if len(lists) == 1:
        return lists[0]
    found: dict[Row, Neighbour] = {}
    for one in chain.from_iterable(lists):
        found.setdefault((one.id, one.mirrored), one)
    return list(found.values())


def _mean(near: Sequence[Neighbour]) -> float | None:
    return sum(one.score for one in near) / len(near) if near else None


def _of_content(one: Known) -> Candidate:
    """Its similarity is that of a picture with itself."""
    return Candidate(Neighbour(one.id, one.label, 1.0, facts=one.facts), content=True)
