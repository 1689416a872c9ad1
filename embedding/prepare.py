"""Pixels → what encoders and checks need of them: keypoints, hash, pixels. Imports without torch.

Pixels that a network asks for are passed on reduced by a whole factor, as far as it allows: the box average is the
first step of its own resize, and a large picture is not copied from one process to another.
"""

from typing import TYPE_CHECKING

import cv2
import numpy as np

from embedding.picture import Needs, Pixels, Prepared, Size

if TYPE_CHECKING:
    from embedding.local.keypoints import Detected


def prepare(pixels: Pixels, size: Size, needs: Needs, detected: "Detected | None" = None) -> Prepared:
    """What is needed of one view.

    Args:
        pixels: (height, width, 3) uint8 RGB, C-contiguous.
        size: its height and width in the file, if it was reduced while it was decoded.
        needs: what to make; the mirror image is not made here.
        detected: the view's corners, if they were detected already.
    """
    keypoints = found = None
    if needs.keypoints:
        from embedding.local.keypoints import detect  # noqa: PLC0415 (only if needed)

        keypoints = detected.keypoints if detected else detect(pixels)
    if needs.hash:
        from embedding.pdq import hash_of  # noqa: PLC0415 (only if needed)

        found = hash_of(pixels)
    return Prepared(size, keypoints, found, reduced(pixels, size, needs.least_side) if needs.pixels else None)


def prepare_both(
    pixels: Pixels, size: Size, needs: Needs, detected: "Detected | None" = None
) -> tuple[Prepared, Prepared | None]:
    """What is needed of one view, and of its mirror image if that is needed."""
    own = prepare(pixels, size, needs, detected)
    if not needs.mirror:
        return own, None
    return own, prepare(np.ascontiguousarray(pixels[:, ::-1]), size, needs)


def reduced(pixels: Pixels, size: Size, least_side: int | None) -> Pixels:
    """The pixels at 1/2, 1/4 or 1/8 of the view's size, the smallest whose shorter side has `least_side` pixels.

    Not those that the decoder has reduced already, and only sizes that divide evenly: the last row would otherwise
    cover less of the picture than the rest, and shift the result.
    """
    height, width = pixels.shape[:2]
    if least_side is None or (height, width) != size:
        return pixels
    for factor in (8, 4, 2):
        if height % factor == width % factor == 0 and min(height, width) >= least_side * factor:
            small = cv2.resize(pixels, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
            return np.asarray(small, np.uint8)
    return pixels
