"""Bytes → frames of RGB pixels as viewers would show them. The input is untrusted: see embedding/processes/.

Files are refused by their header, before any pixel is decoded. Formats are recognised by their signature: those that
browsers and phones show, BMP and TIFF. Pillow supports dozens more, but each decoder is another place that a hostile
file can attack.

A file that ends too early or is damaged is decoded as far as possible, because browsers show it too, and marked.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import (  # the plugins by name: otherwise Image.open would load all of Pillow's formats
    AvifImagePlugin,  # noqa: F401 (registers itself)
    BmpImagePlugin,  # noqa: F401 (registers itself)
    GifImagePlugin,  # noqa: F401 (registers itself)
    Image,
    ImageFile,
    JpegImagePlugin,  # noqa: F401 (registers itself)
    MpoImagePlugin,  # noqa: F401 (registers itself)
    PngImagePlugin,  # noqa: F401 (registers itself)
    TiffImagePlugin,  # noqa: F401 (registers itself)
    WebPImagePlugin,  # noqa: F401 (registers itself)
)

from embedding.decode.colour import (
    PLAIN,
    WITHOUT_PROFILE,
    decoded_to_upright_srgb,
    has_profile,
    hides_in_profile,
    other_readings,
    upright,
    upright_size,
    upright_srgb,
)
from embedding.decode.formats import is_svg, signature, unsupported
from embedding.decode.frames import Frames, frames_of
from embedding.decode.jpeg import decode_grey, decode_jpeg, within
from embedding.decode.limits import Limits, too_costly
from embedding.decode.optional import opened as opened_by_extra
from embedding.image import Reason, Unreadable
from embedding.picture import Picture, Pixels, Size

# Our own limit is a setting and is compared with the header. Pillow's limit applies to the whole process and must not
# be lower: this is the largest value that the setting accepts.
Image.MAX_IMAGE_PIXELS = 1_000_000_000
_LARGEST = 8  # a JPEG can be decoded to 1/8 of its width and height


@dataclass(frozen=True, slots=True)
class Shown:
    """One frame, read in one way.

    Attributes:
        pixels: (height, width, 3) uint8 sRGB, C-contiguous, upright; may be reduced to 1/2, 1/4 or 1/8, rounded up. If
            nothing but corners is looked for, they may be (height, width), the brightness.
        size: height and width of the whole frame, upright.
    """

    reading: str
    pixels: Pixels
    size: Size


@dataclass(slots=True)
class File:
    """An opened file.

    Attributes:
        format: JPEG, PNG, …
        size: height and width of its first frame, upright.
        frames: which it has.
    """

    format: str
    size: Size
    frames: Frames
    _image: Image.Image
    _data: bytes
    _limits: Limits

    def show(self, number: int) -> Iterator[Shown]:
        """A frame as viewers show it, and other readings that show more. Ask for frames in ascending order.

        Raises:
            Exception: anything, if the frame is damaged.
        """
        image, max_pixels = self._image, self._limits.max_pixels
        if number or self.frames.count > 1:
            image.seek(number)
        size = upright_size(image)
        if number == 0 and (grey := self.grey(self._limits.corners_side)) is not None:
            yield Shown(PLAIN.name, grey, size)
            return
        if number == 0 and self.format == "JPEG" and (found := self._jpeg()) is not None:
            # It is changed in place, so what is needed of it is read first.
            hidden = found.copy() if hides_in_profile(found, image) else None
            yield Shown(PLAIN.name, decoded_to_upright_srgb(found, image), size)
            if hidden is not None:
                yield Shown(WITHOUT_PROFILE.name, decoded_to_upright_srgb(hidden, image, WITHOUT_PROFILE), size)
            return
        if number and too_large(size, max_pixels):
            raise ValueError("a later frame has too many pixels")
        if self.format == "JPEG" and too_large(size, max_pixels):
            height, width = within((image.height, image.width), max_pixels)
            image.draft(None, (width, height))
        image.load()
        if too_large((image.height, image.width), max_pixels):  # the decoded size can differ from the header's
            raise ValueError("the frame has more pixels than its header says")
        plain = upright_srgb(image)
        yield Shown(PLAIN.name, plain, size)
        yield from (Shown(reading.name, pixels, size) for reading, pixels in other_readings(image, plain))

    def grey(self, longest: int | None) -> Pixels | None:
        """The brightness of a JPEG's first frame, reduced, if nothing but corners is looked for; else None.

        Args:
            longest: pixels that are needed, see `decode_grey`; None: all.
        """
        if self._limits.corners_side is None or longest is None or self.format != "JPEG":
            return None
        if self._image.mode in {"RGB", "L"} and has_profile(self._image):
            return None
        found = decode_grey(self._image, self._data, longest, self._limits.max_pixels)
        return None if found is None else upright(found, self._image)

    def _jpeg(self) -> Pixels | None:
        return decode_jpeg(self._image, self._data, self._limits.least_side, self._limits.max_pixels)


def decode(data: bytes, max_pixels: int, least_side: int | None = None) -> Picture | Unreadable:
    """The first frame of a file that is trusted, decoded in this process. For untrusted files: embedding/processes/.

    Args:
        data: a file's bytes.
        max_pixels: see `Limits`, as for `least_side`.
        least_side: see there.
    """
    try:
        with opened(data, Limits(max_pixels, least_side)) as file:
            if isinstance(file, Unreadable):
                return file
            shown = next(file.show(file.frames.first))
            return Picture(shown.pixels, shown.size, file.format, file.frames.count)
    except Image.DecompressionBombError:
        return Unreadable(Reason.TOO_MANY_PIXELS, "the file claims more than 2,000 million pixels")
    except Exception as error:  # noqa: BLE001 (decoders raise all kinds of errors)
        return Unreadable(Reason.CORRUPT, sentence(error))


def sentence(error: Exception) -> str:
    """What is wrong with a file. Pillow's own message is not used: it may quote the file."""
    ended = isinstance(error, EOFError) or "truncated" in str(error)
    return f"the file {'ends too early' if ended else 'is damaged'} ({type(error).__name__})"


@contextmanager
def opened(data: bytes, limits: Limits, *, damaged: bool = False) -> Iterator[File | Unreadable]:
    """The file in `data`, or why its header refuses it.

    Args:
        data: a file's bytes.
        limits: what is decoded.
        damaged: decode what there is, although the file ends too early or is damaged.

    Raises:
        MemoryError: there is not enough memory.
        Exception: anything, if the header is damaged.
    """
    name = signature(data)
    if name is None or name == "SVG":
        yield _refused(data)
        return
    if problem := too_costly(data, name, limits.max_pixels):
        yield problem
        return
    with _settings(damaged=damaged), _image(data, name, damaged=damaged) as image:
        if isinstance(image, Unreadable):
            yield image
            return
        width, height = image.size
        most = limits.max_pixels * (_LARGEST * _LARGEST if name == "JPEG" else 1)
        if too_large((height, width), most):
            yield Unreadable(Reason.TOO_MANY_PIXELS, f"{width} x {height} pixels, more than {limits.max_pixels}")
            return
        if (
            name == "PNG"
        ):  # its EXIF may come after its pixels: Pillow decodes them to read it, and errors would be lost
            image.load()
        yield File(name, upright_size(image), frames_of(image, name, data), image, data, limits)


def too_large(size: Size, max_pixels: int) -> bool:
    """Whether a picture has more pixels than it may have."""
    return size[0] * size[1] > max_pixels


def _refused(data: bytes) -> Unreadable:
    if name := unsupported(data) or ("SVG" if is_svg(data) else None):
        return Unreadable(Reason.UNSUPPORTED_FORMAT, f"this is a file of another kind: {name}")
    known = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIC or JPEG XL"
    return Unreadable(Reason.UNKNOWN_FORMAT, f"not a {known} file")


@contextmanager
def _image(data: bytes, name: str, *, damaged: bool) -> Iterator[Image.Image | Unreadable]:
    if name in {"HEIC", "JXL"}:
        yield opened_by_extra(data, name)
        return
    if damaged and name == "WEBP":  # its decoder refuses a file that is shorter than its header says
        data = data.ljust(min(int.from_bytes(data[4:8], "little") + 8, 2 * len(data) + 8), b"\0")
    with Image.open(io.BytesIO(data), formats=[name]) as image:
        yield image


@contextmanager
def _settings(*, damaged: bool) -> Iterator[None]:
    """Pillow's settings for one file: no warnings (an operator could not fix a user's file), and whether to go on."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = damaged
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
