"""Pictures → unit vectors through one network: what `openclip` and `timm` share.

Threads: batches run side by side, so each gets one thread; importing applications share that setting of torch.
"""

import copy
import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import normalize

from embedding.encoder import Encoded, Pixels, Size, fingerprint
from embedding.encoder_error import EncoderError
from embedding.precision import PRECISIONS, fastest, same_vectors
from embedding.probe import probe_picture

log = logging.getLogger(__name__)

_UNIT = 1e-3  # how far from 1 the length of a vector may be
# Pictures run through the network together: memory is bounded, and throughput on one core levels off (ViT-B-32).
_TOGETHER = 8

# A picture of 65,500 x 1 resized to a shorter side of 224 would have 3 billion pixels. Where only the square in the
# middle is kept then, cutting the long side down to 8 x the short one first loses nothing.
SHORTEST_ASPECT = 8
# Resized by its longest side, such a picture would have a shorter side of 0 and fail.
LONGEST_ASPECT = 16


class Network:
    """An encoder around a network that has its weights. Safe to call from several threads.

    Args:
        name: the encoder's short name.
        tower: (n, 3, height, width) → (n, dimension).
        prepare: one picture → (3, height, width).
        aspect: pictures that are longer than this times their shorter side are cut to it before; None: never.
        depends_on: what the fingerprint covers besides dimension and numeric type.
        device: "auto" (a GPU if there is one), "cpu" or "cuda".
        precision: "auto" (the fastest numeric type that is right on this machine) or one of PRECISIONS.

    Raises:
        EncoderError: the vectors would not be right; the text is one sentence that names the mend.
    """

    def __init__(  # noqa: PLR0913 (all of them make the encoder, and only its two subclasses call this)
        self,
        name: str,
        tower: torch.nn.Module,
        prepare: Callable[[Image.Image], torch.Tensor],
        *,
        aspect: int | None,
        depends_on: Mapping[str, str | int | float],
        device: str,
        precision: str,
    ) -> None:
        self.name = name
        self._device = _device(device)
        if self._device == "cpu":
            torch.set_num_threads(1)
        self._tower = tower.eval().requires_grad_(requires_grad=False).to(self._device)
        self._prepare = prepare
        self._aspect = aspect
        self._type = torch.float32
        self._choose_type(precision)
        self.dimension: int = self.encode([probe_picture()]).vectors.shape[1]
        of_its_own = {"dimension": self.dimension, "type": str(self._type).removeprefix("torch.")}
        self.fingerprint = fingerprint(name, {**depends_on, **of_its_own})
        self.how = f"{of_its_own['type']} on {self._device}"
        self.least_side: int | None = None
        self.together = _TOGETHER

    def encode(self, pictures: Sequence[Pixels], sizes: Sequence[Size] | None = None) -> Encoded:  # noqa: ARG002 (none is reduced)
        """Vectors of n pictures, n ≥ 1, in their order. Featureless is what overflows the network's numeric type."""
        parts = [self._vectors(pictures[at : at + _TOGETHER]) for at in range(0, len(pictures), _TOGETHER)]
        vectors = np.concatenate(parts)
        broken = ~(np.abs(np.linalg.norm(vectors, axis=1) - 1) < _UNIT)  # NaN is not within any distance of 1
        vectors[broken] = 0
        return Encoded(vectors, broken)

    @torch.inference_mode()
    def _vectors(self, pictures: Sequence[Pixels]) -> NDArray[np.float32]:
        batch = torch.stack([self._prepare(Image.fromarray(_cut(each, self._aspect))) for each in pictures])
        seen = self._tower(batch.to(self._device, self._type))
        features = seen[0] if isinstance(seen, tuple) else seen  # CoCa's tower also returns its tokens
        # Lengths in half precision would be off by 1e-3.
        vectors: NDArray[np.float32] = normalize(features.float(), dim=-1).cpu().numpy()
        return vectors

    def _choose_type(self, precision: str) -> None:
        """Go to the numeric type, after a look at one batch in both. No autocast: it is 4-9 times slower."""
        if precision != "auto" and precision not in PRECISIONS:
            raise EncoderError(
                f'encoder.precision is {precision!r}: set it to "auto" or one of {", ".join(PRECISIONS)}'
            )
        wanted = fastest(self._device) if precision == "auto" else PRECISIONS[precision]
        probe = probe_picture()
        batch = [probe, probe[::-1], probe[:, ::-1], probe[:96, :128], 255 - probe]
        right = self._vectors(batch)
        if right.ndim != 2:  # noqa: PLR2004 (a row for each picture)
            raise EncoderError("this model gives a map of features and no vector: choose one that pools its features")
        if not np.isfinite(right).all():
            raise EncoderError("the checkpoint gives vectors that are not finite numbers: use an undamaged one")
        if wanted is torch.float32:
            return
        full = self._tower  # kept as it is: buffers that no state_dict holds would come back rounded
        self._tower, self._type = copy.deepcopy(full).to(wanted), wanted
        if same_vectors(right, self._vectors(batch)):
            return
        if precision != "auto":
            raise EncoderError(f'this model is not right in {precision}: set encoder.precision to "float32" or "auto"')
        log.warning("This model is not right in %s on this machine: float32 is used, which is slower", wanted)
        self._tower, self._type = full, torch.float32


def _device(device: str) -> str:
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise EncoderError('encoder.device is "cuda", but torch sees no GPU: set it to "auto" or "cpu"')
    return "cuda" if there and device != "cpu" else "cpu"


def _cut(pixels: Pixels, aspect: int | None) -> Pixels:
    """The middle of a picture that is longer than `aspect` times its shorter side."""
    if aspect is None:
        return pixels
    middle = []
    most = min(pixels.shape[:2]) * aspect
    for side in pixels.shape[:2]:
        spare = max(0, side - most) // 2
        middle.append(slice(spare, side - spare))
    return np.ascontiguousarray(pixels[middle[0], middle[1]])
