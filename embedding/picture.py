"""A decoded picture (plain values)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # (height, width, 3), RGB
Size = tuple[int, int]  # height, width


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as a viewer would show it.

    Attributes:
        pixels: (height, width, 3) uint8 sRGB, C-contiguous; upright, transparency over white. May be reduced to 1/8,
            1/4 or 1/2 of the size, rounded up, if `least_side` allowed it.
        size: height and width of the whole picture; the same as those of the pixels unless it was reduced.
        format: JPEG, PNG, WEBP, GIF, BMP, TIFF or AVIF.
        frames: number of frames in the file, at least 1; counting stops at `frames.MOST_FRAMES`.
    """

    pixels: Pixels
    size: Size
    format: str
    frames: int
