"""Meta's perceptual hash PDQ as a unit vector.

256 bits become 256 values of ±1/16, so that cosine and Hamming distance are equivalent: h = 128 · (1 - cos). PDQ's
authors count h ≤ 31 as a copy, that is cos ≥ 0.7578. It finds recompressed, resized and recoloured copies, but not
cropped, mirrored or turned ones.
"""

from collections.abc import Sequence

import numpy as np
import pdqhash
from numpy.typing import NDArray
from PIL import Image

from embedding.encoder import Encoded, fingerprint
from embedding.picture import Hash, Needs, Pixels, Prepared

DIMENSION = 256

# "Quality", 0 to 100, is PDQ's measure of gradients. Its README advises discarding hashes of 49 and less, and the
# ThreatExchange library drops frames below 50: without gradients the bits are noise, and blank pictures look alike.
LEAST_QUALITY = 50

_LEAST_SIDE = 5  # MIN_HASHABLE_DIM of the reference implementation

# A side of 2 x 512 pixels or more is reduced by a whole factor, to no less than 512. The reference implementation
# reduces to 512 too: more is "prohibitively expensive". Box averages are the first step of PDQ's own filter: the hashes
# of 40 photographs of 1600 x 1200 changed by 3 bits on average, 10 at most.
_WORKING_SIDE = 512
_STRIP_PIXELS = 1 << 21


class Pdq:
    """The encoder "pdq". It has no state, so any number of threads may share one."""

    name = "pdq"
    dimension = DIMENSION
    backend = "float32"
    needs = Needs(hash=True)
    batch_size = 8  # they are hashed one by one: few, so that threads get equal shares
    min_batch_size = 1
    fingerprint = fingerprint(
        "pdq", {"algorithm": 1, "dimension": DIMENSION, "reduced_to": _WORKING_SIDE, "type": "float32"}
    )

    def encode(self, prepared: Sequence[Prepared]) -> Encoded:
        """Vectors of n views, n ≥ 1, in their order; zeros where the quality is below LEAST_QUALITY."""
        vectors = np.zeros((len(prepared), DIMENSION), dtype=np.float32)
        featureless = np.ones(len(prepared), dtype=np.bool_)
        for row, one in enumerate(prepared):
            if one.hash is not None and one.hash.quality >= LEAST_QUALITY:
                vectors[row] = np.where(one.hash.bits, 1 / 16, -1 / 16)
                featureless[row] = False
        return Encoded(vectors, featureless)


def bits_of(vectors: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The hashes (n, 32) of vectors (n, 256): their hexadecimal digits as bytes."""
    return np.packbits(vectors > 0, axis=1)


def hash_of(pixels: Pixels) -> Hash:
    """The hash of a picture (height, width, 3) uint8 RGB; its quality is 0 if it is too small."""
    height, width, _ = pixels.shape
    if min(height, width) < _LEAST_SIDE:
        return Hash(np.zeros(DIMENSION, dtype=np.bool_), 0)
    bits, quality = pdqhash.compute(_reduced(pixels))
    return Hash(bits.astype(np.bool_), int(quality))


def _reduced(pixels: Pixels) -> Pixels:
    """Box averages, a strip at a time: pdqhash needs 40 bytes per pixel and holds the GIL while it works."""
    height, width, _ = pixels.shape
    across, down = max(1, width // _WORKING_SIDE), max(1, height // _WORKING_SIDE)
    if across == down == 1:
        return pixels
    rows = down * max(1, _STRIP_PIXELS // (width * down))
    strips = (Image.fromarray(pixels[top : top + rows]) for top in range(0, height, rows))
    return np.concatenate([np.asarray(strip.reduce((across, down))) for strip in strips])
