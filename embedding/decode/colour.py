"""Any of Pillow's colour modes → upright sRGB pixels, as a viewer would show them.

Colours are converted a strip at a time and written straight into the upright result: a picture of 100 million pixels
needs memory for its decoded form and its result, and for no copy in between. A strip fits in the processor's cache.
"""

import functools
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageCms

from embedding.decode.compare import sampled, shows_more, small
from embedding.picture import PLAIN_READING, Pixels, Size

_STRIP_PIXELS = 1 << 16  # converting whole pictures takes 3 to 5 times as long, waiting for memory
_ORIENTATION = 0x0112  # EXIF
_SIDEWAYS = range(5, 9)
_TURNED = frozenset({"TIFF", "HEIF"})  # formats whose size is that of the upright picture: their plugins turn it
_MAX_PROFILE_BYTES = 4_000_000  # the largest profiles in use, those of printing presses, have 2.6 MB


@dataclass(frozen=True, slots=True)
class Reading:
    """How viewers turn a file's values into colours.

    Attributes:
        name: as in the verdict.
        background: what transparent parts are shown over.
        managed: whether an embedded ICC profile is used.
    """

    name: str
    background: tuple[int, int, int] = (255, 255, 255)
    managed: bool = True


# Browsers, mail and chat programs show transparent parts over white, and use the profile. In dark themes they are shown
# over black, and simple viewers ignore profiles. References and images are read in the same ways, the first one first.
PLAIN = Reading(PLAIN_READING)
ON_BLACK = Reading("on_black", background=(0, 0, 0))
WITHOUT_PROFILE = Reading("without_profile", managed=False)

# From the file's pixel order to the upright picture, by EXIF orientation. OpenCV is 10 times as fast as NumPy here.
_TURNS: dict[int, Callable[[Pixels], Any]] = {
    2: lambda stored: cv2.flip(stored, 1),
    3: lambda stored: cv2.flip(stored, -1),
    4: lambda stored: cv2.flip(stored, 0),
    5: cv2.transpose,
    6: lambda stored: cv2.rotate(stored, cv2.ROTATE_90_CLOCKWISE),
    7: lambda stored: np.ascontiguousarray(stored[::-1, ::-1].swapaxes(0, 1)),
    8: lambda stored: cv2.rotate(stored, cv2.ROTATE_90_COUNTERCLOCKWISE),
}

_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # colour space of an ICC profile: Pillow's mode
_MODES = {"1": "L", "L": "L", "LA": "L", "CMYK": "CMYK", "LAB": "LAB"}  # everything else is processed as RGB
_OPAQUE = 250  # of 255: less shows the background
_DEEP = ("I", "F")  # modes of more than 8 bits: I;16 and its byte orders, I, F


def upright_srgb(image: Image.Image, reading: Reading = PLAIN) -> Pixels:
    """Pixels (height, width, 3) uint8 of a loaded image, with its EXIF orientation applied.

    An embedded ICC profile is converted to sRGB; one that is broken or made for another kind of picture is ignored, as
    viewers do.
    """
    height, width = upright_size(image)
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    stored = _in_stored_order(pixels, orientation(image))
    colour = _deep(image) if image.mode.startswith(_DEEP) else _shallow(image, reading)
    for top, strip in _strips(image):
        stored[top : top + strip.height] = colour(strip)
    return pixels


def other_readings(image: Image.Image, plain: Pixels) -> Iterator[tuple[Reading, Pixels]]:
    """The readings of a loaded image that show more than the plain one does, with their pixels."""
    if image.mode.startswith(_DEEP):
        return
    profile = _transform(image.info.get("icc_profile"), _MODES.get(image.mode, "RGB"))
    for reading, differs in ((ON_BLACK, _is_transparent(image)), (WITHOUT_PROFILE, profile is not None)):
        if differs and shows_more(small(plain), small(other := upright_srgb(image, reading))):
            yield reading, other


def hides_in_profile(decoded: Pixels, image: Image.Image) -> bool:
    """Whether pixels from another decoder show something without the image's profile that they do not show with it."""
    if not has_profile(image):
        return False
    part = sampled(decoded)
    with_, without = (decoded_to_upright_srgb(part.copy(), image, reading) for reading in (PLAIN, WITHOUT_PROFILE))
    return shows_more(small(with_), small(without))


def _is_transparent(image: Image.Image) -> bool:
    """Whether a part of a loaded image is transparent."""
    if image.mode in {"LA", "La", "RGBA", "RGBa"}:
        return int(image.getchannel(len(image.getbands()) - 1).getextrema()[0]) < _OPAQUE  # type: ignore[arg-type]  # of one band: two numbers
    return image.mode == "PA" or "transparency" in image.info


def decoded_to_upright_srgb(decoded: Pixels, image: Image.Image, reading: Reading = PLAIN) -> Pixels:
    """The same for pixels from another decoder than Pillow; they may be changed in place.

    Args:
        decoded: (height, width, 3 or 1) uint8, C-contiguous, in the image's mode, which is RGB or L; may be reduced.
        image: opened, not loaded; only its mode, profile and EXIF are used.
        reading: how its values become colours.
    """
    grey = image.mode == "L"
    pixels = decoded
    if grey or (reading.managed and _transform(image.info.get("icc_profile"), image.mode)):
        pixels = np.empty((*decoded.shape[:2], 3), dtype=np.uint8) if grey else decoded
        colour = _shallow(image, reading)
        rows = max(1, _STRIP_PIXELS // decoded.shape[1])
        for top in range(0, decoded.shape[0], rows):
            strip = decoded[top : top + rows]
            pixels[top : top + rows] = colour(Image.fromarray(strip[..., 0] if grey else strip))
    return upright(pixels, image)


def upright(stored: Pixels, image: Image.Image) -> Pixels:
    """Pixels from another decoder than Pillow, with the EXIF orientation of the image applied."""
    turn = _TURNS.get(orientation(image))
    turned: Pixels = turn(stored) if turn else stored
    return turned


def has_profile(image: Image.Image) -> bool:
    """Whether an image, which is RGB or L, has a profile that changes its colours."""
    return _transform(image.info.get("icc_profile"), image.mode) is not None


def upright_size(image: Image.Image) -> Size:
    """Height and width after the EXIF orientation is applied."""
    width, height = image.size
    if image.format in _TURNED:
        return height, width
    return (width, height) if orientation(image) in _SIDEWAYS else (height, width)


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    rows = max(1, _STRIP_PIXELS // image.width)
    if rows >= image.height:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def orientation(image: Image.Image) -> int:
    """1 to 8, as EXIF defines them; 1 if EXIF is missing or invalid."""
    try:
        stored = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 (untrusted input: EXIF that cannot be read is ignored)
        return 1
    return stored if stored in range(1, 9) else 1


def _in_stored_order(upright: Pixels, orientation_: int) -> Pixels:
    """A NumPy view of the upright pixels in the order in which the file stores them."""
    views: dict[int, Callable[[Pixels], Pixels]] = {
        2: lambda pixels: pixels[:, ::-1],
        3: lambda pixels: pixels[::-1, ::-1],
        4: lambda pixels: pixels[::-1],
        5: lambda pixels: pixels.transpose(1, 0, 2),
        6: lambda pixels: np.rot90(
            pixels, 1
        ),  # a viewer turns it clockwise, so the file stores it turned the other way
        7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
        8: lambda pixels: np.rot90(pixels, -1),
    }
    return views[orientation_](upright) if orientation_ in views else upright


def _shallow(image: Image.Image, reading: Reading) -> Callable[[Image.Image], Pixels]:
    """For images of at most 8 bits per channel: a function from a strip to its sRGB pixels."""
    base = _MODES.get(image.mode, "RGB")
    transform = _transform(image.info.get("icc_profile"), base) if reading.managed else None
    if base == "LAB" and transform is None:
        transform = _from_lab()
    transparent = image.mode in {"LA", "La", "PA", "RGBA", "RGBa"} or "transparency" in image.info

    def colour(strip: Image.Image) -> Pixels:
        alpha = _in(strip, "RGBA") if transparent else None
        strip = _in(_in(alpha or strip, "RGB") if strip.mode != base else strip, base)
        strip = transform.apply(strip) if transform else _in(strip, "RGB")
        if alpha is not None:
            flat = Image.new("RGB", strip.size, reading.background)
            flat.paste(strip, mask=alpha)
            strip = flat
        return np.asarray(strip)

    return colour


def _in(image: Image.Image, mode: str) -> Image.Image:
    """The image in this mode; not copied if it is in it already, as Pillow would."""
    return image if image.mode == mode else image.convert(mode)


def _transform(profile: object, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From the profile's colours to sRGB; None if that would change nothing or is impossible."""
    if not isinstance(profile, bytes) or not 0 < len(profile) <= _MAX_PROFILE_BYTES:
        return None
    try:
        return _built(profile, mode)
    except Exception:  # noqa: BLE001 (untrusted input: a profile that cannot be read is ignored, as viewers do)
        return None


@functools.lru_cache(maxsize=8)  # a camera or program always embeds the same profile
def _built(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if _SPACES.get(source.profile.xcolor_space) != mode:
        return None
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    if mode == "RGB" and _changes_nothing(transform):
        return None
    return transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether no colour of a 9 x 9 x 9 cube moves by more than one level: then it is sRGB, whatever its name says."""
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    moved = np.asarray(transform.apply(Image.fromarray(cube))).astype(np.int16) - cube
    return bool(np.abs(moved).max() <= 1)


@functools.cache
def _from_lab() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


def _deep(image: Image.Image) -> Callable[[Image.Image], Pixels]:
    """For greyscale of 16 or 32 bits or floats: a function from a strip to its pixels, scaled to 8 bits, unclipped."""
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
    """The values of black and white.

    No standard defines them for 32-bit and floating-point TIFFs. The range is the smallest usual one that contains all
    values (0-1 for floats, 0-255, 0-65,535), or else from the smallest to the largest value.
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
