"""What differs on a GPU: pictures are uploaded while others are computed, and are resized there.

Everything except streams and pinned memory is tested on the CPU. Once on an H100: EfficientNet-Lite0 gives the vectors
of the CPU (cosines of 0.99994 in float32 and float16, from four threads at a time too), 1,200 to 1,500 pictures of
640x480 per second from one thread, which prepares them.
"""

import contextlib
import threading
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from embedding.network.preprocess import Preparation

BATCH_SIZE = 64  # pictures: enough to keep a large GPU's cores busy with the layers of ViT-B-32


def resizing_on(device: str, preparation: Preparation) -> Preparation:
    """The preparation with its resize on `device`, within one grey level of the one on the CPU.

    It works like the resize of bytes: first across, then down, each rounded to bytes.
    """

    def resize(picture: Tensor, size: list[int], corners: bool, down: float, across: float) -> Tensor:  # noqa: FBT001 (torch's signature)
        if picture.is_floating_point():  # the preparation's weights of pixels, not a picture
            return preparation.filter(uploaded(picture, device), size, corners, down, across)
        wide = [picture.shape[2], size[1]]
        rows = preparation.filter(uploaded(picture, device).float(), wide, corners, 1.0, across).round_().clamp_(0, 255)
        resized = preparation.filter(rows, size, corners, down, 1.0).round_().clamp_(0, 255)
        return resized.to(torch.uint8)

    return replace(preparation, filter=resize)


def uploaded(values: Tensor, device: str) -> Tensor:
    """`values` on the device, copied from pinned memory, so that the copy does not wait for computations there."""
    return (values.pin_memory() if device == "cuda" else values).to(device, non_blocking=True)


def filled_up(batch: Tensor, batch_size: int) -> Tensor:
    """The batch with its last picture repeated up to the next power of two, at most `batch_size`.

    A GPU's libraries search for the best algorithm for each new shape, so there should be few shapes.
    """
    wanted = min(batch_size, 1 << (len(batch) - 1).bit_length())
    missing = max(0, wanted - len(batch))
    return torch.cat([batch, batch[-1:].expand(missing, *batch.shape[1:])]) if missing else batch


class Streams:
    """A CUDA stream for each thread, so that one thread's upload runs during another's computation.

    Args:
        device: "cuda", or "cpu", which has no streams.
    """

    def __init__(self, device: str) -> None:
        self._cuda = device == "cuda"
        self._threads = threading.local()

    def __call__(self) -> AbstractContextManager[Any]:
        """A context in which this thread's work goes to its own stream."""
        if not self._cuda:
            return contextlib.nullcontext()
        if not hasattr(self._threads, "stream"):
            self._threads.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's
        return torch.cuda.stream(self._threads.stream)
