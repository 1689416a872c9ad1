"""JPEG → pixels directly by libjpeg-turbo: in half of Pillow's time, and reduced where that is permitted.

Pillow has opened the file before. Unusual or damaged files are left to it.
"""

import simplejpeg  # type: ignore[import-untyped]  # no stubs
from PIL import Image

from embedding.decode.colour import orientation
from embedding.picture import Pixels, Size

_SPACES = {"RGB": "YCbCr", "L": "Gray"}  # Pillow's mode: the file's own colours
_COLOURS = {"RGB": "RGB", "L": "GRAY"}

# Eighths of the size. libjpeg-turbo supports 3, 5, 6 and 7 as well, but without vector instructions: they take
# longer than the next one of these (1280 x 960: 2.4, 3.9, 4.3 and 5.9 ms, against 2.3 for 4 and 3.2 for 8).
_EIGHTHS = (1, 2, 4)

# Which chroma subsamplings can be reduced. If colours have half the resolution along one side only, or a quarter,
# libjpeg-turbo makes them coarser than the brightness: up to 100 grey levels off after the resize. If they have half
# along both sides, a picture of half the size has its colours as stored, and a whole one has them interpolated between
# neighbours: up to 17 grey levels off at twice the size of the resize, 7 at three times.
_REDUCIBLE = {"444", "420", "Gray"}
_HALF_NEEDS = {"420": 1.5}

# A picture of this shape or longer is also looked at in parts, or with its longer side shortened (second_looks.py,
# windows.py): then its shorter side must have as many pixels.
_LONG = 1.9

# Orientations that keep the upper left corner in its place. With the others the last row of reduced pixels, which may
# cover less of the picture than the rest, would become the first one, and the whole picture would be shifted.
_FROM_TOP_LEFT = {1, 5}


def decode_jpeg(
    image: Image.Image, data: bytes, least_side: int | None, max_pixels: int | None = None
) -> Pixels | None:
    """Pixels (height, width, 3 or 1) as stored in the file, or None if the file must be left to Pillow.

    The same as Pillow's if they are not reduced: both use libjpeg-turbo.

    Args:
        image: opened, not yet loaded.
        data: the file's bytes.
        least_side: reduce to the smallest of 1/8, 1/4 and 1/2 whose shorter side has this many pixels and that changes
            a later resize by no more than a few grey levels; None: do not reduce.
        max_pixels: reduce further, to the largest of 1/2, 1/4 and 1/8 that has no more pixels than this.
    """
    if image.mode not in _SPACES:
        return None
    try:
        # It allocates memory by the header as it reads it, so that must agree with the header that was checked.
        height, width, space, colours = simplejpeg.decode_jpeg_header(data)
        if (width, height) != image.size or space != _SPACES[image.mode]:
            return None
        least = _reduced((height, width), least_side, colours, whole=orientation(image) not in _FROM_TOP_LEFT)
        if max_pixels is not None and least[0] * least[1] > max_pixels:
            least = within((height, width), max_pixels)
        pixels: Pixels = simplejpeg.decode_jpeg(data, _COLOURS[image.mode], min_height=least[0], min_width=least[1])
    except ValueError:  # damaged, or a variant that it does not support
        return None
    return pixels


def decode_grey(image: Image.Image, data: bytes, longest: int, max_pixels: int) -> Pixels | None:
    """Brightness (height, width) as stored in the file, or None if the file must be left to `decode_jpeg` or Pillow.

    It is reduced to the smallest of 1/8, 1/4 and 1/2 whose longest side has `longest` pixels; for long pictures the
    shorter side must have them. For 12 megapixels, grey and a quarter takes 9 ms, and grey as large as stored 15.

    Args:
        image: opened, not yet loaded, and without a profile.
        data: the file's bytes.
        longest: see above.
        max_pixels: see `decode_jpeg`.
    """
    size = _agreed(image, data)
    if size is None:
        return None
    counts = min if max(size) >= _LONG * min(size) else max
    sizes = [(-(-size[0] * eighths // 8), -(-size[1] * eighths // 8)) for eighths in _EIGHTHS]
    least = next((reduced for reduced in sizes if counts(reduced) >= longest), size)
    if least[0] * least[1] > max_pixels:
        least = within(size, max_pixels)
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, "GRAY", min_height=least[0], min_width=least[1])
    except ValueError:  # damaged
        return None
    return pixels[..., 0]


def _agreed(image: Image.Image, data: bytes) -> Size | None:
    """The size of a file that libjpeg-turbo reads as Pillow does; None if it does not."""
    if image.mode not in _SPACES:
        return None
    try:
        # It allocates memory by the header as it reads it, so that must agree with the header that was checked.
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:  # damaged, or a variant that it does not support
        return None
    return (height, width) if (width, height) == image.size and space == _SPACES[image.mode] else None


def within(size: Size, max_pixels: int) -> Size:
    """The largest of 1, 1/2, 1/4 and 1/8 of the size that has at most so many pixels; else 1/8."""
    height, width = size
    for factor in (1, 2, 4, 8):
        size = (-(-height // factor), -(-width // factor))
        if size[0] * size[1] <= max_pixels:
            break
    return size


def _reduced(size: Size, least_side: int | None, colours: str, *, whole: bool) -> Size:
    """The size that a JPEG of this size is decoded to; if `whole`, all pixels must cover equal parts of the picture."""
    if least_side is None or colours not in _REDUCIBLE:
        return size
    for eighths in _EIGHTHS:
        if whole and any(side * eighths % 8 for side in size):
            continue
        height, width = (-(-side * eighths // 8) for side in size)
        if min(height, width) >= least_side * (_HALF_NEEDS.get(colours, 1) if eighths == 4 else 1):  # noqa: PLR2004 (half)
            return height, width
    return size
