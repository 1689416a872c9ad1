"""Pictures on screens: a picture seen at an angle, a photograph of a screen, a screenshot of a desktop."""

from random import Random
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from harness.changes import (
    Change,
    Picture,
    Range,
    any_colour,
    as_picture,
    blurred,
    combined,
    noisy,
    recompressed,
    resized,
)
from harness.documents import sentence
from harness.frames import of_area

_PHOTO = 1000  # pixels of the longer side of a photograph of a screen
_DESKTOP = (1600, 900)


def tilted(inwards: Range) -> Change:
    """Seen from the side, on a page of one colour: both ends of one edge move inwards, by a share of it each.

    The picture also gets narrower towards that edge, by half of the share.
    """

    def tilt(picture: Picture, rng: Random, *_: Picture) -> Picture:
        corners = _tilt(rng, rng.uniform(*inwards))
        corners -= corners.min(0)
        corners *= picture.size
        width, height = np.ceil(corners.max(0)).astype(int).tolist()
        return _laid(picture, corners, Image.new("RGB", (width, height), any_colour(rng)))

    return tilt


def photo_of_a_screen(inwards: Range, waves: float, noise: Range) -> Change:
    """A photograph of a screen: moiré, a reflected lamp, a tint, a tilt, and a room around it; then noise and JPEG.

    Args:
        inwards: the tilt, see `tilted`.
        waves: the moiré's share of the brightness.
        noise: standard deviation in grey levels.
    """

    def photograph(picture: Picture, rng: Random, other: Picture, *_: Picture) -> Picture:
        factor = _PHOTO / max(picture.size)
        size = round(picture.width * factor), round(picture.height * factor)
        shown = _lit(np.asarray(picture.resize(size, Image.Resampling.BICUBIC), np.float32), rng, waves)
        corners = _tilt(rng, rng.uniform(*inwards)) - 0.5
        corners = corners * rng.uniform(0.75, 0.95) * size  # the screen does not fill the photograph
        angle = np.radians(rng.uniform(-6, 6))
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        room = other.resize(size).filter(ImageFilter.GaussianBlur(_PHOTO / 80))
        return _laid(as_picture(shown), corners @ turn + np.array(size) / 2, room)

    return combined(photograph, blurred((0.001, 0.002)), noisy(noise), resized((0.7, 0.8)), recompressed((55, 70)))


def desktop(area: Range) -> Change:
    """A window on a desktop: lines of text, and the picture on a share of the screen from the range."""

    def show(picture: Picture, rng: Random, *_: Picture) -> Picture:
        width, height = _DESKTOP
        # Two desktops with the same text would be copies of each other, so it depends on the picture as well.
        rng = Random(f"{rng.random()} {crc32(picture.tobytes())}")  # noqa: S311 (nothing secret)
        page = Image.new("RGB", _DESKTOP, any_colour(rng))
        draw, font = ImageDraw.Draw(page), ImageFont.load_default(20)
        draw.rectangle((60, 40, width - 60, height - 80), fill="white")
        draw.rectangle((60, 40, width - 60, 84), fill=(222, 225, 230))
        draw.text(
            (150, 50), f"www.{rng.choice(('photos', 'news', 'forum'))}.example/{rng.randint(1, 9999)}", "black", font
        )
        for place, colour in enumerate(("#e0564a", "#e5b93c", "#54b04f")):
            draw.ellipse((76 + 22 * place, 55, 90 + 22 * place, 69), fill=colour)
        for top in range(110, height - 120, 34):
            draw.text((90, top), sentence(rng, 13), "black", font)
        draw.rectangle((0, height - 50, width, height), fill=(32, 34, 40))
        for place in range(12):
            left = 20 + 60 * place
            draw.rounded_rectangle((left, height - 42, left + 34, height - 8), 8, fill=any_colour(rng))
        inset = of_area(picture, rng.uniform(*area) * width * height, (width - 140, height - 190))
        left, top = rng.randint(70, width - 70 - inset.width), rng.randint(95, height - 90 - inset.height)
        page.paste(inset, (left, top))
        return page

    return show


def _tilt(rng: Random, inwards: float) -> NDArray[np.float64]:
    """The corners of the unit square, upper left first, as seen from one of its four sides."""
    corners = np.array([(inwards, inwards / 2), (1 - inwards, inwards / 2), (1, 1), (0, 1)])
    for _ in range(rng.randrange(4)):  # a quarter turn of the corners' places
        corners = np.roll(np.stack([1 - corners[:, 1], corners[:, 0]], 1), 1, axis=0)
    return corners


def _laid(picture: Picture, corners: NDArray[np.floating], page: Picture) -> Picture:
    """The picture on a page, its corners in these places, in pixels."""
    width, height = picture.size
    own = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    map_ = cv2.getPerspectiveTransform(own, np.asarray(corners, np.float32))
    laid = cv2.warpPerspective(np.asarray(picture), map_, page.size, flags=cv2.INTER_LINEAR)
    cover = cv2.warpPerspective(np.full((height, width), 255, np.uint8), map_, page.size)
    return Image.composite(Image.fromarray(laid), page, Image.fromarray(cover))


def _lit(values: NDArray[np.float32], rng: Random, waves: float) -> NDArray[np.float32]:
    """Moiré in each channel, a bright spot, and a tint."""
    height, width, _ = values.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    beats = np.empty_like(values)
    for channel in range(3):
        angle, period = rng.uniform(-0.25, 0.25), rng.uniform(6, 18)
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        beats[..., channel] = np.sin(2 * np.pi * along / period) * np.sin(2 * np.pi * across / (1.4 * period))
    centre, radius = (rng.uniform(0.2, 0.8) * width, rng.uniform(0.2, 0.8) * height), rng.uniform(0.15, 0.3) * width
    spot = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * radius**2)) * rng.uniform(90, 170)
    tint = np.array((rng.uniform(0.75, 1.1), 1, rng.uniform(0.8, 1.2)), np.float32)
    return np.asarray((values * (1 + waves * beats) + spot[..., None]) * tint, np.float32)
