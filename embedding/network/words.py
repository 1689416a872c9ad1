"""The encoder "words": visual words of local features, summed up in one vector. It needs no weights but its own.

keypoints   corners and their descriptors of 256 bits (embedding/local/keypoints.py)
words       each descriptor → how strongly it belongs to each of 2,048 learned visual words
sum         over the picture, square root (a wall of equal bricks should not count a hundred times), unit length
out         → 512 values, unit length

The network (words.safetensors) was trained on procedural pictures and edits of them, without any photograph, so that
a picture's edits get similar vectors and other pictures do not, even in the same frame: `training/` has the recipe. The
vectors make a shortlist; the geometric check (matcher/check/weigh.py) decides what is a copy.
"""

import hashlib
from collections.abc import Callable, Sequence
from importlib.resources import files

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from torch import Tensor
from torch.nn.functional import linear, normalize, pad

from embedding.encoder import Encoded, fingerprint
from embedding.local.keypoints import (
    DESCRIPTOR_BYTES,
    FACTOR,
    MAX_KEYPOINTS,
    MIN_KEYPOINTS,
    PATCH,
    SIDE,
    Keypoints,
)
from embedding.picture import Needs, Prepared

WEIGHTS = "words.safetensors"
ALGORITHM = 1  # version of keypoints and sum: raise it when the same picture would get another vector
ROOT_FLOOR = 1e-4  # added under the square root, whose slope is infinite at 0

Layer = Callable[[Tensor], Tensor]  # rows (n, in) to (n, out), none below 0

# Instructions that multiply bfloat16: with the second ones alone the network takes half of the time of float32.
_BFLOAT16 = {"amx_bf16", "avx512_bf16"}

_BATCH_SIZE = 8  # pictures: fewer read the network's weights more often, more need more memory
# The network always gets a multiple of this many rows: oneDNN makes a kernel for each number of rows and keeps 1,024
# of them, which took 100 MB.
_ROWS = 256

# A picture that shows a fifth of a reference has corners in common with it on its coarse levels only: the reference's
# finest are twice as large here. A picture of a screen has them on the fine levels: what is around it has the rest.
# What is laid over a picture (mottle, another picture) adds weak corners to it. So references are also searched by the
# words of the strong, of the coarse and of the fine corners alone. The sizes of the patches of the latter two, in units
# of the picture's longest side: levels 5 to 9, a quarter of all corners, and levels 0 to 2, half of them.
_COARSE, _FINE = (PATCH * FACTOR**level / SIDE for level in (4.5, 2.5))


class Words:
    """The encoder "words". Safe to call from several threads.

    A picture with fewer than MIN_KEYPOINTS keypoints is featureless: plain surfaces, skies, a word on white.
    """

    name = "words"
    needs = Needs(keypoints=True)
    batch_size = _BATCH_SIZE
    min_batch_size = 1  # 23 ms of a core for one picture and 44 for two, without AMX

    def __init__(self) -> None:
        torch.set_num_threads(1)  # batches run in parallel, so each gets one thread
        content = files("embedding.network").joinpath(WEIGHTS).read_bytes()
        weights = {name: value.float() for name, value in load(content).items()}
        # The sum has many terms, all positive, so rounding averages out: 1 - cos is 1e-5 (test_words.py).
        able = {name for name, has in torch.cpu.get_capabilities().items() if has}
        self._type = torch.bfloat16 if able & _BFLOAT16 else torch.float32
        layers = [_layer(weights, name, self._type) for name in ("hidden", "words")]
        prepacked = [_prepacked(*layer) for layer in layers]
        self._layers = [fast or _plain(*layer) for fast, layer in zip(prepacked, layers, strict=True)]
        self._out = _layer(weights, "out", torch.float32)
        self.backend = str(self._type).removeprefix("torch.") + (", prepacked" if all(prepacked) else "")
        self.dimension = len(weights["out.bias"])
        digest = hashlib.sha256(content).hexdigest()
        self.fingerprint = fingerprint(
            "words", {"algorithm": ALGORITHM, "weights": digest, "dimension": self.dimension, "type": "float32"}
        )

    def encode(self, prepared: Sequence[Prepared]) -> Encoded:
        """Vectors of n views, n ≥ 1, in their order; zeros where there are too few keypoints."""
        keypoints = [one.keypoints for one in prepared if one.keypoints is not None]
        featureless = np.array([len(found) < MIN_KEYPOINTS for found in keypoints])
        vectors = self._all(keypoints)
        vectors[featureless] = 0
        return Encoded(vectors[:, 0], featureless, vectors[:, 1:])

    def vectors(self, keypoints: Sequence[Keypoints]) -> NDArray[np.float32]:
        """Vectors (n, dimension) of unit length; arbitrary for a picture without keypoints."""
        return self._all(keypoints)[:, 0]

    @torch.inference_mode()
    def _all(self, keypoints: Sequence[Keypoints]) -> NDArray[np.float32]:
        """Vectors (n, 4, dimension): of all corners, of the strong, of the coarse, and of the fine ones."""
        parts = (keypoints[start : start + _BATCH_SIZE] for start in range(0, len(keypoints), _BATCH_SIZE))
        sums = torch.cat([self._sums(part) for part in parts])
        roots = normalize(torch.sqrt(sums + ROOT_FLOOR), dim=2)
        return normalize(linear(roots, *self._out), dim=2).numpy()

    def _sums(self, keypoints: Sequence[Keypoints]) -> Tensor:
        """(pictures, 4, words) float32: over all corners, over the strong, the coarse, and the fine ones."""
        counts = [len(found) for found in keypoints]
        empty = np.zeros((-sum(counts) % _ROWS, DESCRIPTOR_BYTES), np.uint8)
        bits = np.unpackbits(np.concatenate([*(found.descriptors for found in keypoints), empty]), axis=1).view(np.int8)
        bits <<= 1
        bits -= 1
        rows = torch.from_numpy(bits).to(self._type)
        for layer in self._layers:
            rows = layer(rows)
        # Summed by a matrix product: adding up bfloat16 row by row takes twice as long.
        whose = torch.eye(len(keypoints), dtype=self._type).repeat_interleave(torch.tensor(counts), 1)
        scales = torch.from_numpy(np.concatenate([found.scales for found in keypoints]))
        strong = torch.from_numpy(np.concatenate([_strong(found) for found in keypoints]))
        parts = [whose, whose * strong, whose * (scales >= _COARSE), whose * (scales < _FINE)]
        each = pad(torch.stack(parts, 1).to(self._type), (0, len(empty)))
        return (each.flatten(0, 1) @ rows).float().view(len(keypoints), len(parts), -1)


def _strong(found: Keypoints) -> NDArray[np.bool_]:
    return np.ones(len(found), np.bool_) if found.strong is None else found.strong


def _layer(weights: dict[str, Tensor], name: str, type_: torch.dtype) -> tuple[Tensor, Tensor]:
    return weights[f"{name}.weight"].to(type_), weights[f"{name}.bias"].to(type_)


def _plain(weight: Tensor, bias: Tensor) -> Layer:
    return lambda rows: linear(rows, weight, bias).relu_()


def _prepacked(weight: Tensor, bias: Tensor) -> Layer | None:
    """The layer with its weights in oneDNN's own layout: 1.4 times as fast in bfloat16.

    These operators are private to PyTorch and may change: None if they are missing or give another result.
    """
    try:
        ours = torch.ops.mkldnn._reorder_linear_weight(weight, _BATCH_SIZE * MAX_KEYPOINTS)  # noqa: SLF001 (checked below)
        fused = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 (checked below)

        def layer(rows: Tensor) -> Tensor:
            found: Tensor = fused(rows, ours, bias, "relu", [], "")
            return found

        signs = torch.eye(64, weight.shape[1], dtype=weight.dtype).mul_(2).sub_(1)
        expected = _plain(weight, bias)(signs)
        same = torch.allclose(layer(signs), expected, rtol=0.02, atol=0.01 * float(expected.abs().max()))
    except (AttributeError, RuntimeError, TypeError):
        return None
    return layer if same else None
