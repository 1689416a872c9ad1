"""Parts of a long picture that are looked at beside the whole, in which details would be lost. Pure."""

from embedding.picture import WHOLE, Box, Size

LONG = 2.5  # times the shorter side: the whole alone is looked at up to here; a wide cinema picture has 2.39
_LENGTH = 2.0  # of a window, in shorter sides: a portrait at full width has 1.33 to 1.78
_STEP = 1.25  # from one window to the next, in shorter sides: what has a length of 0.75 lies in one of them whole


def boxes(size: Size, most: int) -> tuple[list[Box], int]:
    """The parts to look at, the whole first, and the number of windows that are left out.

    Args:
        size: height and width.
        most: number of boxes, at least 1.
    """
    long, short = max(size), min(size)
    if long <= LONG * short:
        return [WHOLE], 0
    length = _LENGTH * short / long  # as a fraction
    needed = 1 + int(-(-(long / short - _LENGTH) // _STEP))
    number = min(needed, most - 1)
    starts = [(1 - length) * index / max(number - 1, 1) for index in range(number)]
    if size[0] > size[1]:
        return [WHOLE, *((0.0, start, 1.0, min(1.0, start + length)) for start in starts)], needed - number
    return [WHOLE, *((start, 0.0, min(1.0, start + length), 1.0) for start in starts)], needed - number
