"""What differs on a GPU: pictures are uploaded while others are computed, and resized there.

Not measured: no GPU was at hand when this was written. All of it but streams and pinned memory runs in the tests, on
the processor.
"""

import contextlib
import threading
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from embedding.network.preprocess import Preparation

TOGETHER = 64  # pictures at once: enough to keep a large GPU's cores busy with the layers of ViT-B-32


def resizing_on(device: str, preparation: Preparation) -> Preparation:
    """The preparation with its resize on `device`, within one grey level of the other.

    As the resize of bytes does it: first across, then down, each rounded to bytes.
    """

    def resize(picture: Tensor, size: list[int], corners: bool, down: float, across: float) -> Tensor:  # noqa: FBT001 (torch's)
        if picture.is_floating_point():  # shares of pixels, which the preparation computes with
            return preparation.filter(uploaded(picture, device), size, corners, down, across)
        wide = [picture.shape[2], size[1]]
        seen = preparation.filter(uploaded(picture, device).float(), wide, corners, 1.0, across).round_().clamp_(0, 255)
        seen = preparation.filter(seen, size, corners, down, 1.0).round_().clamp_(0, 255)
        return seen.to(torch.uint8)

    return replace(preparation, filter=resize)


def uploaded(values: Tensor, device: str) -> Tensor:
    """`values` on the device. Out of pinned memory, so that the copy does not wait for what is computed there."""
    return (values.pin_memory() if device == "cuda" else values).to(device, non_blocking=True)


def filled_up(batch: Tensor, together: int) -> Tensor:
    """The batch with its last picture repeated, to the next power of two of `together` or less.

    A GPU's libraries look for the best algorithm for each new shape, so there should be few.
    """
    wanted = min(together, 1 << (len(batch) - 1).bit_length())
    missing = max(0, wanted - len(batch))
    return torch.cat([batch, batch[-1:].expand(missing, *batch.shape[1:])]) if missing else batch


class Streams:
    """A stream for each thread, so that one thread's upload runs beside another's computation.

    Args:
        device: "cuda", or "cpu", which has no streams.
    """

    def __init__(self, device: str) -> None:
        self._there = device == "cuda"
        self._threads = threading.local()

    def __call__(self) -> AbstractContextManager[Any]:
        """Within it, this thread's work goes to its own stream."""
        if not self._there:
            return contextlib.nullcontext()
        if not hasattr(self._threads, "stream"):
            self._threads.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's
        return torch.cuda.stream(self._threads.stream)
