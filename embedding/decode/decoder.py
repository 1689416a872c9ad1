"""Bytes → RGB pixels as a viewer would show them. The input is untrusted.

Files are refused by their header, before any pixel is decoded. Seven formats are accepted, recognised by their
signature: those that browsers show, BMP and TIFF. Pillow supports dozens more, but each decoder is another place that a
hostile file can attack. The first frame of an animation is judged.
"""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import (  # the plugins by name: otherwise Image.open would load all of Pillow's formats
    AvifImagePlugin,  # noqa: F401 (registers itself)
    BmpImagePlugin,  # noqa: F401 (registers itself)
    GifImagePlugin,  # noqa: F401 (registers itself)
    Image,
    JpegImagePlugin,  # noqa: F401 (registers itself)
    PngImagePlugin,  # noqa: F401 (registers itself)
    TiffImagePlugin,
    WebPImagePlugin,  # noqa: F401 (registers itself)
)

from embedding.decode.colour import decoded_to_upright_srgb, upright_size, upright_srgb
from embedding.decode.frames import count_frames
from embedding.decode.jpeg import decode_jpeg
from embedding.image import Reason, Unreadable
from embedding.picture import Picture

# Our own limit is a setting and is compared with the header. Pillow's limit applies to the whole process and must not
# be lower: this is the largest value that the setting accepts.
Image.MAX_IMAGE_PIXELS = 1_000_000_000

# A progressive JPEG is decoded once per scan, and a scan of a huge picture can be a few bytes long. Encoders write up
# to about 20 scans. This allows 46 for the largest picture of the default settings, and hundreds for usual ones.
MAX_SCANNED_PIXELS = 3_000_000_000
MAX_SCANS = 1_000

_TIFF_TILE_WIDTH, _TIFF_TILE_LENGTH = 322, 323
_HEIF_BRANDS = frozenset({b"mif1", b"msf1"})  # containers of AVIF or HEIC; the list of brands says which


def decode(data: bytes, max_pixels: int, least_side: int | None = None) -> Picture | Unreadable:
    """The picture in `data`, or why it cannot be decoded. Never raises; safe to call from several threads.

    Args:
        data: a file's bytes.
        max_pixels: cap on width x height, whether or not the picture is reduced.
        least_side: a JPEG may be decoded to a smaller size, as long as its shorter side keeps this many pixels; None:
            every pixel counts. A picture that has fewer keeps its size.
    """
    name = _signature(data)
    if name is None:
        return Unreadable(Reason.UNKNOWN_FORMAT, "not a JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF file")
    try:
        with _without_warnings(), Image.open(io.BytesIO(data), formats=[name]) as image:
            return _picture(image, name, data, max_pixels, least_side)
    except Image.DecompressionBombError:
        return Unreadable(Reason.TOO_MANY_PIXELS, f"the {name} file claims more than 2,000 million pixels")
    except MemoryError:
        return Unreadable(Reason.CORRUPT, f"the {name} file asks for more memory than there is")
    except Exception as error:  # noqa: BLE001 (untrusted input: decoders raise all kinds of errors)
        # Pillow's own message is not used: it may quote the file.
        ended = isinstance(error, EOFError) or "truncated" in str(error)
        what = "ends too early" if ended else "is damaged"
        return Unreadable(Reason.CORRUPT, f"the {name} file {what} ({type(error).__name__})")


def _signature(data: bytes) -> str | None:
    """The format by the file's first bytes; a content type or a file extension is not trusted."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"BM"):
        return "BMP"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    return _container(data)


def _container(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        if brand in {b"avif", b"avis"} or (brand in _HEIF_BRANDS and b"avif" in data[16:64]):
            return "AVIF"
    return None


def _picture(
    image: Image.Image, name: str, data: bytes, max_pixels: int, least_side: int | None
) -> Picture | Unreadable:
    if problem := _too_big(image, max_pixels) or _too_costly(image, name, data, max_pixels):
        return problem
    frames = count_frames(image, name, data)
    if name == "JPEG" and (decoded := decode_jpeg(image, data, least_side)) is not None:
        return Picture(decoded_to_upright_srgb(decoded, image), upright_size(image), name, frames)
    if image.info.get("default_image"):
        # Such a PNG has one picture for viewers without animation, and others for those with it, as viewers are today.
        image.seek(1)
    image.load()
    if problem := _too_big(image, max_pixels):  # the decoded size can differ from the header's
        return problem
    return Picture(upright_srgb(image), upright_size(image), name, frames)


def _too_big(image: Image.Image, max_pixels: int) -> Unreadable | None:
    width, height = image.size
    if width * height <= max_pixels:
        return None
    return Unreadable(Reason.TOO_MANY_PIXELS, f"{width} x {height} pixels, more than {max_pixels}")


def _too_costly(image: Image.Image, name: str, data: bytes, max_pixels: int) -> Unreadable | None:
    """A problem for pictures that are small, but as costly to decode as huge ones."""
    if name == "JPEG":
        scans = _count_scans(data)
        if scans > MAX_SCANS or scans * image.width * image.height > MAX_SCANNED_PIXELS:
            return Unreadable(Reason.TOO_MANY_PIXELS, f"a JPEG of {scans} scans, each over the whole picture")
    elif isinstance(image, TiffImagePlugin.TiffImageFile):
        # A tile is always decoded whole, even if little of it is in the picture.
        sides = [image.tag_v2.get(tag, 1) for tag in (_TIFF_TILE_WIDTH, _TIFF_TILE_LENGTH)]
        if sides[0] * sides[1] > max_pixels:
            return Unreadable(Reason.TOO_MANY_PIXELS, f"tiles of {sides[0]} x {sides[1]} pixels")
    return None


def _count_scans(data: bytes) -> int:
    """How often FF DA, the start of a scan, is in a file. Compressed data never contains these two bytes.

    `data.count` would take six times as long and hold the GIL meanwhile.
    """
    values = np.frombuffer(data, np.uint8)
    return int(np.count_nonzero((values[:-1] == 0xFF) & (values[1:] == 0xDA)))  # noqa: PLR2004 (the two bytes)


_silence_lock = threading.Lock()
_silenced: list["warnings.catch_warnings[None]"] = []  # one entry while any thread decodes
_decoding = 0


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Ignores Pillow's warnings (odd EXIF, odd animation): the file is a user's, and an operator could not fix it.

    catch_warnings changes the whole process, and restores the wrong filters when threads interleave. So the first
    thread that decodes turns Pillow's warnings off, and the last one turns them on again.
    """
    global _decoding  # noqa: PLW0603 (the filters belong to the process, so the count does too)
    with _silence_lock:
        if _decoding == 0:
            silence = warnings.catch_warnings()
            silence.__enter__()
            _silenced.append(silence)
            warnings.filterwarnings("ignore", module=r"PIL\.")
        _decoding += 1
    try:
        yield
    finally:
        with _silence_lock:
            _decoding -= 1
            if _decoding == 0:
                _silenced.pop().__exit__(None, None, None)
