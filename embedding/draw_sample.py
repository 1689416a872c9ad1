"""Draws pictures like photographs, to measure with where there are none: textures of 1/f noise, and objects in them."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT, QUALITY = 640, 480, 85
_OBJECTS = 14


def jpeg(seed: int) -> bytes:
    """Return a JPEG of 640x480, about 90 KB like a photograph of that size; another one for each seed."""
    rng = np.random.default_rng(seed)
    texture = _texture(rng)
    picture = np.stack([0.8 * texture + 0.2 * np.roll(texture, 97 * colour) for colour in range(3)], axis=-1)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for _ in range(_OBJECTS):
        across, down = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT)
        wide, high = rng.uniform(10, 110, 2)
        inside = ((x - across) / wide) ** 2 + ((y - down) / high) ** 2 < 1
        picture[inside] = 0.5 * picture[inside] + rng.uniform(-1.5, 1.5, 3)
    pixels = (127 + 48 * picture).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _texture(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return noise with the spectrum of photographs, of mean 0 and deviation 1."""
    across, down = np.fft.rfftfreq(WIDTH)[None, :], np.fft.fftfreq(HEIGHT)[:, None]
    falls = np.maximum(np.hypot(across, down), 1 / WIDTH) ** -1.1
    spectrum = falls * np.exp(2j * np.pi * rng.random(falls.shape))
    noise: NDArray[np.float64] = np.fft.irfft2(spectrum, (HEIGHT, WIDTH))
    normal: NDArray[np.float64] = (noise - noise.mean()) / noise.std()
    return normal
