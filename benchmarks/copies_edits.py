"""What people do to a picture before they post it again, in 19 kinds and strong: in the spirit of DISC21's edits.

The demo's edits are what one sees every day; these are made to find where a way of finding copies ends. How strong an
edit is, and where it cuts, is drawn from a generator with a seed, so a picture's edits are the same in each run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from demo.edits import BY_NAME
from demo.frames import captioned, screenshot

Picture = Image.Image
Change = Callable[[Picture, Random, Picture], Picture]  # the picture, random numbers, another picture

_SMALLEST = 16  # pixels that a side keeps


@dataclass(frozen=True, slots=True)
class Edit:
    """One kind of edit: see `apply`."""

    name: str
    change: Change

    def apply(self, picture: Picture, seed: int, other: Picture) -> Picture:
        """The edited picture, in RGB.

        Args:
            picture: in RGB, each side 64 pixels or more.
            seed: the same seed gives the same edit.
            other: an unrelated picture, for the edits that paste one over or under it.
        """
        return self.change(picture, Random(f"{self.name} {seed}"), other)  # noqa: S311 (nothing secret)


def _recompressed(picture: Picture, rng: Random, _: Picture) -> Picture:
    file = BytesIO()
    picture.save(file, "JPEG", quality=rng.randint(6, 25))
    return Image.open(file).convert("RGB")


def _shrunk(picture: Picture, rng: Random, _: Picture) -> Picture:
    factor = rng.uniform(0.13, 0.4)
    return _scaled(picture, factor, factor)


def _stretched(picture: Picture, rng: Random, _: Picture) -> Picture:
    factor = rng.choice((rng.uniform(0.55, 0.75), rng.uniform(1.35, 1.8)))
    return _scaled(picture, factor, 1) if rng.random() < 0.5 else _scaled(picture, 1, factor)  # noqa: PLR2004 (a coin)


def _cropped(least: float, most: float) -> Change:
    """A crop that keeps between `least` and `most` of the area."""

    def crop(picture: Picture, rng: Random, _: Picture) -> Picture:
        kept = rng.uniform(least, most) ** 0.5
        width, height = round(picture.width * kept), round(picture.height * kept)
        left, top = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
        return picture.crop((left, top, left + width, top + height))

    return crop


def _turned_a_little(picture: Picture, rng: Random, _: Picture) -> Picture:
    degrees = rng.choice((-1, 1)) * rng.uniform(4, 30)
    return picture.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=_colour(rng))


def _coloured(picture: Picture, rng: Random, _: Picture) -> Picture:
    for enhance in (ImageEnhance.Color, ImageEnhance.Brightness, ImageEnhance.Contrast):
        picture = enhance(picture).enhance(rng.choice((rng.uniform(0.45, 0.75), rng.uniform(1.35, 1.9))))
    return picture


def _blurred(picture: Picture, rng: Random, _: Picture) -> Picture:
    return picture.filter(ImageFilter.GaussianBlur(min(picture.size) * rng.uniform(0.007, 0.018)))


def _noisy(picture: Picture, rng: Random, _: Picture) -> Picture:
    values = np.asarray(picture, np.float32)
    grains = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(18, 45), values.shape)
    return Image.fromarray((values + grains).clip(0, 255).astype(np.uint8))


def _written_over(picture: Picture, rng: Random, _: Picture) -> Picture:
    """One to three outlined lines anywhere."""
    picture = picture.copy()
    draw = ImageDraw.Draw(picture)
    words = ("this", "IS", "when", "they", "SAID", "today", "again", "LOOK", "nobody", "knows", "share", "2 late")
    for _line in range(rng.randint(1, 3)):
        line = " ".join(rng.sample(words, rng.randint(2, 4)))
        size = max(10.0, picture.height * rng.uniform(0.09, 0.17))
        place = (picture.width * rng.uniform(0, 0.4), rng.uniform(0, picture.height - size))
        ink = rng.choice(("white", "yellow", "red", "black"))
        edge = "white" if ink == "black" else "black"
        draw.text(place, line, ink, ImageFont.load_default(size), stroke_width=round(size / 14), stroke_fill=edge)
    return picture


def _padded(picture: Picture, rng: Random, _: Picture) -> Picture:
    """A margin of one colour, 8 to 30 % of the longest side, each side its own."""
    left, top, right, bottom = (round(max(picture.size) * rng.uniform(0.08, 0.3)) for _side in range(4))
    page = Image.new("RGB", (left + picture.width + right, top + picture.height + bottom), _colour(rng))
    page.paste(picture, (left, top))
    return page


def _pasted_in(picture: Picture, rng: Random, other: Picture) -> Picture:
    """Over 35 to 60 % of another picture."""
    page = other.resize((640, 480), Image.Resampling.BICUBIC)
    inset = _of_area(picture, rng.uniform(0.35, 0.6) * 640 * 480, (620, 460))
    page.paste(inset, (rng.randint(0, 640 - inset.width), rng.randint(0, 480 - inset.height)))
    return page


def _sticker(picture: Picture, rng: Random, other: Picture) -> Picture:
    """Another picture over 15 to 33 % of it."""
    page = picture.copy()
    inset = _of_area(other, rng.uniform(0.15, 0.33) * page.width * page.height, page.size)
    page.paste(inset, (rng.randint(0, page.width - inset.width), rng.randint(0, page.height - inset.height)))
    return page


def _combined(picture: Picture, rng: Random, other: Picture) -> Picture:
    """Cropped, recoloured, written over and recompressed."""
    for change in (_cropped(0.5, 0.75), _coloured, _written_over, _recompressed):
        picture = change(picture, rng, other)
    return picture


def _scaled(picture: Picture, across: float, down: float) -> Picture:
    size = max(_SMALLEST, round(picture.width * across)), max(_SMALLEST, round(picture.height * down))
    return picture.resize(size, Image.Resampling.BILINEAR)


def _of_area(picture: Picture, pixels: float, most: tuple[int, int]) -> Picture:
    """Scaled to so many pixels, no side longer than `most` allows."""
    factor = min((pixels / (picture.width * picture.height)) ** 0.5, most[0] / picture.width, most[1] / picture.height)
    size = max(1, int(picture.width * factor)), max(1, int(picture.height * factor))
    return picture.resize(size, Image.Resampling.BICUBIC)


def _colour(rng: Random) -> tuple[int, int, int]:
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)


def _of_demo(name: str) -> Change:
    """An edit that has no strength: the demo's own."""
    return lambda picture, rng, _: BY_NAME[name].apply(picture, rng)


EDITS = (
    Edit("recompressed", _recompressed),
    Edit("shrunk", _shrunk),
    Edit("stretched", _stretched),
    Edit("cropped", _cropped(0.45, 0.8)),
    Edit("hard crop", _cropped(0.18, 0.4)),
    Edit("mirrored", _of_demo("mirrored")),
    Edit("quarter turn", _of_demo("quarter turn")),
    Edit("small turn", _turned_a_little),
    Edit("colours", _coloured),
    Edit("grey", _of_demo("grey")),
    Edit("blurred", _blurred),
    Edit("noise", _noisy),
    Edit("text over it", _written_over),
    Edit("caption", lambda picture, rng, _: captioned(picture, rng)),
    Edit("padding", _padded),
    Edit("pasted in", _pasted_in),
    Edit("sticker", _sticker),
    Edit("screenshot", lambda picture, rng, _: screenshot(picture, rng)),
    Edit("combination", _combined),
)
