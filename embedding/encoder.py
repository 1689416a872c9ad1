"""The protocol of all encoders, and the fingerprint that still identifies one a year later."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from embedding.picture import Pixels, Size

if TYPE_CHECKING:
    from embedding.local.keypoints import Keypoints


class EncoderError(Exception):
    """The vectors would not be right. The text is one sentence that names the fix."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """The result of encoding n pictures.

    Attributes:
        vectors: float32 (n, dimension); rows of unit length, zeros where `featureless`.
        featureless: bool (n,); True where the picture has too little detail to be distinguished from others.
        keypoints: of each picture, if the encoder works on local features; else None.
    """

    vectors: NDArray[np.float32]
    featureless: NDArray[np.bool_]
    keypoints: "Sequence[Keypoints] | None" = None


class Encoder(Protocol):
    """Turns pictures into vectors whose cosine says how alike the pictures are. Safe to call from several threads.

    Attributes:
        name: short name, as in the settings ("words", "pdq", "openclip", "timm").
        dimension: length of a vector.
        fingerprint: see `fingerprint()`.
        backend: which numeric type and which code it computes with, in a few words for people.
        least_side: pictures may be passed reduced, to a shorter side of this many pixels or more, and get the same
            vector except for rounding; None: every pixel counts.
        batch_size: number of pictures per call that is fastest; a call accepts any number.
        min_batch_size: this many pictures stay on one worker even if others are idle: 2 where two take little longer
            than one, else 1.
    """

    @property
    def name(self) -> str:
        """Short name."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    def fingerprint(self) -> str:
        """Identifies the encoder."""

    @property
    def backend(self) -> str:
        """Numeric type and code, for people."""

    @property
    def least_side(self) -> int | None:
        """Shorter side in pixels that pictures may be reduced to."""

    @property
    def batch_size(self) -> int:
        """Number of pictures per call that is fastest."""

    @property
    def min_batch_size(self) -> int:
        """Number of pictures that stay on one worker."""

    def encode(self, pictures: Sequence[Pixels], sizes: Sequence[Size] | None = None) -> Encoded:
        """Vectors of n pictures, n ≥ 1, in their order.

        Args:
            pictures: in full size, or reduced as `least_side` allows.
            sizes: their sizes before they were reduced; None: none was reduced.
        """


def fingerprint(name: str, depends_on: Mapping[str, str | int | float]) -> str:
    """`name:` and 16 hex digits of a SHA-256 over everything that a vector depends on.

    Args:
        name: the encoder's short name.
        depends_on: model, digest of the weights, preprocessing, dimension, numeric type, version of the algorithm.
    """
    canonical = json.dumps({"encoder": name, **depends_on}, sort_keys=True, separators=(",", ":"))
    return f"{name}:{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"
