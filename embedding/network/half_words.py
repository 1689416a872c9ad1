"""The layers of the encoder `words` in bfloat16: in half of the time, where the processor multiplies bfloat16.

It takes PyTorch, and with it two seconds at the start and 400 MB. So it is used if the settings ask for it, or if
another encoder has loaded PyTorch anyway.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from embedding.local.keypoints import DESCRIPTOR_BYTES, MAX_KEYPOINTS
from embedding.local.words import Descriptors, Floats

Layer = Callable[[Tensor], Tensor]  # rows (n, in) to (n, out), none below 0

# Instructions that multiply bfloat16: with the second ones alone the layers take half of the time of float32.
_BFLOAT16 = {"amx_bf16", "avx512_bf16"}

# The layers always get a multiple of this many rows: oneDNN makes a kernel for each number of rows and keeps 1,024
# of them, which took 100 MB.
_ROWS = 256
_USUAL_ROWS = 8 * MAX_KEYPOINTS


def fast() -> bool:
    """Whether this processor has instructions for it."""
    return any(has for name, has in torch.cpu.get_capabilities().items() if name in _BFLOAT16)


class BFloat16:
    """The layers in bfloat16; see `embedding.local.words.Float32`.

    A word's sum has many terms, all positive, so rounding averages out: 1 - cos is 1e-5 (test_words.py).

    Attributes:
        backend: for people.
    """

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        torch.set_num_threads(1)  # batches run in parallel, so each gets one thread
        layers = [
            (torch.from_numpy(weights[f"{name}.weight"]).bfloat16(), torch.from_numpy(weights[f"{name}.bias"]))
            for name in ("hidden", "words")
        ]
        prepacked = [_prepacked(weight, bias.bfloat16()) for weight, bias in layers]
        self._layers = [
            packed or _plain(weight, bias.bfloat16()) for packed, (weight, bias) in zip(prepacked, layers, strict=True)
        ]
        self.backend = "bfloat16" + (", prepacked" if all(prepacked) else "")

    @torch.inference_mode()
    def __call__(self, descriptors: Descriptors) -> Floats:
        """How strongly each belongs to each word."""
        empty = np.zeros((-len(descriptors) % _ROWS, DESCRIPTOR_BYTES), np.uint8)
        bits = np.unpackbits(np.concatenate([descriptors, empty]), axis=1).view(np.int8)
        bits <<= 1
        bits -= 1
        rows = torch.from_numpy(bits).bfloat16()
        for layer in self._layers:
            rows = layer(rows)
        found: Floats = rows[: len(descriptors)].float().numpy()
        return found


def _plain(weight: Tensor, bias: Tensor) -> Layer:
    return lambda rows: linear(rows, weight, bias).relu_()


def _prepacked(weight: Tensor, bias: Tensor) -> Layer | None:
    """The layer with its weights in oneDNN's own layout: 1.4 times as fast.

    These operators are private to PyTorch and may change: None if they are missing or give another result.
    """
    try:
        ours = torch.ops.mkldnn._reorder_linear_weight(weight, _USUAL_ROWS)  # noqa: SLF001 (checked below)
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
