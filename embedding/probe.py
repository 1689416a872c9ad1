"""One known picture, to check at the start that this encoder gives the vectors that the sets were made with.

The fingerprint says that the encoder is configured the same way; the probe says that it computes the same numbers, even
with other libraries or another processor.
"""

import io
from collections.abc import Sequence
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embedding.encoder import Encoder
from embedding.look import encode_pictures
from embedding.picture import Pixels

# Two of PDQ's 256 bits may flip with another library or processor (1 - cos = 0.016). Half precision moves a network's
# vector by 5e-5, another library's resize by 1e-5; another network by far more than 0.02.
LEAST_COSINE = 0.98


def probe_file() -> bytes:
    """The packaged picture as a PNG, 256 x 192: drawn by `python -m embedding.draw_probe`, without a profile."""
    return files("embedding").joinpath("probe.png").read_bytes()


def probe_picture() -> Pixels:
    """Its pixels. It is ours, so it needs no decoder process."""
    with Image.open(io.BytesIO(probe_file())) as image:
        return np.asarray(image.convert("RGB"))


def probe_vector(encoder: Encoder) -> NDArray[np.float32]:
    """The picture's vector (dimension,) by this encoder."""
    vector: NDArray[np.float32] = encode_pictures(encoder, [probe_picture()]).vectors[0]
    return vector


def agrees(encoder: Encoder, recorded: Sequence[float]) -> bool:
    """Whether this encoder still gives the vector that was recorded when a set was made."""
    return agrees_with(probe_vector(encoder), recorded)


def agrees_with(vector: NDArray[np.float32], recorded: Sequence[float]) -> bool:
    """The same for a probe vector that is already computed, so that many sets need only one encoding."""
    if len(recorded) != len(vector):
        return False
    other = np.asarray(recorded, dtype=np.float64)
    lengths = float(np.linalg.norm(other)) * float(np.linalg.norm(vector))
    return lengths > 0 and float(other @ vector) / lengths >= LEAST_COSINE
