"""Any OpenCLIP model with a local checkpoint. Nothing is downloaded, and no weight is ever random.

Only the image tower is built. Every one of its weights must come from the checkpoint, or there is no encoder.
Threads: batches run side by side, so each gets one thread; importing applications share that setting of torch.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torch.nn.functional import normalize

from embedding.encoder import Encoded, Pixels, fingerprint
from embedding.encoder_error import EncoderError
from embedding.precision import PRECISIONS, fastest, same_vectors
from embedding.probe import probe_picture
from embedding.tower import image_tower
from embedding.weights import image_weights, sha256

log = logging.getLogger(__name__)

# Pictures run through the network together: memory is bounded, and throughput on one core levels off (ViT-B-32).
_UNIT = 1e-3  # how far from 1 the length of a vector may be
_TOGETHER = 8

# A picture of 65,500 x 1 resized to a shorter side of 224 would have 3 billion pixels. OpenCLIP then keeps only the
# square in the middle, so cutting the long side down to 8 x the short one first loses nothing. "longest" needs the cut
# because it would round the short side to 0 and fail; "squash" has a fixed size.
_LONGEST_ASPECT = {"shortest": 8, "longest": 16}


class OpenClip:
    """The encoder "openclip". Safe to call from several threads.

    Args:
        model: OpenCLIP's name of the model, e.g. "ViT-B-32"; no hub and no folder.
        checkpoint: .safetensors, .pt or .bin in OpenCLIP's own format.
        device: "auto" (a GPU if there is one), "cpu" or "cuda".
        precision: "auto" (the fastest numeric type that is right on this machine) or one of PRECISIONS.

    Raises:
        EncoderError: the vectors would not be right; the text is one sentence that names the mend.
    """

    name = "openclip"

    def __init__(self, model: str, checkpoint: Path, *, device: str = "auto", precision: str = "auto") -> None:
        self._device = _device(device)
        if self._device == "cpu":
            torch.set_num_threads(1)
        tower, preprocessing = image_tower(model, checkpoint)
        tower.load_state_dict(image_weights(checkpoint, tower, model), strict=True)
        self._tower = tower.eval().requires_grad_(requires_grad=False).to(self._device)
        self._prepare = image_transform_v2(preprocessing, is_train=False)
        self._aspect = _LONGEST_ASPECT.get(preprocessing.resize_mode)
        self._type = torch.float32
        self._choose_type(precision)
        self.dimension = self.encode([probe_picture()]).vectors.shape[1]
        self.fingerprint = fingerprint(
            "openclip",
            {
                "model": model,
                "weights": sha256(checkpoint),
                "preprocessing": _described(preprocessing),
                "dimension": self.dimension,
                "type": str(self._type).removeprefix("torch."),
            },
        )

    def encode(self, pictures: Sequence[Pixels]) -> Encoded:
        """Vectors of n pictures, n ≥ 1, in their order. Featureless is what overflows the network's numeric type."""
        parts = [self._vectors(pictures[at : at + _TOGETHER]) for at in range(0, len(pictures), _TOGETHER)]
        vectors = np.concatenate(parts)
        broken = ~(np.abs(np.linalg.norm(vectors, axis=1) - 1) < _UNIT)  # NaN is not within any distance of 1
        vectors[broken] = 0
        return Encoded(vectors, broken)

    @torch.inference_mode()
    def _vectors(self, pictures: Sequence[Pixels]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        batch = torch.stack([self._prepare(Image.fromarray(_cut(each, self._aspect))) for each in pictures])
        seen = self._tower(batch.to(self._device, self._type))
        features = seen[0] if isinstance(seen, tuple) else seen  # CoCa's tower also returns its tokens
        # Lengths in half precision would be off by 1e-3.
        vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]] = normalize(features.float(), dim=-1).cpu().numpy()
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
        if not np.isfinite(right).all():
            raise EncoderError("the checkpoint gives vectors that are not finite numbers: use an undamaged one")
        if wanted is torch.float32:
            return
        full = {name: value.clone() for name, value in self._tower.state_dict().items()}
        self._tower, self._type = self._tower.to(wanted), wanted
        if same_vectors(right, self._vectors(batch)):
            return
        if precision != "auto":
            raise EncoderError(f'this model is not right in {precision}: set encoder.precision to "float32" or "auto"')
        log.warning("This model is not right in %s on this machine: float32 is used, which is slower", wanted)
        self._tower, self._type = self._tower.to(torch.float32), torch.float32
        self._tower.load_state_dict(full, strict=True)


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


def _described(preprocessing: PreprocessCfg) -> str:
    """All of it in one line; the library's version is left out, the probe picture watches over it."""
    parts = (preprocessing.size, preprocessing.mean, preprocessing.std, preprocessing.interpolation)
    return repr((*parts, preprocessing.resize_mode, preprocessing.fill_color))
