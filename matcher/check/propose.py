"""Which references may lie in a picture: a cheap test for a whole shortlist at once. Pure.

Pairs of similar corners are found by hashing. Each pair has a rotation and a scale; a true copy's pairs agree on them.
Most references are discarded here.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from embedding.local.keypoints import Keypoints

Indices = NDArray[np.intp]

MOST_ALIGNED = 8  # references per picture that are kept

_ALIKE = 52  # of 256 bits may differ: covers nearly all corners after compression, blur or stretching
_TURNS, _SCALES = 12, 8  # bins of 30 degrees, and of a factor of 2 from 1/16 to 16
# Number of pairs that must agree; a share of the corners if one of the two has few. On 150 photographs with 19 edits
# each, 99 % of the copies that can be aligned have 11, as does 1 of 50 references near an unrelated picture; of
# copies that are harder to align some have 10.
_LEAST, _LEAST_SHARE, _FEWEST = 10, 0.25, 4


def promising(picture: Keypoints, references: Sequence[Keypoints]) -> list[int]:
    """Indices of the references that may lie in the picture, those with the most agreeing pairs first."""
    counts = np.array([len(reference) for reference in references])
    if not len(picture) or not counts.sum():
        return []
    owners = np.repeat(np.arange(len(references)), counts)
    descriptors = np.concatenate([reference.descriptors for reference in references])
    ours, theirs = alike(picture.descriptors, descriptors, owners)
    angles = np.concatenate([reference.angles for reference in references])[theirs]
    scales = np.concatenate([reference.scales for reference in references])[theirs]
    turns = ((picture.angles[ours] - angles) % 360 * (_TURNS / 360)).astype(np.intp) % _TURNS
    zooms = (np.log2(picture.scales[ours] / scales) + _SCALES / 2).clip(0, _SCALES - 1).astype(np.intp)
    flat = (owners[theirs] * _TURNS + turns) * _SCALES + zooms
    votes = np.bincount(flat, minlength=len(references) * _TURNS * _SCALES).reshape(-1, _TURNS, _SCALES)
    votes = votes + np.roll(votes, -1, 1)  # neighbouring bins count together: a rotation may lie on their border
    most = (votes[:, :, :-1] + votes[:, :, 1:]).reshape(len(references), -1).max(1)
    needed = (np.minimum(counts, len(picture)) * _LEAST_SHARE).clip(_FEWEST, _LEAST)
    order = np.argsort(-most, kind="stable")[:MOST_ALIGNED]
    return [int(index) for index in order if most[index] >= needed[index]]


def alike(ours: NDArray[np.uint8], theirs: NDArray[np.uint8], owners: Indices) -> tuple[Indices, Indices]:
    """Rows of similar corners: each corner of a reference once, and each of the picture once per reference.

    There is a hash table for each of the descriptor's 16 parts. Two descriptors that differ in 40 of 256 bits have an
    equal part in 6 of 10 cases, two that differ in 20 nearly always. A slot holds one corner of the picture, so the
    number of pairs is bounded.
    """
    table = np.empty((1, 1 << 16), np.int16)
    ours_by_part, theirs_by_part = cv2.transpose(ours.view(np.uint16)), cv2.transpose(theirs.view(np.uint16))
    numbers = np.arange(len(ours), dtype=np.int16)
    rows, hits = [], []
    for keys, part in zip(ours_by_part, theirs_by_part, strict=True):
        table.fill(-1)
        table[0, keys] = numbers
        found = cv2.LUT(part[None], table)[0]
        there = np.flatnonzero(found >= 0)
        rows.append(found[there])
        hits.append(there)
    first, second = np.concatenate(rows).astype(np.intp), np.concatenate(hits)
    apart = ours.view(np.uint64).take(first, 0)
    apart ^= theirs.view(np.uint64).take(second, 0)
    # The product's highest byte sums the four bytes; it fits: at most 240 bits differ, because one part is equal.
    distance = np.bitwise_count(apart).view(np.uint32).ravel() * np.uint32(0x01010101) >> 24
    near = np.flatnonzero(distance <= _ALIKE)
    first, second, distance = first[near], second[near], distance[near].astype(np.intp)
    first, second, distance = _nearest_of(second, first, second, distance)
    first, second, _ = _nearest_of(owners[second] * len(ours) + first, first, second, distance)
    return first, second


def _nearest_of(key: Indices, first: Indices, second: Indices, distance: Indices) -> tuple[Indices, Indices, Indices]:
    """The nearest of the pairs with the same key."""
    order = np.argsort(key * 256 + distance, kind="stable")
    key = key[order]
    chosen = order[np.flatnonzero(np.diff(key, prepend=-1))]
    return first[chosen], second[chosen], distance[chosen]
