"""Formats that phones write and that need a package of their own: HEIC (extra `heic`) and JPEG XL (extra `jxl`)."""

import importlib
import io
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embedding.extras import EXTRAS
from embedding.image import Reason, Unreadable

_WITH_CHANNELS = 3  # dimensions of one frame


def opened(data: bytes, name: str) -> Image.Image | Unreadable:
    """A HEIC, not decoded yet, or a JPEG XL, decoded.

    Raises:
        Exception: anything, if it is damaged.
    """
    package, extra = EXTRAS[name]
    if find_spec(package) is None:
        fix = f"a {name} file needs the extra: pip install 'vigilens[{extra}]'"
        return Unreadable(Reason.UNSUPPORTED_FORMAT, fix)
    module = importlib.import_module(package)
    if name == "HEIC":
        module.register_heif_opener(thumbnails=False, decode_threads=1)
        return Image.open(io.BytesIO(data), formats=["HEIF"])
    return _as_image(module.jpegxl_decode(data, numthreads=1))


def _as_image(values: NDArray[Any]) -> Image.Image:
    """Decoded values ([frames,] height, width [, channels]) as an image; several frames as the pages of a TIFF."""
    if values.dtype == np.uint16:
        values = (values >> 8).astype(np.uint8)
    elif values.dtype != np.uint8:
        values = (np.nan_to_num(values.astype(np.float32)).clip(0, 1) * 255).astype(np.uint8)
    if values.ndim <= _WITH_CHANNELS:
        return Image.fromarray(values)
    pages = [Image.fromarray(page) for page in values]
    if len(pages) == 1:
        return pages[0]
    file = io.BytesIO()
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    return Image.open(file, formats=["TIFF"])
