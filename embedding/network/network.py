"""Pictures → unit vectors by one network: what `openclip` and `timm` share.

Batches run in parallel, so each gets one thread. This setting of torch applies to the whole process.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from embedding.encoder import Encoded, EncoderError, fingerprint
from embedding.network.backends import CLOCKS, fastest_backend, vectors
from embedding.network.gpu import BATCH_SIZE, Streams, filled_up, resizing_on, uploaded
from embedding.network.precision import PRECISIONS, types_to_try
from embedding.network.preprocess import Preparation, cut, preparation
from embedding.network.vit import Vit
from embedding.picture import Needs, Pixels, Prepared, Size
from embedding.probe import probe_picture

log = logging.getLogger(__name__)

_UNIT = 1e-3  # how far from 1 the length of a vector may be
# Pictures per batch on one core: more save nothing (ViT-B-32), fewer read the network's weights more often.
_CPU_BATCH_SIZE = 8
# A CNN's weights are few, and its maps of eight pictures do not fit into the cache: EfficientNet-Lite0 takes 19 ms a
# picture with 8, 13 with 4 and 15 with 1.
_CPU_CNN_BATCH_SIZE = 4


class Network:
    """An encoder around a network with its weights. Safe to call from several threads.

    The fingerprint says what a vector means. It covers the numeric type, but not whether layers are packed or where
    pictures are resized: those move a vector by less than the type does (1 - cos of 1e-4 or less). So sets that were
    made with another backend stay comparable, and a machine that falls back to the plain model can still use them.

    Args:
        name: the encoder's short name.
        tower: (n, 3, height, width) → (n, dimension).
        transform: one picture → (3, height, width).
        vit: the tower's parts if it is a known vision transformer, else None.
        aspect: if the transform is not known, pictures longer than this times their shorter side are cut to that
            length first; None: never.
        depends_on: what the fingerprint covers besides dimension and numeric type.
        device: "auto" (a GPU if there is one), "cpu" or "cuda".
        precision: "auto" (the fastest numeric type that is accurate on this machine) or one of PRECISIONS.

    Raises:
        EncoderError: the vectors would not be right; the text is one sentence that names the fix.
    """

    def __init__(  # noqa: PLR0913 (all of them define the encoder, and only its two subclasses call this)
        self,
        name: str,
        tower: torch.nn.Module,
        transform: Callable[[Image.Image], torch.Tensor],
        *,
        vit: Vit | None,
        aspect: int | None,
        depends_on: Mapping[str, str | int | float],
        device: str,
        precision: str,
    ) -> None:
        self.name, self._device = name, _device(device)
        if self._device == "cpu":
            torch.set_num_threads(1)
        self.batch_size = BATCH_SIZE if self._device == "cuda" else _CPU_BATCH_SIZE if vit else _CPU_CNN_BATCH_SIZE
        self._streams = Streams(self._device)
        self._transform, self._aspect, self._preparation = transform, aspect, _preparation(transform, self._device)
        known = self._preparation
        self.needs = Needs(pixels=True, least_side=known.least_side if known else None)
        backend = fastest_backend(
            tower.eval().requires_grad_(requires_grad=False).to(self._device),
            vit if self._device == "cpu" else None,
            (known.mean, known.std) if known else None,
            self._prepared(_trial(), None),
            _types(precision, self._device),
            timed=_is_timed(precision, self._device),
            required=precision != "auto",
            batch_size=self.batch_size,
            clock=CLOCKS[self._device],
        )
        self._forward = backend.forward
        # ViT-B-32 with AMX: 37 ms for one picture and 43 for two (docs/performance.md); in float32 without AVX-512 the
        # second takes as long as the first.
        self.min_batch_size = 1 if self._device == "cpu" and backend.type is torch.float32 else 2
        self.dimension: int = self._vectors([probe_picture()], None).shape[1]
        type_ = str(backend.type).removeprefix("torch.")
        self.fingerprint = fingerprint(name, {**depends_on, "dimension": self.dimension, "type": type_})
        resized = "" if known else ", pictures resized by Pillow"
        self.backend = f"{type_} on the {_DEVICES[self._device]}, {backend.name}{resized}"

    def encode(self, prepared: Sequence[Prepared]) -> Encoded:
        """Vectors of n views, n ≥ 1, in their order. One whose vector overflows the numeric type is featureless."""
        pictures = [one.pixels for one in prepared if one.pixels is not None]
        sizes = [one.size for one in prepared]
        parts = []
        for at in range(0, len(pictures), self.batch_size):
            part = slice(at, at + self.batch_size)
            parts.append(self._vectors(pictures[part], sizes[part]))
        found = np.concatenate(parts)
        broken = ~(np.abs(np.linalg.norm(found, axis=1) - 1) < _UNIT)  # NaN is not within any distance of 1
        found[broken] = 0
        return Encoded(found, broken)

    def _vectors(self, pictures: Sequence[Pixels], sizes: Sequence[Size] | None) -> NDArray[np.float32]:
        with self._streams():
            batch = self._prepared(pictures, sizes)
            if self._device == "cuda":
                batch = filled_up(batch, self.batch_size)
            return vectors(self._forward, batch)[: len(pictures)]

    def _prepared(self, pictures: Sequence[Pixels], sizes: Sequence[Size] | None) -> torch.Tensor:
        """(n, 3, height, width) on the device: bytes, or the transform's own result if the transform is not known."""
        sizes = sizes or [(pixels.shape[0], pixels.shape[1]) for pixels in pictures]
        pairs = zip(pictures, sizes, strict=True)
        if self._preparation is not None:
            batch = torch.stack([self._preparation(pixels, size) for pixels, size in pairs])
        else:
            whole = (cut(pixels, size, self._aspect)[0] for pixels, size in pairs)
            batch = torch.stack([self._transform(Image.fromarray(pixels)) for pixels in whole])
        # Channels last: halves the time of a ResNet-50 in bfloat16, and does not change that of a vision transformer.
        batch = batch.contiguous(memory_format=torch.channels_last)
        return batch if batch.device.type == self._device else uploaded(batch, self._device)


_DEVICES = {"cpu": "CPU", "cuda": "GPU"}


def _device(device: str) -> str:
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise EncoderError('device is "cuda", but torch finds no GPU: set it to "auto" or "cpu"')
    return "cuda" if available and device != "cpu" else "cpu"


def _preparation(transform: Callable[[Image.Image], torch.Tensor], device: str) -> Preparation | None:
    known = preparation(transform)
    if known is None:
        log.warning(
            "This model prepares pictures in a way that has no fast version here: Pillow does it, which is slower"
        )
        return None
    return resizing_on(device, known) if device == "cuda" else known


def _is_timed(precision: str, device: str) -> bool:
    """Whether the fastest type is chosen.

    On a GPU a small network takes as long in either type, and the choice must be the same at each start, because it is
    part of the fingerprint.
    """
    return precision == "auto" and device == "cpu"


def _types(precision: str, device: str) -> list[torch.dtype]:
    """Numeric types to try, the best first."""
    if precision == "auto":
        return types_to_try(device)
    if precision not in PRECISIONS:
        raise EncoderError(f'precision is {precision!r}: set it to "auto" or one of {", ".join(PRECISIONS)}')
    return [PRECISIONS[precision]]


def _trial() -> list[Pixels]:
    """Pictures to compare backends with: few, for a quick start, but different enough to reveal a wrong layer."""
    probe = probe_picture()
    return [probe, np.ascontiguousarray(probe[::-1]), np.ascontiguousarray(probe[:96, :128]), 255 - probe]
