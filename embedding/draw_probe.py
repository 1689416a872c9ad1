"""Draws probe.png: `python -m embedding.draw_probe FILE`. Never replace the packaged file: sets depend on it.

Waves, discs and stripes from formulas only, without random numbers: enough gradients for PDQ and enough colours,
edges and textures for a network.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from embedding.picture import Pixels

WIDTH, HEIGHT = 256, 192
BAND = 9  # half the width of the striped band

# (centre x, centre y, radius, colour)
_DISCS = (
    (70, 60, 42, (214, 64, 48)),
    (182, 52, 30, (40, 96, 200)),
    (128, 130, 48, (244, 206, 70)),
    (214, 146, 26, (30, 140, 84)),
    (38, 150, 24, (120, 60, 150)),
)


def draw() -> Pixels:
    """The probe picture (HEIGHT, WIDTH, 3)."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    wave = np.sin(x / 11 + np.sin(y / 17) * 2) + np.cos(y / 9 - x / 23)
    picture = np.stack([128 + 40 * wave, 140 + 30 * np.sin(x / 31 + y / 13), 120 + 50 * np.cos((x - y) / 19)], axis=-1)
    for centre_x, centre_y, radius, colour in _DISCS:
        distance = np.hypot(x - centre_x, y - centre_y)
        shade = 1 - 0.5 * (distance / radius) ** 2
        picture = np.where((distance < radius)[..., None], np.array(colour) * shade[..., None], picture)
    stripes = (((x + 2 * y) // 7) % 2 == 0) & (np.abs(x - y * 1.2 - 20) < BAND)
    picture = np.where(stripes[..., None], 20.0, picture)
    return picture.round().clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    Image.fromarray(draw()).save(Path(sys.argv[1]), optimize=True)
