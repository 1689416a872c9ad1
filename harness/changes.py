"""Changes of a picture's own pixels: sizes, crops, turns, colours, blur, noise, words written over it.

Each takes the picture, a random generator, and other pictures. `frames` and `screens` have those that put the picture
into another one.
"""

from collections.abc import Callable
from io import BytesIO
from random import Random

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Picture = Image.Image
Change = Callable[..., Picture]  # (picture, random numbers, *other pictures) → edited picture
Range = tuple[float, float]

_SMALLEST = 16  # pixels of a side, at least
_PATCHES = 30  # of a mottle, along the longer side


def plain_copy(picture: Picture, _rng: Random, *_: Picture) -> Picture:
    """The picture itself."""
    return picture


def recompressed(*qualities: tuple[int, int]) -> Change:
    """Save as JPEG, once for each range with a quality from it, as messengers do."""

    def recompress(picture: Picture, rng: Random, *_: Picture) -> Picture:
        for least, most in qualities:
            file = BytesIO()
            picture.save(file, "JPEG", quality=rng.randint(least, most))
            picture = Image.open(file).convert("RGB")
        return picture

    return recompress


def resized(factors: Range) -> Change:
    """Scale both sides by one factor."""

    def resize(picture: Picture, rng: Random, *_: Picture) -> Picture:
        factor = rng.uniform(*factors)
        return _scaled(picture, factor, factor)

    return resize


def stretched(less: Range, more: Range) -> Change:
    """Stretch width or height by a factor from one of the ranges."""

    def stretch(picture: Picture, rng: Random, *_: Picture) -> Picture:
        factor = rng.choice((rng.uniform(*less), rng.uniform(*more)))
        return _scaled(picture, factor, 1) if rng.random() < 0.5 else _scaled(picture, 1, factor)  # noqa: PLR2004 (a coin)

    return stretch


def cropped(area: Range) -> Change:
    """Keep a part of the same shape; its share of the area is from the range."""

    def crop(picture: Picture, rng: Random, *_: Picture) -> Picture:
        kept = rng.uniform(*area) ** 0.5
        width, height = round(picture.width * kept), round(picture.height * kept)
        left, top = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
        return picture.crop((left, top, left + width, top + height))

    return crop


def mirrored(picture: Picture, _rng: Random, *_: Picture) -> Picture:
    """Left and right swapped."""
    return ImageOps.mirror(picture)


def quarter_turn(picture: Picture, rng: Random, *_: Picture) -> Picture:
    """Turn by 90 degrees to either side."""
    return picture.transpose(rng.choice((Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)))


def turned(degrees: Range) -> Change:
    """Turn to either side, on a page of one colour that is large enough for the whole picture."""

    def turn(picture: Picture, rng: Random, *_: Picture) -> Picture:
        angle = rng.choice((-1, 1)) * rng.uniform(*degrees)
        return picture.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=any_colour(rng))

    return turn


def coloured(less: Range, more: Range) -> Change:
    """Change saturation, brightness and contrast, each by a factor from one of the ranges."""

    def colour(picture: Picture, rng: Random, *_: Picture) -> Picture:
        for enhance in (ImageEnhance.Color, ImageEnhance.Brightness, ImageEnhance.Contrast):
            picture = enhance(picture).enhance(rng.choice((rng.uniform(*less), rng.uniform(*more))))
        return picture

    return colour


def grey(picture: Picture, _rng: Random, *_: Picture) -> Picture:
    """Without colours."""
    return ImageOps.grayscale(picture).convert("RGB")


def blurred(radii: Range) -> Change:
    """Blur with a radius that is a share of the shorter side from the range."""

    def blur(picture: Picture, rng: Random, *_: Picture) -> Picture:
        return picture.filter(ImageFilter.GaussianBlur(min(picture.size) * rng.uniform(*radii)))

    return blur


def noisy(levels: Range) -> Change:
    """Add random values to each channel of each pixel; their standard deviation in grey levels is from the range."""

    def add_noise(picture: Picture, rng: Random, *_: Picture) -> Picture:
        values = np.asarray(picture, np.float32)
        grains = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(*levels), values.shape)
        return as_picture(values + grains)

    return add_noise


def mottled(levels: float) -> Change:
    """Make soft patches, 30 along the longer side, brighter or darker by about this number of grey levels."""

    def mottle(picture: Picture, rng: Random, *_: Picture) -> Picture:
        patch = max(picture.size) / _PATCHES
        down, across = (max(2, round(side / patch)) for side in (picture.height, picture.width))
        signs = np.random.default_rng(rng.getrandbits(32)).choice((-levels, levels), (down, across))
        field = cv2.resize(signs.astype(np.float32), picture.size, interpolation=cv2.INTER_CUBIC)
        return as_picture(np.asarray(picture, np.float32) + field[..., None])

    return mottle


def gamma(less: Range, more: Range) -> Change:
    """Raise brightness to a power from one of the ranges."""

    def raise_(picture: Picture, rng: Random, *_: Picture) -> Picture:
        power = rng.choice((rng.uniform(*less), rng.uniform(*more)))
        return picture.point([round(255 * (value / 255) ** power) for value in range(256)] * 3)

    return raise_


def negative(picture: Picture, _rng: Random, *_: Picture) -> Picture:
    """Each colour replaced by its opposite."""
    return ImageOps.invert(picture)


def thumbnail(side: int) -> Change:
    """Scale the longer side to this number of pixels."""

    def shrink(picture: Picture, _rng: Random, *_: Picture) -> Picture:
        factor = side / max(picture.size)
        return _scaled(picture, factor, factor)

    return shrink


def written_over(lines: tuple[int, int], heights: Range) -> Change:
    """Write outlined lines anywhere; a line's height is a share of the picture's from the range."""
    words = ("this", "IS", "when", "they", "SAID", "today", "again", "LOOK", "nobody", "knows", "share", "2 late")

    def write(picture: Picture, rng: Random, *_: Picture) -> Picture:
        picture = picture.copy()
        draw = ImageDraw.Draw(picture)
        for _line in range(rng.randint(*lines)):
            line = " ".join(rng.sample(words, rng.randint(2, 4)))
            size = max(10.0, picture.height * rng.uniform(*heights))
            place = (picture.width * rng.uniform(0, 0.4), rng.uniform(0, picture.height - size))
            ink = rng.choice(("white", "yellow", "red", "black"))
            edge = "white" if ink == "black" else "black"
            draw.text(place, line, ink, ImageFont.load_default(size), stroke_width=round(size / 14), stroke_fill=edge)
        return picture

    return write


def stock_text(opacities: Range) -> Change:
    """One word in white again and again, at a slant, over the whole picture, as on previews of stock photographs."""

    def write(picture: Picture, rng: Random, *_: Picture) -> Picture:
        size = max(8.0, min(picture.size) * rng.uniform(0.06, 0.1))
        word, font = rng.choice(("preview", "SAMPLE PHOTO", "stock image", "do not copy")), ImageFont.load_default(size)
        reach = round(np.hypot(*picture.size))
        mask = Image.new("L", (reach, reach))
        draw = ImageDraw.Draw(mask)
        step, opacity = font.getlength(word) + 1.2 * size, round(255 * rng.uniform(*opacities))
        for row in range(round(reach / (2 * size)) + 1):
            for column in range(-1, round(reach / step) + 1):
                draw.text(((column + 0.5 * (row % 2)) * step, 2 * size * row), word, opacity, font)
        mask = mask.rotate(rng.uniform(20, 40), Image.Resampling.BICUBIC)
        left, top = (reach - picture.width) // 2, (reach - picture.height) // 2
        mask = mask.crop((left, top, left + picture.width, top + picture.height))
        return Image.composite(Image.new("RGB", picture.size, "white"), picture, mask)

    return write


def blended(share: float) -> Change:
    """Mix with another picture, whose share is given."""

    def blend(picture: Picture, _rng: Random, other: Picture, *_: Picture) -> Picture:
        return Image.blend(picture, other.resize(picture.size, Image.Resampling.BICUBIC), share)

    return blend


def combined(*changes: Change) -> Change:
    """One change after the other."""

    def combine(picture: Picture, rng: Random, *others: Picture) -> Picture:
        for change in changes:
            picture = change(picture, rng, *others)
        return picture

    return combine


def any_colour(rng: Random) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255."""
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)


def as_picture(values: NDArray[np.floating]) -> Picture:
    """The picture with these values, (height, width, 3), cut off at 0 and 255."""
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def _scaled(picture: Picture, across: float, down: float) -> Picture:
    size = max(_SMALLEST, round(picture.width * across)), max(_SMALLEST, round(picture.height * down))
    return picture.resize(size, Image.Resampling.BILINEAR)
