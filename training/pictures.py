"""Seeded procedural pictures with statistics like photographs: overlapping edges and textures of all sizes.

Dead leaves (Lee, Mumford, Huang: "Occlusion models for natural images", IJCV 2001): shapes whose sizes follow a power
law cover each other. Here each leaf has its own texture and shading. Some pictures also hold glyphs or flat designs.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Rng = np.random.Generator

SIZES = ((480, 360), (360, 480), (480, 320), (320, 480), (420, 420))
_TEXTURES = 24


def picture(rng: Rng) -> Pixels:
    """One picture of about 480 x 360 pixels, RGB."""
    width, height = SIZES[rng.integers(len(SIZES))]
    canvas = _ground(rng, height, width)
    textures = [_texture(rng, height, width) for _ in range(_TEXTURES // 6)]
    smallest = rng.uniform(3, 14)
    exponent = rng.uniform(0.8, 2.2)
    for _ in range(int(rng.integers(30, 420))):
        radius = min(smallest * rng.pareto(exponent) + smallest, 0.6 * width)
        _leaf(rng, canvas, radius, textures)
    if rng.random() < 0.2:
        _strokes(rng, canvas, int(rng.integers(3, 40)))
    if rng.random() < 0.12:
        glyphs(rng, canvas, int(rng.integers(1, 12)))
    canvas *= _shading(rng, height, width, rng.uniform(0.1, 0.8))[..., None]
    if rng.random() < 0.6:
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.4, 1.6)), np.float32)
    canvas += rng.normal(0, rng.uniform(0, 6), canvas.shape).astype(np.float32)
    return canvas.clip(0, 255).astype(np.uint8)


def _ground(rng: Rng, height: int, width: int) -> NDArray[np.float32]:
    base = rng.uniform(0, 255, 3).astype(np.float32)
    return base + (_noise(rng, height, width, rng.uniform(0.8, 2.0)) * rng.uniform(5, 60))[..., None]


def _noise(rng: Rng, height: int, width: int, slope: float) -> NDArray[np.float32]:
    """1/f^slope noise, zero mean, unit deviation."""
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    frequency = np.sqrt(rows**2 + columns**2)
    frequency[0, 0] = 1
    spectrum = rng.normal(size=frequency.shape) + 1j * rng.normal(size=frequency.shape)
    field = np.fft.irfft2(spectrum / frequency**slope, s=(height, width))
    return _standard(field)


def _standard(field: NDArray[np.floating]) -> NDArray[np.float32]:
    """Zero mean and unit deviation."""
    return np.asarray((field - field.mean()) / (field.std() + 1e-9), np.float32)


def _texture(rng: Rng, height: int, width: int) -> NDArray[np.float32]:
    """A pattern with zero mean and unit deviation: noise, waves, checks or spots."""
    kind = (0, 0, 0, 1, 2, 3)[rng.integers(6)]
    if kind == 0:
        return _noise(rng, height, width, rng.uniform(0.3, 2.0))
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    angle, period = rng.uniform(0, np.pi), rng.uniform(4, 40)
    along = (x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / period)
    across = (y * np.cos(angle) - x * np.sin(angle)) * (2 * np.pi / (period * rng.uniform(0.4, 2.5)))
    warp = _noise(rng, height, width, 2.0) * rng.uniform(0, 3)
    if kind == 1:
        field = np.sin(along + warp)
    elif kind == 2:
        field = np.sign(np.sin(along + warp)) * np.sign(np.sin(across + warp))
    else:
        field = (np.sin(along + warp) * np.sin(across + warp) > rng.uniform(0.2, 0.8)).astype(np.float32)
    return _standard(field)


def _leaf(rng: Rng, canvas: NDArray[np.float32], radius: float, textures: list[NDArray[np.float32]]) -> None:
    height, width, _ = canvas.shape
    centre = rng.uniform((0, 0), (width, height))
    corners = _outline(rng, radius) + centre
    left, top = np.maximum(corners.min(0).astype(int) - 1, 0)
    right, bottom = np.minimum(corners.max(0).astype(int) + 2, (width, height))
    if right <= left or bottom <= top:
        return
    mask = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillPoly(mask, [((corners - (left, top)) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    part = textures[rng.integers(len(textures))][top:bottom, left:right]
    colour = rng.uniform(0, 255, 3).astype(np.float32)
    paint = colour + (part * rng.uniform(0, 35))[..., None]
    if rng.random() < 0.5:
        slope = np.linspace(-1, 1, right - left, dtype=np.float32) * rng.uniform(-40, 40)
        paint = paint + slope[None, :, None]
    cover = mask[..., None] / np.float32(255)
    region = canvas[top:bottom, left:right]
    region += cover * (paint - region)


def _outline(rng: Rng, radius: float) -> NDArray[np.float64]:
    """Corners of an ellipse, a polygon, a star, or a blob."""
    kind = rng.integers(4)
    count = (24, int(rng.integers(3, 8)), 2 * int(rng.integers(4, 8)), 40)[kind]
    angles = (
        np.sort(rng.uniform(0, 2 * np.pi, count)) if kind == 1 else np.linspace(0, 2 * np.pi, count, endpoint=False)
    )
    reach = np.full(count, radius)
    if kind == 2:
        reach[::2] *= rng.uniform(0.3, 0.8)
    if kind == 3:
        for wave in range(2, 6):
            reach += radius * rng.uniform(0, 0.25) * np.sin(wave * angles + rng.uniform(0, 6.3))
    points = np.stack([np.cos(angles) * reach, np.sin(angles) * reach * rng.uniform(0.3, 1)], 1)
    turn = rng.uniform(0, 2 * np.pi)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return np.asarray(points @ matrix)


def _strokes(rng: Rng, canvas: NDArray[np.float32], count: int) -> None:
    height, width, _ = canvas.shape
    for _ in range(count):
        points = np.cumsum(rng.normal(0, width / 12, (int(rng.integers(2, 9)), 2)), 0) + rng.uniform(
            (0, 0), (width, height)
        )
        colour = tuple(float(value) for value in rng.uniform(0, 255, 3))
        cv2.polylines(
            canvas, [points.astype(np.int32)], bool(rng.integers(2)), colour, int(rng.integers(1, 6)), cv2.LINE_AA
        )


def glyphs(rng: Rng, canvas: NDArray[np.float32], count: int) -> None:
    """Lines of text in OpenCV's fonts."""
    height, width, _ = canvas.shape
    for _ in range(count):
        text = "".join(
            chr(rng.integers(65, 91)) if rng.random() < 0.8 else " " for _ in range(int(rng.integers(1, 14)))
        )
        place = tuple(int(value) for value in rng.uniform((-20, 10), (width * 0.7, height)))
        scale = rng.uniform(0.3, 2.2)
        ink = np.zeros((height, width), np.uint8)
        cv2.putText(ink, text, place, int(rng.integers(0, 8)), scale, 255, max(1, int(scale * 2)), cv2.LINE_AA)
        canvas += (ink / np.float32(255))[..., None] * (rng.uniform(0, 255, 3).astype(np.float32) - canvas)


def _shading(rng: Rng, height: int, width: int, strength: float) -> NDArray[np.float32]:
    coarse = rng.uniform(1 - strength, 1 + 0.3 * strength, (3, 3)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value] # OpenCV says float or integer
