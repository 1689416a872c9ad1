"""Benign pictures with corners, drawn from a seed, for tests of local features."""

import cv2
import numpy as np

from training.pictures import glyphs, picture


def detailed(seed):
    """Pixels of a different picture for each seed, about 480 x 360."""
    return picture(np.random.default_rng((77, seed)))


def captioned(pixels, text_seed):
    """The picture below a white bar with text that depends on the seed only."""
    bar = np.full((130, pixels.shape[1], 3), 255, np.float32)
    rng = np.random.default_rng((78, text_seed))
    for _ in range(3):
        glyphs(rng, bar, 3)
    return np.concatenate([bar.clip(0, 255).astype(np.uint8), pixels])


def turned(pixels, degrees):
    """The picture turned, on a grey canvas that holds all of it."""
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    across = abs(matrix[0, 0]) * width + abs(matrix[0, 1]) * height
    down = abs(matrix[0, 1]) * width + abs(matrix[0, 0]) * height
    matrix[:, 2] += (across - width) / 2, (down - height) / 2
    return cv2.warpAffine(pixels, matrix, (int(across), int(down)), borderValue=(127, 127, 127))


def cropped(pixels, left, top, right, bottom):
    """The part between these fractions of width and height."""
    height, width = pixels.shape[:2]
    return np.ascontiguousarray(
        pixels[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
    )


def chequered(side=800, square=9):
    """Thousands of corners that all look alike."""
    lines = (np.arange(side) // square) % 2
    return np.repeat((255 * (lines[:, None] ^ lines[None])).astype(np.uint8)[..., None], 3, 2)


def tilted(pixels, share):
    """The picture seen from the side on a grey canvas, its right edge shorter by a share; and its four corners there.

    The corners are fractions of the canvas, upper left first, clockwise.
    """
    height, width = pixels.shape[:2]
    corners = np.float32([(0, 0), (1, share / 2), (1, 1 - share / 2), (0, 1)]) * (width, height) + (60, 50)
    frame = np.float32([(0, 0), (width, 0), (width, height), (0, height)])
    size = width + 120, height + 100
    matrix = cv2.getPerspectiveTransform(frame, corners.astype(np.float32))
    seen = cv2.warpPerspective(pixels, matrix, size, flags=cv2.INTER_AREA, borderValue=(127, 127, 127))
    return seen, corners / size
