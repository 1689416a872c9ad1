"""Numeric types: which are worth trying on this machine, and when vectors are the same except for rounding."""

import numpy as np
import torch
from numpy.typing import NDArray

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

# Compared with float32, ViT-B-32 has a 1 - cos of 5e-5 in bfloat16 and 7e-7 in float16. Ten times as much leaves room
# for deeper networks, and is too little to move a match across a threshold of two decimals.
LEAST_COSINE = 0.9995


def types_to_try(device: str) -> list[torch.dtype]:
    """The types to try, the best first; the last one is float32.

    On a CPU half precision is only faster if the processor multiplies its matrices (AMX): bfloat16 without AMX runs at
    0.3-0.8 of float32's speed.
    """
    if device == "cuda":
        return [torch.float16, torch.float32]
    able = torch.cpu.get_capabilities()
    halves = {"amx_fp16": torch.float16, "amx_bf16": torch.bfloat16}
    return [*(type_ for name, type_ in halves.items() if able.get(name)), torch.float32]


def same_vectors(right: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Whether unit vectors (n, d) are the same except for rounding."""
    return bool(np.isfinite(other).all() and (right * other).sum(axis=1).min() >= LEAST_COSINE)
