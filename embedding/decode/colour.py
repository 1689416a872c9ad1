"""Any of Pillow's colour modes → upright sRGB pixels, as a viewer would show them.

Colours are made a strip at a time and written straight into the upright result: a picture of 100 million pixels needs
its decoded form and its result, and nothing of that size in between. What is in between stays in the processor's cache.
"""

import functools
import io
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageCms

from embedding.picture import Pixels, Size

_STRIP_PIXELS = 1 << 16  # whole pictures take 3 to 5 times as long, waiting for memory
_ORIENTATION = 0x0112  # EXIF
_SIDEWAYS = range(5, 9)
_MAX_PROFILE_BYTES = 4_000_000  # the largest profiles in use, of printing presses, have 2.6 MB

# Transparent parts are shown over white: it is what browsers, mail and chat programs show behind a picture by default,
# and the same background for references and images makes the same picture give the same vector.
_BACKGROUND = (255, 255, 255)

# From the order of the file to the upright picture, by EXIF's orientation. OpenCV is 10 times as fast as NumPy at it.
_TURNS: dict[int, Callable[[Pixels], Any]] = {
    2: lambda stored: cv2.flip(stored, 1),
    3: lambda stored: cv2.flip(stored, -1),
    4: lambda stored: cv2.flip(stored, 0),
    5: cv2.transpose,
    6: lambda stored: cv2.rotate(stored, cv2.ROTATE_90_CLOCKWISE),
    7: lambda stored: np.ascontiguousarray(stored[::-1, ::-1].transpose(1, 0, 2)),
    8: lambda stored: cv2.rotate(stored, cv2.ROTATE_90_COUNTERCLOCKWISE),
}

_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # colour space of an ICC profile: Pillow's mode
_MODES = {"1": "L", "L": "L", "LA": "L", "CMYK": "CMYK", "LAB": "LAB"}  # everything else is worked on as RGB
_DEEP = ("I", "F")  # modes of more than 8 bits: I;16 and its byte orders, I, F


def as_seen(image: Image.Image) -> Pixels:
    """Pixels (height, width, 3) uint8 of a loaded image: its EXIF orientation applied, transparency over white.

    An embedded ICC profile is converted to sRGB; one that is broken or made for another kind of picture is ignored, as
    viewers do.
    """
    height, width = size_as_seen(image)
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    stored = _as_stored(pixels, orientation(image))
    colour = _deep(image) if image.mode.startswith(_DEEP) else _shallow(image)
    for top, strip in _strips(image):
        stored[top : top + strip.height] = colour(strip)
    return pixels


def decoded_as_seen(decoded: Pixels, image: Image.Image) -> Pixels:
    """The same of pixels that another decoder than Pillow has made; they may be changed in place.

    Args:
        decoded: (height, width, 3 or 1) uint8, C-contiguous, in the image's mode, which is RGB or L; may be reduced.
        image: as opened; only its mode, profile and EXIF are looked at.
    """
    grey = image.mode == "L"
    pixels = decoded
    if grey or _transform(image.info.get("icc_profile"), image.mode):
        pixels = np.empty((*decoded.shape[:2], 3), dtype=np.uint8) if grey else decoded
        colour = _shallow(image)
        rows = max(1, _STRIP_PIXELS // decoded.shape[1])
        for top in range(0, decoded.shape[0], rows):
            strip = decoded[top : top + rows]
            pixels[top : top + rows] = colour(Image.fromarray(strip[..., 0] if grey else strip))
    turn = _TURNS.get(orientation(image))
    upright: Pixels = turn(pixels) if turn else pixels
    return upright


def size_as_seen(image: Image.Image) -> Size:
    """Height and width with its EXIF orientation applied."""
    width, height = image.size
    return (width, height) if orientation(image) in _SIDEWAYS else (height, width)


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    rows = max(1, _STRIP_PIXELS // image.width)
    if rows >= image.height:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def orientation(image: Image.Image) -> int:
    """1 to 8, as EXIF defines them; 1 where it says nothing or nonsense."""
    try:
        said = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 (strangers' bytes: EXIF that cannot be read is no EXIF)
        return 1
    return said if said in range(1, 9) else 1


def _as_stored(upright: Pixels, turned: int) -> Pixels:
    """A view of the upright pixels in the order in which the file stores them."""
    views: dict[int, Callable[[Pixels], Pixels]] = {
        2: lambda seen: seen[:, ::-1],
        3: lambda seen: seen[::-1, ::-1],
        4: lambda seen: seen[::-1],
        5: lambda seen: seen.transpose(1, 0, 2),
        6: lambda seen: np.rot90(seen, 1),  # a viewer turns it clockwise, so the file has it turned the other way
        7: lambda seen: seen[::-1, ::-1].transpose(1, 0, 2),
        8: lambda seen: np.rot90(seen, -1),
    }
    return views[turned](upright) if turned in views else upright


def _shallow(image: Image.Image) -> Callable[[Image.Image], Pixels]:
    """8 bits per channel or fewer."""
    base = _MODES.get(image.mode, "RGB")
    transform = _transform(image.info.get("icc_profile"), base)
    if base == "LAB" and transform is None:
        transform = _from_lab()
    see_through = image.mode in {"LA", "La", "PA", "RGBA", "RGBa"} or "transparency" in image.info

    def colour(strip: Image.Image) -> Pixels:
        alpha = _in(strip, "RGBA") if see_through else None
        strip = _in(_in(alpha or strip, "RGB") if strip.mode != base else strip, base)
        strip = transform.apply(strip) if transform else _in(strip, "RGB")
        if alpha is not None:
            seen = Image.new("RGB", strip.size, _BACKGROUND)
            seen.paste(strip, mask=alpha)
            strip = seen
        return np.asarray(strip)

    return colour


def _in(image: Image.Image, mode: str) -> Image.Image:
    """In another mode; Pillow would make a copy of one that is in it already."""
    return image if image.mode == mode else image.convert(mode)


def _transform(profile: object, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From the profile's colours to sRGB; None where that would change nothing or cannot be done."""
    if not isinstance(profile, bytes) or not 0 < len(profile) <= _MAX_PROFILE_BYTES:
        return None
    try:
        return _built(profile, mode)
    except Exception:  # noqa: BLE001 (strangers' bytes: a profile that cannot be read is ignored, as viewers do)
        return None


@functools.lru_cache(maxsize=8)  # cameras and programs each embed one and the same profile all their life
def _built(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if _SPACES.get(source.profile.xcolor_space) != mode:
        return None
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    if mode == "RGB" and _changes_nothing(transform):
        return None
    return transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether no colour of a 9 x 9 x 9 cube moves by more than one level: sRGB by any name, and under no false one."""
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    moved = np.asarray(transform.apply(Image.fromarray(cube))).astype(np.int16) - cube
    return bool(np.abs(moved).max() <= 1)


@functools.cache
def _from_lab() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


def _deep(image: Image.Image) -> Callable[[Image.Image], Pixels]:
    """Greyscale of 16 or 32 bits or floating point, scaled to 8 bits and never clipped."""
    if image.mode.startswith("I;16"):
        low, high = 0.0, 65_535.0
    else:
        low, high = _range(image)

    def colour(strip: Image.Image) -> Pixels:
        levels = np.asarray(strip).astype(np.float32)
        levels -= np.float32(low)
        levels *= np.float32(255 / (high - low))
        grey = np.nan_to_num(levels, nan=0.0, posinf=255.0, neginf=0.0).clip(0, 255).round().astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)

    return colour


def _range(image: Image.Image) -> tuple[float, float]:
    """Values of black and white.

    No rule says what they are in 32-bit and floating-point TIFFs. The range is the smallest usual one that holds all
    values (0-1 for floats, 0-255, 0-65,535), or else from the least to the greatest value.
    """
    low, high = np.inf, -np.inf
    for _, strip in _strips(image):
        values = np.asarray(strip).astype(np.float32)
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    for white in (1.0, 255.0, 65_535.0) if image.mode == "F" else (255.0, 65_535.0):
        if low >= 0 and high <= white:
            return 0.0, white
    return (low, high) if low < high else (low, low + 1)
