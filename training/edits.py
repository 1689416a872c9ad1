"""Random edits and chains of edits, as uploaders make them: from such pairs the network learns what a copy is."""

from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.pictures import Pixels, Rng

Paint = str | tuple[int, int, int]
Edit = Callable[[Rng, Pixels, Pixels], Pixels]  # random numbers, the picture, an unrelated picture


def heavy(rng: Rng, pixels: Pixels, other: Pixels) -> Pixels:
    """One edit or a chain of up to four, each kind at most once."""
    count = int(rng.choice([1, 2, 3, 4], p=[0.5, 0.25, 0.15, 0.1]))
    weights = np.array([weight for _, weight in EDITS], float)
    for index in sorted(rng.choice(len(EDITS), count, replace=False, p=weights / weights.sum())):
        pixels = EDITS[index][0](rng, pixels, other)
    return pixels


def light(rng: Rng, pixels: Pixels) -> Pixels:
    """A slightly different size and compression, as a reference may have."""
    return jpeg(rng, resize(rng, pixels, pixels, least=0.7), pixels, worst=50)


def crop(rng: Rng, pixels: Pixels, _: Pixels, least: float = 0.17) -> Pixels:
    """A part of 17 to 85 % of the area."""
    height, width, _depth = pixels.shape
    share, aspect = np.sqrt(rng.uniform(least, 0.85)), np.exp(rng.uniform(-0.2, 0.2))
    new_width, new_height = int(width * min(1, share * aspect)), int(height * min(1, share / aspect))
    left, top = rng.integers(0, width - new_width + 1), rng.integers(0, height - new_height + 1)
    return np.ascontiguousarray(pixels[top : top + new_height, left : left + new_width])


def quarter(rng: Rng, pixels: Pixels, _: Pixels) -> Pixels:
    """A rotation by 90, 180 or 270 degrees."""
    return np.ascontiguousarray(np.rot90(pixels, int(rng.integers(1, 4))))


def turn(rng: Rng, pixels: Pixels, _: Pixels) -> Pixels:
    """A rotation by up to 40 degrees, on a canvas that holds all of it."""
    height, width, _depth = pixels.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-40, 40), 1)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = int(width * cosine + height * sine), int(width * sine + height * cosine)
    matrix[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    return cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_LINEAR, borderValue=_colour(rng))  # type: ignore[return-value] # OpenCV says float or integer


def stretch(rng: Rng, pixels: Pixels, _: Pixels) -> Pixels:
    """Another aspect ratio, by a factor of up to 1.9."""
    factor = np.exp(rng.uniform(-0.64, 0.64))
    return _scaled(pixels, factor, 1) if rng.random() < 0.5 else _scaled(pixels, 1, factor)


def resize(rng: Rng, pixels: Pixels, _: Pixels, least: float = 0.14) -> Pixels:
    """Smaller, down to 14 %."""
    factor = rng.uniform(least, 1)
    return _scaled(pixels, factor, factor)


def colour(rng: Rng, pixels: Pixels, _: Pixels) -> Pixels:
    """Another contrast, brightness, gamma and saturation, sometimes grey."""
    values = pixels.astype(np.float32) / 255
    values = values ** np.exp(rng.uniform(-0.7, 0.7))
    values = (values - 0.5) * np.exp(rng.uniform(-0.9, 0.7)) + 0.5 + rng.uniform(-0.25, 0.25)
    grey = values.mean(2, keepdims=True)
    values = grey + (values - grey) * rng.choice([0, rng.uniform(0, 2)])
    return np.asarray((values * 255).clip(0, 255), np.uint8)


def blur(rng: Rng, pixels: Pixels, _: Pixels) -> Pixels:
    """Out of focus by up to 2.2 % of the shorter side."""
    return cv2.GaussianBlur(pixels, (0, 0), max(0.5, min(pixels.shape[:2]) * rng.uniform(0.004, 0.022)))  # type: ignore[return-value] # OpenCV says float or integer


def noise(rng: Rng, pixels: Pixels, _: Pixels) -> Pixels:
    """Gaussian noise of 8 to 48 grey levels."""
    return (pixels + rng.normal(0, rng.uniform(8, 48), pixels.shape)).clip(0, 255).astype(np.uint8)


def jpeg(rng: Rng, pixels: Pixels, _: Pixels, worst: int = 6) -> Pixels:
    """Compressed to a quality of 6 to 70."""
    _ok, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(worst, 71))])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)  # type: ignore[return-value] # OpenCV says float or integer


def text(rng: Rng, pixels: Pixels, _: Pixels) -> Pixels:
    """One to four lines of outlined text."""
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    for _line in range(int(rng.integers(1, 5))):
        size = max(10, int(image.height * rng.uniform(0.06, 0.2)))
        place = float(rng.uniform(-0.1, 0.5) * image.width), float(rng.uniform(0, 0.95) * image.height)
        paints: tuple[Paint, Paint] = (_colour(rng), _colour(rng)) if rng.random() < 0.4 else ("white", "black")
        fill, edge = paints
        draw.text(
            place, _words(rng), font=ImageFont.load_default(size), fill=fill, stroke_width=size // 12, stroke_fill=edge
        )
    return np.array(image)


def caption(rng: Rng, pixels: Pixels, _: Pixels) -> Pixels:
    """A bar with text above or below."""
    height, width, _depth = pixels.shape
    bar = int(height * rng.uniform(0.12, 0.4))
    shared = _shared(rng)
    paints: list[tuple[Paint, Paint]] = [("white", "black"), ("black", "white"), (_colour(shared), _colour(shared))]
    ground, ink = paints[shared.choice(3, p=[0.5, 0.3, 0.2])]
    strip = Image.new("RGB", (width, bar), ground)
    size = max(8, int(bar * shared.uniform(0.15, 0.4)))
    words = "\n".join(_words(shared) for _line in range(int(shared.integers(1, 4))))
    ImageDraw.Draw(strip).text((8, 4), words, font=ImageFont.load_default(size), fill=ink)
    return np.concatenate([np.array(strip), pixels] if shared.random() < 0.7 else [pixels, np.array(strip)])


def pad(rng: Rng, pixels: Pixels, other: Pixels) -> Pixels:
    """A margin of one colour, or of the blurred unrelated picture."""
    height, width, _depth = pixels.shape
    margins = (rng.uniform(0, 0.35, 4) * (height, height, width, width)).astype(int)
    if rng.random() < 0.75:
        top, bottom, left, right = (int(margin) for margin in margins)
        return np.asarray(
            cv2.copyMakeBorder(pixels, top, bottom, left, right, cv2.BORDER_CONSTANT, value=_colour(rng)), np.uint8
        )
    size = width + int(margins[2:].sum()), height + int(margins[:2].sum())
    canvas = cv2.GaussianBlur(cv2.resize(other, size), (0, 0), rng.uniform(2, 12))
    canvas[margins[0] : margins[0] + height, margins[2] : margins[2] + width] = pixels
    return canvas  # type: ignore[return-value] # OpenCV says float or integer


def paste_on(rng: Rng, pixels: Pixels, other: Pixels) -> Pixels:
    """Pasted into the unrelated picture, over 25 to 70 % of its area."""
    canvas = cv2.resize(other, (640, 480))
    height, width, _depth = pixels.shape
    factor = np.sqrt(rng.uniform(0.25, 0.7) * 640 * 480 / (width * height))
    size = min(636, max(8, int(width * factor))), min(476, max(8, int(height * factor)))
    left, top = rng.integers(0, 640 - size[0] + 1), rng.integers(0, 480 - size[1] + 1)
    canvas[top : top + size[1], left : left + size[0]] = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return canvas  # type: ignore[return-value] # OpenCV says float or integer


def sticker(rng: Rng, pixels: Pixels, other: Pixels) -> Pixels:
    """The unrelated picture pasted over 8 to 40 % of it."""
    height, width, _depth = pixels.shape
    share = np.sqrt(rng.uniform(0.08, 0.4))
    size = max(4, int(width * share)), max(4, int(height * share))
    left, top = rng.integers(0, width - size[0] + 1), rng.integers(0, height - size[1] + 1)
    pixels = pixels.copy()
    pixels[top : top + size[1], left : left + size[0]] = cv2.resize(other, size, interpolation=cv2.INTER_AREA)
    return pixels


def screenshot(rng: Rng, pixels: Pixels, _: Pixels) -> Pixels:
    """A screenshot of an app: bars, names, buttons. One of 40 apps, so that unrelated pictures share a frame."""
    app = _shared(rng)
    width = 540
    height = int(width * app.uniform(1.2, 2.1))
    dark = app.random() < 0.4
    screen = Image.new("RGB", (width, height), "#111" if dark else "white")
    draw = ImageDraw.Draw(screen)
    bar = int(app.uniform(40, 110))
    draw.rectangle((0, 0, width, bar), fill=_colour(app))
    top = bar + int(app.uniform(10, 120))
    body = cv2.resize(
        pixels, (width, max(8, int(pixels.shape[0] * width / pixels.shape[1]))), interpolation=cv2.INTER_AREA
    )
    room = int(height * app.uniform(0.78, 0.95)) - top
    body = body[: max(8, room)]
    for _line in range(int(app.integers(2, 9))):
        place = (
            float(app.uniform(0, 0.6) * width),
            float(app.choice([app.uniform(4, top), app.uniform(top + room, height - 10)])),
        )
        if app.random() < 0.75:
            draw.text(place, _words(app), font=ImageFont.load_default(int(app.uniform(14, 34))), fill=_colour(app))
        else:
            draw.ellipse((*place, place[0] + 34, place[1] + 34), outline=_colour(app), width=3)
    canvas = np.array(screen)
    canvas[top : top + body.shape[0]] = body[: max(0, height - top)]
    return canvas


# In the order in which they are chained: edits of the picture, then of its surroundings, then effects of software.
EDITS: tuple[tuple[Edit, float], ...] = (
    (crop, 2.2),
    (colour, 1.2),
    (sticker, 1.0),
    (text, 1.3),
    (stretch, 0.8),
    (turn, 0.9),
    (quarter, 0.6),
    (pad, 0.9),
    (caption, 0.8),
    (paste_on, 1.5),
    (screenshot, 1.0),
    (noise, 0.6),
    (blur, 1.0),
    (resize, 0.7),
    (jpeg, 1.2),
)


def _scaled(pixels: Pixels, across: float, down: float) -> Pixels:
    height, width, _ = pixels.shape
    size = max(16, int(width * across)), max(16, int(height * down))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value] # OpenCV says float or integer


def _colour(rng: Rng) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
    return red, green, blue


def _words(rng: Rng) -> str:
    def word() -> str:
        letters = "etaoinshrdlucmfwypvbgkjqxz0123456789"
        made = "".join(letters[min(int(rng.exponential(8)), len(letters) - 1)] for _ in range(int(rng.integers(2, 9))))
        return (made, made.upper(), made.capitalize())[rng.integers(3)]

    return " ".join(word() for _ in range(int(rng.integers(1, 6))))


def _shared(rng: Rng) -> Rng:
    """Random numbers from one of 40 seeds, for captions and frames that unrelated pictures share."""
    return np.random.default_rng(int(rng.integers(0, 40)) + 1_000_003)
