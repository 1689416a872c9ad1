"""What people do to a picture before they post it again: edits, decided by a random generator with a seed."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from random import Random

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from demo.frames import captioned, collage, framed, screenshot

Picture = Image.Image
# Why a hash of the whole picture does not survive an edit. The report shows it where PDQ alone misses copies.
MOVED = "its parts move, and the hash compares place by place"
COVERED = "what covers it changes a part of the hash"
FRAMED = "it is a part of another picture, and the hash describes the whole"


@dataclass(frozen=True, slots=True)
class Edit:
    """One kind of edit.

    Attributes:
        name: shown in the report.
        apply: picture and generator → edited picture, in RGB.
        against: why a perceptual hash may miss it; empty if it should find it.
    """

    name: str
    apply: Callable[[Picture, Random], Picture]
    against: str = ""


def _plain_copy(picture: Picture, _: Random) -> Picture:
    return picture


def _recompressed(picture: Picture, rng: Random) -> Picture:
    """Compressed twice as a JPEG of low quality, as messengers do."""
    for quality in (rng.randint(18, 40), rng.randint(30, 60)):
        file = BytesIO()
        picture.save(file, "JPEG", quality=quality)
        picture = Image.open(file).convert("RGB")
    return picture


def _resized(picture: Picture, rng: Random) -> Picture:
    return ImageOps.scale(picture, rng.uniform(0.3, 0.6), Image.Resampling.BILINEAR)


def _stretched(picture: Picture, rng: Random) -> Picture:
    width, height = picture.size
    return picture.resize((round(width * rng.uniform(0.8, 1.25)), height), Image.Resampling.BICUBIC)


def _grey(picture: Picture, _: Random) -> Picture:
    return ImageOps.grayscale(picture).convert("RGB")


def _coloured(picture: Picture, rng: Random) -> Picture:
    for enhance in (ImageEnhance.Color, ImageEnhance.Brightness, ImageEnhance.Contrast):
        picture = enhance(picture).enhance(rng.choice((rng.uniform(0.65, 0.85), rng.uniform(1.2, 1.5))))
    return picture


def _blurred(picture: Picture, rng: Random) -> Picture:
    return picture.filter(ImageFilter.GaussianBlur(max(picture.size) * rng.uniform(0.003, 0.008)))


def _written_over(picture: Picture, rng: Random) -> Picture:
    """A line of text across the lower part."""
    picture = picture.copy()
    width, height = picture.size
    font = ImageFont.load_default(width * rng.uniform(0.06, 0.09))
    place = (width * rng.uniform(0.3, 0.5), height * rng.uniform(0.75, 0.88))
    words = rng.choice(("look at this", "send to everyone", "@somebody"))
    ImageDraw.Draw(picture).text(place, words, "white", font, anchor="mm", stroke_width=2, stroke_fill="black")
    return picture


def _sticker(picture: Picture, rng: Random) -> Picture:
    """A yellow face over 4 to 8 % of the picture."""
    picture = picture.copy()
    width, height = picture.size
    size = (rng.uniform(0.04, 0.08) * width * height) ** 0.5
    left, top = rng.uniform(0, width - size), rng.uniform(0, height - size)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((left, top, left + size, top + size), fill=(255, 204, 51), outline=(120, 80, 0), width=2)
    for eye in (0.3, 0.6):
        x, y = left + eye * size, top + 0.3 * size
        draw.ellipse((x, y, x + 0.1 * size, y + 0.15 * size), fill=(70, 45, 0))
    mouth = (left + 0.25 * size, top + 0.35 * size, left + 0.75 * size, top + 0.78 * size)
    draw.arc(mouth, 20, 160, fill=(70, 45, 0), width=max(2, round(size * 0.06)))
    return picture


def _cropped(least: float, most: float) -> Callable[[Picture, Random], Picture]:
    """A crop that keeps between `least` and `most` of width and height."""

    def crop(picture: Picture, rng: Random) -> Picture:
        width, height = picture.size
        keep = rng.uniform(least, most)
        left, top = rng.uniform(0, width * (1 - keep)), rng.uniform(0, height * (1 - keep))
        return picture.crop((round(left), round(top), round(left + width * keep), round(top + height * keep)))

    return crop


def _mirrored(picture: Picture, _: Random) -> Picture:
    return ImageOps.mirror(picture)


def _rotated(picture: Picture, rng: Random) -> Picture:
    return picture.rotate(rng.choice((-1, 1)) * rng.uniform(8, 15), Image.Resampling.BICUBIC, fillcolor="black")


def _turned(picture: Picture, rng: Random) -> Picture:
    return picture.transpose(rng.choice((Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)))


def _combined(picture: Picture, rng: Random) -> Picture:
    """Cropped, recoloured, written over and recompressed."""
    for edit in (_cropped(0.6, 0.85), _coloured, _written_over, _recompressed):
        picture = edit(picture, rng)
    return picture


EDITS = (
    Edit("plain copy", _plain_copy),
    Edit("recompressed", _recompressed),
    Edit("resized", _resized),
    Edit("stretched", _stretched),
    Edit("grey", _grey),
    Edit("colours", _coloured),
    Edit("blurred", _blurred),
    Edit("text over it", _written_over, COVERED),
    Edit("sticker", _sticker, COVERED),
    Edit("trimmed edge", _cropped(0.95, 0.98), MOVED),
    Edit("cropped", _cropped(0.55, 0.8), MOVED),
    Edit("hard crop", _cropped(0.3, 0.4), MOVED),
    Edit("mirrored", _mirrored, MOVED),
    Edit("rotated", _rotated, MOVED),
    Edit("quarter turn", _turned, MOVED),
    Edit("caption", captioned, FRAMED),
    Edit("frame", framed, FRAMED),
    Edit("screenshot", screenshot, FRAMED),
    Edit("collage", collage, FRAMED),
    Edit("combination", _combined, MOVED),
)
BY_NAME = {each.name: each for each in EDITS}
LIGHT = tuple(each for each in EDITS if not each.against)
