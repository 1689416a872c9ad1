"""The edits that people make to a picture before they post it again: everyday edits, and hard ones.

The demo shows the everyday edits. The hard ones, similar to DISC21's, show the limits of a way to find copies;
`benchmarks.copies` measures with them, and docs/copies.md has the figures. Each edit is written once, and both lists
set its strength. Random choices are drawn from a seed.
"""

from dataclasses import dataclass
from io import BytesIO
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from harness.frames import (
    Change,
    Picture,
    Range,
    any_colour,
    captioned,
    collage,
    padded,
    pasted_in,
    screenshot,
    sticker,
)

# Why a hash of the whole picture misses an edit. The demo's report shows it for edits that PDQ misses.
MOVED = "its parts move, but the hash compares the same places"
COVERED = "the part that is covered changes a part of the hash"
FRAMED = "it is a part of another picture, but the hash is of the whole"
_SMALLEST = 16  # pixels of a side, at least


@dataclass(frozen=True, slots=True)
class Edit:
    """One kind of edit.

    Attributes:
        name: in reports.
        change: makes the edit; see `apply`.
        against: why a perceptual hash may miss it; empty if it should find it.
    """

    name: str
    change: Change
    against: str = ""

    def apply(self, picture: Picture, seed: int, *others: Picture) -> Picture:
        """The edited picture, in RGB; `picture` is not changed.

        Args:
            picture: in RGB, each side 64 pixels or more.
            seed: the same seed gives the same edit.
            others: unrelated pictures, for the edits that paste one over or beside it: `harness.frames.OTHERS` of them
                for the everyday edits, one for the hard ones.
        """
        return self.change(picture, Random(f"{self.name} {seed}"), *others)  # noqa: S311 (nothing secret)


def _plain_copy(picture: Picture, _rng: Random, *_: Picture) -> Picture:
    return picture


def _recompressed(*qualities: tuple[int, int]) -> Change:
    """Save as JPEG, once for each range with a quality from it, as messengers do."""

    def recompress(picture: Picture, rng: Random, *_: Picture) -> Picture:
        for least, most in qualities:
            file = BytesIO()
            picture.save(file, "JPEG", quality=rng.randint(least, most))
            picture = Image.open(file).convert("RGB")
        return picture

    return recompress


def _resized(factors: Range) -> Change:
    def resize(picture: Picture, rng: Random, *_: Picture) -> Picture:
        factor = rng.uniform(*factors)
        return _scaled(picture, factor, factor)

    return resize


def _stretched(less: Range, more: Range) -> Change:
    """Stretch width or height by a factor from one of the ranges."""

    def stretch(picture: Picture, rng: Random, *_: Picture) -> Picture:
        factor = rng.choice((rng.uniform(*less), rng.uniform(*more)))
        return _scaled(picture, factor, 1) if rng.random() < 0.5 else _scaled(picture, 1, factor)  # noqa: PLR2004 (a coin)

    return stretch


def _cropped(area: Range) -> Change:
    """Keep a part of the same shape; its share of the area is from the range."""

    def crop(picture: Picture, rng: Random, *_: Picture) -> Picture:
        kept = rng.uniform(*area) ** 0.5
        width, height = round(picture.width * kept), round(picture.height * kept)
        left, top = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
        return picture.crop((left, top, left + width, top + height))

    return crop


def _mirrored(picture: Picture, _rng: Random, *_: Picture) -> Picture:
    return ImageOps.mirror(picture)


def _quarter_turn(picture: Picture, rng: Random, *_: Picture) -> Picture:
    return picture.transpose(rng.choice((Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)))


def _turned(degrees: Range) -> Change:
    """Turn to either side, on a page of one colour that is large enough for the whole picture."""

    def turn(picture: Picture, rng: Random, *_: Picture) -> Picture:
        angle = rng.choice((-1, 1)) * rng.uniform(*degrees)
        return picture.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=any_colour(rng))

    return turn


def _coloured(less: Range, more: Range) -> Change:
    """Change saturation, brightness and contrast, each by a factor from one of the ranges."""

    def colour(picture: Picture, rng: Random, *_: Picture) -> Picture:
        for enhance in (ImageEnhance.Color, ImageEnhance.Brightness, ImageEnhance.Contrast):
            picture = enhance(picture).enhance(rng.choice((rng.uniform(*less), rng.uniform(*more))))
        return picture

    return colour


def _grey(picture: Picture, _rng: Random, *_: Picture) -> Picture:
    return ImageOps.grayscale(picture).convert("RGB")


def _blurred(radii: Range) -> Change:
    """Blur with a radius that is a share of the shorter side from the range."""

    def blur(picture: Picture, rng: Random, *_: Picture) -> Picture:
        return picture.filter(ImageFilter.GaussianBlur(min(picture.size) * rng.uniform(*radii)))

    return blur


def _noisy(picture: Picture, rng: Random, *_: Picture) -> Picture:
    values = np.asarray(picture, np.float32)
    grains = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(18, 45), values.shape)
    return Image.fromarray((values + grains).clip(0, 255).astype(np.uint8))


def _written_over(lines: tuple[int, int], heights: Range) -> Change:
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


def _combined(*changes: Change) -> Change:
    def combine(picture: Picture, rng: Random, *others: Picture) -> Picture:
        for change in changes:
            picture = change(picture, rng, *others)
        return picture

    return combine


def _scaled(picture: Picture, across: float, down: float) -> Picture:
    size = max(_SMALLEST, round(picture.width * across)), max(_SMALLEST, round(picture.height * down))
    return picture.resize(size, Image.Resampling.BILINEAR)


_COLOURED, _TEXT, _JPEG = _coloured((0.65, 0.85), (1.2, 1.5)), _written_over((1, 1), (0.07, 0.1)), ((18, 40), (30, 60))
EVERYDAY = (
    Edit("plain copy", _plain_copy),
    Edit("recompressed", _recompressed(*_JPEG)),
    Edit("resized", _resized((0.3, 0.6))),
    Edit("stretched", _stretched((0.8, 0.9), (1.1, 1.25))),
    Edit("grey", _grey),
    Edit("colours", _COLOURED),
    Edit("blurred", _blurred((0.004, 0.011))),
    Edit("text over it", _TEXT, COVERED),
    Edit("sticker", sticker((0.04, 0.08)), COVERED),
    Edit("trimmed edge", _cropped((0.9, 0.96)), MOVED),
    Edit("cropped", _cropped((0.3, 0.64)), MOVED),
    Edit("hard crop", _cropped((0.09, 0.16)), MOVED),
    Edit("mirrored", _mirrored, MOVED),
    Edit("rotated", _turned((8, 15)), MOVED),
    Edit("quarter turn", _quarter_turn, MOVED),
    Edit("caption", captioned, FRAMED),
    Edit("frame", padded((0.08, 0.16)), FRAMED),
    Edit("screenshot", screenshot, FRAMED),
    Edit("collage", collage, FRAMED),
    Edit("combination", _combined(_cropped((0.36, 0.72)), _COLOURED, _TEXT, _recompressed(*_JPEG)), MOVED),
)

# docs/copies.md has figures measured with these: do not change what they draw at random, nor the order of it.
_HARD_COLOURED, _HARD_TEXT = _coloured((0.45, 0.75), (1.35, 1.9)), _written_over((1, 3), (0.09, 0.17))
HARD = (
    Edit("recompressed", _recompressed((6, 25))),
    Edit("shrunk", _resized((0.13, 0.4))),
    Edit("stretched", _stretched((0.55, 0.75), (1.35, 1.8))),
    Edit("cropped", _cropped((0.45, 0.8))),
    Edit("hard crop", _cropped((0.18, 0.4))),
    Edit("mirrored", _mirrored),
    Edit("quarter turn", _quarter_turn),
    Edit("small turn", _turned((4, 30))),
    Edit("colours", _HARD_COLOURED),
    Edit("grey", _grey),
    Edit("blurred", _blurred((0.007, 0.018))),
    Edit("noise", _noisy),
    Edit("text over it", _HARD_TEXT),
    Edit("caption", captioned),
    Edit("padding", padded((0.08, 0.3))),
    Edit("pasted in", pasted_in),
    Edit("sticker", sticker((0.15, 0.33))),
    Edit("screenshot", screenshot),
    Edit("combination", _combined(_cropped((0.5, 0.75)), _HARD_COLOURED, _HARD_TEXT, _recompressed((6, 25)))),
)
