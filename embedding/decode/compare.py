"""Small versions of pictures, to tell which frames and readings show something new. Pure."""

import cv2
import numpy as np
from numpy.typing import NDArray

from embedding.picture import Pixels

Small = NDArray[np.float32]  # (64, 64), grey levels

_SIDE, _BLOCKS = 64, 8
_PLAIN = 6.0  # grey levels between the darkest and the brightest cell
_SAME = 8.0  # grey levels that every cell of two frames may differ by
_DETAIL = 4.0  # standard deviation of a block that shows something
_LOST, _UNLIKE = 0.25, 0.5  # share of that deviation, or correlation, below which a block no longer shows it


def small(pixels: Pixels) -> Small:
    """The picture's grey levels in 64 x 64 cells; the picture may be grey."""
    reduced = cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(reduced if reduced.ndim == 2 else cv2.cvtColor(reduced, cv2.COLOR_RGB2GRAY), np.float32)  # noqa: PLR2004 (height and width)


def sampled(pixels: Pixels) -> Pixels:
    """64 x 64 pixels of the picture as they are, evenly spread: for changes that treat each pixel alone."""
    rows, columns = (np.linspace(0, side - 1, _SIDE).astype(np.intp) for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[rows][:, columns])


def is_plain(picture: Small) -> bool:
    """Whether there is nothing to see: one colour, or nearly."""
    return float(picture.max() - picture.min()) <= _PLAIN


def same(one: Small, other: Small) -> bool:
    """Whether two frames show the same."""
    return float(np.abs(one - other).max()) <= _SAME


def shows_more(one: Small, other: Small) -> bool:
    """Whether `other` shows something that `one` does not: a block with detail that is missing there, or unlike.

    Other colours or brightness do not count: corners stay where they are.
    """
    first, second = (_blocks(each) for each in (one, other))
    spread = [np.sqrt((each * each).mean(2)) for each in (first, second)]
    together = (first * second).mean(2)
    detailed = spread[1] > _DETAIL
    lost = (spread[0] < _LOST * spread[1]) | (together < _UNLIKE * spread[0] * spread[1])
    return bool((detailed & lost).any())


def _blocks(picture: Small) -> Small:
    """(8, 8, 64): the cells of each block, minus their mean."""
    cells = picture.reshape(_BLOCKS, _SIDE // _BLOCKS, _BLOCKS, _SIDE // _BLOCKS).transpose(0, 2, 1, 3)
    blocks = cells.reshape(_BLOCKS, _BLOCKS, -1)
    return np.asarray(blocks - blocks.mean(2, keepdims=True), np.float32)
