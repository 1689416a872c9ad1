"""The fastest numeric type that is right on this machine."""

import numpy as np
import torch
from numpy.typing import NDArray

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

# Against float32, ViT-B-32 has 1 - cos of 5e-5 in bfloat16 and 7e-7 in float16. Ten times as much leaves room for
# deeper networks, and stays below what moves a match over a threshold of two decimals.
LEAST_COSINE = 0.9995


def fastest(device: str) -> torch.dtype:
    """The type to try first.

    On a CPU half precision pays only where the processor multiplies matrices of it (AMX): bfloat16 without AMX runs at
    0.3-0.8 of float32's speed.
    """
    if device == "cuda":
        return torch.float16
    able = torch.cpu.get_capabilities()
    if able.get("amx_fp16"):
        return torch.float16
    if able.get("amx_bf16"):
        return torch.bfloat16
    return torch.float32


def same_vectors(right: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Whether unit vectors (n, d) are the same but for rounding."""
    return bool(np.isfinite(other).all() and (right * other).sum(axis=1).min() >= LEAST_COSINE)
