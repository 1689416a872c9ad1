"""JPEGs as users send them, made at run time: drawn pictures with edges, textures and grain of all sizes."""

import io
import itertools
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from PIL import Image

from training.pictures import picture

_START = b"\xff\xd8"  # of every JPEG
_COMMENT = b"\xff\xfe"


def jpegs(count: int, width: int, height: int) -> list[bytes]:
    """`count` different JPEGs of this size. At 640 x 480 each has about 90 KB, like photographs at quality 85."""
    return [_jpeg(np.random.default_rng((count, number)), width, height) for number in range(count)]


def endless(files: Sequence[bytes]) -> Iterator[bytes]:
    """The files again and again, each time with another comment, so that no two have the same digest."""
    for number in itertools.count():
        comment = f"{number:012d}".encode()
        data = files[number % len(files)]
        yield _START + _COMMENT + (len(comment) + 2).to_bytes(2, "big") + comment + data.removeprefix(_START)


def _jpeg(rng: np.random.Generator, width: int, height: int) -> bytes:
    drawn = cv2.resize(picture(rng), (width, height), interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, 7, (height, width, 1)).astype(np.float32)
    file = io.BytesIO()
    Image.fromarray((drawn + grain).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=85)
    return file.getvalue()
