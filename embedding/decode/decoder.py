"""Bytes → RGB pixels as a viewer would show them. This is a door: nothing that comes in is trusted.

What is refused is refused from the header, before a pixel is decoded. Seven formats are let in, each by its signature:
those that browsers show, BMP and TIFF. Pillow knows dozens more, and every decoder is one more place for a hostile file
to break in. The first frame of an animation is judged.
"""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import (  # the plugins by name: Image.open would otherwise look for them among all of Pillow's formats
    AvifImagePlugin,  # noqa: F401 (registers itself)
    BmpImagePlugin,  # noqa: F401 (registers itself)
    GifImagePlugin,  # noqa: F401 (registers itself)
    Image,
    JpegImagePlugin,  # noqa: F401 (registers itself)
    PngImagePlugin,  # noqa: F401 (registers itself)
    TiffImagePlugin,
    WebPImagePlugin,  # noqa: F401 (registers itself)
)

from embedding.decode.colour import as_seen, decoded_as_seen, size_as_seen
from embedding.decode.frames import count_frames
from embedding.decode.jpeg import usual_pixels
from embedding.image import Reason, Unreadable
from embedding.picture import Picture

# Our own cap is configured and read from the header. Pillow's, which is one for the whole process, only has to stay out
# of its way: this is the largest that the settings permit.
Image.MAX_IMAGE_PIXELS = 1_000_000_000

# A progressive JPEG is decoded once per scan, and a scan of a huge picture can be a few bytes long. Encoders write up
# to about 20 scans. This allows 30 for the largest picture of the default settings, and hundreds for usual ones.
MAX_SCANNED_PIXELS = 3_000_000_000
MAX_SCANS = 1_000

_TIFF_TILE_WIDTH, _TIFF_TILE_LENGTH = 322, 323
_HEIF_BRANDS = frozenset({b"mif1", b"msf1"})  # containers of AVIF and of HEIC; the list of brands says which


def decode(data: bytes, max_pixels: int, least_side: int | None = None) -> Picture | Unreadable:
    """The picture in `data`, or why there is none. Never raises; safe to call from several threads.

    Args:
        data: a file's bytes.
        max_pixels: cap on width x height, whether or not the picture is reduced.
        least_side: pixels that the shorter side of the result has to have at least, so that formats that can be decoded
            to a smaller size (JPEG) are; None: every pixel counts. A picture that has fewer keeps its size.
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
    except Exception as error:  # noqa: BLE001 (strangers' bytes: decoders raise whatever they please)
        # Pillow's own words may quote the file.
        ended = isinstance(error, EOFError) or "truncated" in str(error)
        what = "ends too early" if ended else "is damaged"
        return Unreadable(Reason.CORRUPT, f"the {name} file {what} ({type(error).__name__})")


def _signature(data: bytes) -> str | None:
    """The format by a file's first bytes; a name in a header or a file's ending says nothing."""
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
    if problem := _too_big(image, max_pixels) or _overworked(image, name, data, max_pixels):
        return problem
    frames = count_frames(image, name, data)
    if name == "JPEG" and (decoded := usual_pixels(image, data, least_side)) is not None:
        return Picture(decoded_as_seen(decoded, image), size_as_seen(image), name, frames)
    if image.info.get("default_image"):
        # Such a PNG has one picture for viewers that know no animation, and others for those that do. Viewers do.
        image.seek(1)
    image.load()
    if problem := _too_big(image, max_pixels):  # what the header said is not always what comes
        return problem
    return Picture(as_seen(image), size_as_seen(image), name, frames)


def _too_big(image: Image.Image, max_pixels: int) -> Unreadable | None:
    width, height = image.size
    if width * height <= max_pixels:
        return None
    return Unreadable(Reason.TOO_MANY_PIXELS, f"{width} x {height} pixels, more than {max_pixels}")


def _overworked(image: Image.Image, name: str, data: bytes, max_pixels: int) -> Unreadable | None:
    """Small pictures that cost as much as huge ones."""
    if name == "JPEG":
        scans = _starts_of_scans(data)
        if scans > MAX_SCANS or scans * image.width * image.height > MAX_SCANNED_PIXELS:
            return Unreadable(Reason.TOO_MANY_PIXELS, f"a JPEG of {scans} scans, each over the whole picture")
    elif isinstance(image, TiffImagePlugin.TiffImageFile):
        # A tile is decoded as a whole, however little of it is in the picture.
        sides = [image.tag_v2.get(tag, 1) for tag in (_TIFF_TILE_WIDTH, _TIFF_TILE_LENGTH)]
        if sides[0] * sides[1] > max_pixels:
            return Unreadable(Reason.TOO_MANY_PIXELS, f"tiles of {sides[0]} x {sides[1]} pixels")
    return None


def _starts_of_scans(data: bytes) -> int:
    """How often FF DA is in a file: the start of a scan. Compressed data never holds these two bytes.

    With `data.count` it takes six times as long, and no other thread gets on meanwhile.
    """
    values = np.frombuffer(data, np.uint8)
    return int(np.count_nonzero((values[:-1] == 0xFF) & (values[1:] == 0xDA)))  # noqa: PLR2004 (the two bytes)


_silence_lock = threading.Lock()
_silenced: list["warnings.catch_warnings[None]"] = []  # one while anyone decodes
_decoding = 0


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Ignores Pillow's warnings (odd EXIF, odd animation): the file is a stranger's, nobody here could mend it.

    catch_warnings changes the whole process, and ends wrongly when threads interleave. So the first one in turns
    Pillow's warnings off and the last one out turns them on again.
    """
    global _decoding  # noqa: PLW0603 (the filters are the process's, so is the count)
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
