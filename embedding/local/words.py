"""The encoder "words": visual words of local features, summed up in one vector. It needs no weights but its own.

keypoints   corners and their descriptors of 256 bits (keypoints.py)
words       each descriptor → how strongly it belongs to each of 512 learned visual words
sum         over the picture, square root (a wall of equal bricks should not count a hundred times), unit length
out         → 512 values, unit length

The network (words.safetensors) was trained on procedural pictures and edits of them, without any photograph, so that
a picture's edits get similar vectors and other pictures do not, even in the same frame: `training/` has the recipe. The
vectors make a shortlist; the geometric check (matcher/check/weigh.py) decides what is a copy.

It was trained with 2,048 words. Most are never above 0; of the others the weakest were left out afterwards, and what
an absent word adds to every vector is kept (training/prune.py). The cosine to the vector of all words is 0.9998 or more
on 400 photographs and 5,600 procedural views, also for the parts. So the fingerprint names the network that was
trained, by the digest of its weights before that: sets that were made with all words stay valid.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from embedding.encoder import Encoded, fingerprint
from embedding.local.keypoints import FACTOR, MIN_KEYPOINTS, PATCH, SIDE, Keypoints
from embedding.picture import Needs, Prepared

WEIGHTS = "words.safetensors"
TRAINED = "trained"  # in the file's metadata: SHA-256 of the file with all words
ALGORITHM = 1  # version of keypoints and sum: raise it when the same picture would get another vector
ROOT_FLOOR = 1e-4  # added under the square root, whose slope is infinite at 0

Floats = NDArray[np.float32]
Descriptors = NDArray[np.uint8]  # (n, 32)

_BATCH_SIZE = 8  # pictures: for layers in bfloat16, fewer read the network's weights more often, more need more memory
_ROWS = 384  # descriptors that go through the layers together: what is between them stays in the processor's cache

# A picture that shows a fifth of a reference has corners in common with it on its coarse levels only: the reference's
# finest are twice as large here. A picture of a screen has them on the fine levels: what is around it has the rest.
# What is laid over a picture (mottle, another picture) adds weak corners to it. So references are also searched by the
# words of the strong, of the coarse and of the fine corners alone. The sizes of the patches of the latter two, in units
# of the picture's longest side: levels 5 to 9, a quarter of all corners, and levels 0 to 2, half of them.
_COARSE, _FINE = (PATCH * FACTOR**level / SIDE for level in (4.5, 2.5))


class Layers(Protocol):
    """The network's two layers. Safe to call from several threads.

    Attributes:
        backend: numeric type and code, in a few words for people.
    """

    backend: str

    def __call__(self, descriptors: Descriptors) -> Floats:
        """How strongly each descriptor belongs to each word: (n, words), none below 0."""


class Words:
    """The encoder "words". Safe to call from several threads.

    A picture with fewer than MIN_KEYPOINTS keypoints is featureless: plain surfaces, skies, a word on white.

    Args:
        layers: makes the layers of their weights: `hidden` and `words`, `.weight` (out, in) and `.bias` (out,) each,
            for bits that are -1 or 1; None: in float32.
    """

    name = "words"
    needs = Needs(keypoints=True)
    batch_size = _BATCH_SIZE
    min_batch_size = 1  # the time grows with the number of pictures

    def __init__(self, layers: Callable[[Mapping[str, Floats]], Layers] | None = None) -> None:
        content = files("embedding.local").joinpath(WEIGHTS).read_bytes()
        weights = {name: value.astype(np.float32) for name, value in load(content).items()}
        self._layers = (layers or Float32)(weights)
        self.backend = self._layers.backend
        self._out, self._bias = np.ascontiguousarray(weights["out.weight"].T), weights["out.bias"]
        self._absent, (self._number_absent,) = weights["absent.out"], weights["absent.number"].tolist()
        self.dimension = len(self._bias)
        self.fingerprint = fingerprint(
            "words",
            {"algorithm": ALGORITHM, "weights": _trained(content), "dimension": self.dimension, "type": "float32"},
        )

    def encode(self, prepared: Sequence[Prepared]) -> Encoded:
        """Vectors of n views, n ≥ 1, in their order; zeros where there are too few keypoints."""
        keypoints = [one.keypoints for one in prepared if one.keypoints is not None]
        featureless = np.array([len(found) < MIN_KEYPOINTS for found in keypoints])
        vectors = self._all(keypoints)
        vectors[featureless] = 0
        return Encoded(vectors[:, 0], featureless, vectors[:, 1:])

    def vectors(self, keypoints: Sequence[Keypoints]) -> Floats:
        """Vectors (n, dimension) of unit length; arbitrary for a picture without keypoints."""
        return self._all(keypoints)[:, 0]

    def _all(self, keypoints: Sequence[Keypoints]) -> Floats:
        """Vectors (n, 4, dimension): of all corners, of the strong, of the coarse, and of the fine ones."""
        groups = (keypoints[start : start + _BATCH_SIZE] for start in range(0, len(keypoints), _BATCH_SIZE))
        sums = np.concatenate([self._sums(group) for group in groups]) + np.float32(ROOT_FLOOR)
        lengths = np.sqrt(sums.sum(2, keepdims=True) + np.float32(self._number_absent * ROOT_FLOOR))
        vectors = (np.sqrt(sums) @ self._out + self._absent) / lengths + self._bias
        return np.asarray(vectors / np.linalg.norm(vectors, axis=2, keepdims=True), np.float32)

    def _sums(self, keypoints: Sequence[Keypoints]) -> Floats:
        """(pictures, 4, words): over all corners, over the strong, the coarse, and the fine ones."""
        rows = self._layers(np.concatenate([found.descriptors for found in keypoints]))
        ends = np.cumsum([len(found) for found in keypoints])
        return np.stack(
            [_parts(found) @ rows[end - len(found) : end] for found, end in zip(keypoints, ends, strict=True)]
        )


class Float32:
    """The layers in float32."""

    backend = "float32"

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        # For bits that are 0 or 1: w · (2x - 1) + b = 2w · x + (b - Σw). And for y that lacks its bias b,
        # max(y + b, 0) = max(y, -b) + b, of which the second b goes into the bias of the next layer.
        bias = weights["hidden.bias"] - weights["hidden.weight"].sum(1)
        self._hidden, self._least = np.ascontiguousarray(2 * weights["hidden.weight"].T), -bias
        self._words = np.ascontiguousarray(weights["words.weight"].T)
        self._bias = weights["words.bias"] + bias @ self._words

    def __call__(self, descriptors: Descriptors) -> Floats:
        """How strongly each belongs to each word."""
        found = np.empty((len(descriptors), self._words.shape[1]), np.float32)
        for start in range(0, len(descriptors), _ROWS):
            hidden = np.unpackbits(descriptors[start : start + _ROWS], axis=1).astype(np.float32) @ self._hidden
            np.maximum(hidden, self._least, out=hidden)
            rows = np.matmul(hidden, self._words, out=found[start : start + _ROWS])
            rows += self._bias
            np.maximum(rows, 0, out=rows)
        return found


def _parts(found: Keypoints) -> Floats:
    """(4, n): 1 where a corner counts, for all corners, the strong, the coarse, and the fine ones."""
    every = np.ones(len(found), np.bool_)
    strong = every if found.strong is None else found.strong
    return np.stack([every, strong, found.scales >= _COARSE, found.scales < _FINE]).astype(np.float32)


def _trained(content: bytes) -> str:
    """The digest of the weights before words were left out; of a file that has all words, its own."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return str(header.get("__metadata__", {}).get(TRAINED) or hashlib.sha256(content).hexdigest())
