"""Second looks at a picture: pictures in it, the picture unstretched, and its negative. Imports without torch.

Each is a view beside the whole one. Unstretched pictures and negatives only have keypoints, so networks and perceptual
hashes do not compare them.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

from embedding.insets import insets
from embedding.local.keypoints import DECODED_SIDE, Detected, Keypoints, detect
from embedding.picture import (
    NEGATIVE_READING,
    PLAIN_READING,
    UNSTRETCHED_READING,
    WHOLE,
    Box,
    Needs,
    Pixels,
    Prepared,
    Seen,
    Size,
)
from embedding.prepare import prepare_both

# A picture of this shape or longer may have been stretched: most cameras and screens have sides of 3:2 to 16:9. A
# picture of 4:3 that is stretched three times has 9:4 or 4:1.
_LONG = 1.9
_UNSTRETCHED = 2.2  # by this factor: corners agree up to a stretch of 1.6, so it serves for 1.4 to 3.5


def second_looks(  # noqa: PLR0913 (what is known of the picture)
    pixels: Pixels,
    size: Size,
    needs: Needs,
    whole: Detected,
    *,
    parts: bool = True,
    closer: Callable[[int], Pixels | None] | None = None,
) -> Iterator[Seen]:
    """Second looks at a picture whose keypoints are needed, the most important first.

    Args:
        pixels: (height, width, 3) uint8 RGB of the whole picture.
        size: its height and width before it was reduced.
        needs: of each view.
        whole: what was detected in the whole picture.
        parts: whether pictures in the picture are looked for.
        closer: gives a reduced picture again, with as many pixels of the longest side or more; None if it cannot.
    """
    found = insets(whole.grey) if parts else []
    near = _closer(pixels, size, found, closer) if found and closer else pixels
    for box in found:
        part, part_size = cropped(near, size, box)
        own, mirror = prepare_both(part, part_size, needs)
        yield Seen(0, box, PLAIN_READING, own, mirror, second=True)
    unstretched = _unstretched(pixels)
    if unstretched is not None:
        yield _by_corners(detect(unstretched), size, UNSTRETCHED_READING)
    yield _by_corners(whole.negative, size, NEGATIVE_READING)


def _closer(pixels: Pixels, size: Size, found: Sequence[Box], closer: Callable[[int], Pixels | None]) -> Pixels:
    """The picture with enough pixels for a working copy of each of its parts, if it has them."""
    height, width = size
    smallest = min(max((right - left) * width, (bottom - top) * height) for left, top, right, bottom in found)
    wanted = math.ceil(DECODED_SIDE * max(size) / smallest)
    if max(pixels.shape[:2]) >= min(wanted, max(size)):
        return pixels
    more = closer(wanted)
    return pixels if more is None else more


def reread(pixels: Pixels, reading: str) -> Pixels:
    """The picture as a second look reads it: unstretched, or its negative; otherwise as it is."""
    if reading == NEGATIVE_READING:
        return 255 - pixels
    other = _unstretched(pixels) if reading == UNSTRETCHED_READING else None
    return pixels if other is None else other


def cropped(pixels: Pixels, size: Size, box: Box) -> tuple[Pixels, Size]:
    """The pixels of a part of a picture, C-contiguous, and its size before the picture was reduced."""
    if box == WHOLE:
        return pixels, size
    height, width = pixels.shape[:2]
    left, top, right, bottom = (round(edge * side) for edge, side in zip(box, (width, height) * 2, strict=True))
    part = np.ascontiguousarray(pixels[top : max(bottom, top + 1), left : max(right, left + 1)])
    factor = max(1, round(size[0] / height))
    return part, (part.shape[0] * factor, part.shape[1] * factor)


def _unstretched(pixels: Pixels) -> Pixels | None:
    """The picture with its longer side shortened; None if it is not long."""
    height, width = pixels.shape[:2]
    if max(height, width) < _LONG * min(height, width):
        return None
    shorter = (round(width / _UNSTRETCHED), height) if width > height else (width, round(height / _UNSTRETCHED))
    return np.asarray(cv2.resize(pixels, shorter, interpolation=cv2.INTER_AREA), np.uint8)


def _by_corners(found: Keypoints, size: Size, reading: str) -> Seen:
    return Seen(0, WHOLE, reading, Prepared(size, found), second=True)
