"""The protocol of all encoders, and the fingerprint that names one a year later."""

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
    """What an encoder makes of a batch of n pictures.

    Attributes:
        vectors: float32 (n, dimension); rows of unit length, zeros where `featureless`.
        featureless: bool (n,); True where the picture has too little detail to be told from others.
        keypoints: of each picture, where the encoder works on local features; else None.
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
        how: in which numeric type and by which code it computes, in a few words for people.
        least_side: pictures may come reduced, to a shorter side of this many pixels or more, and have the same vector
            but for rounding; None: every pixel counts.
        together: pictures that it is quickest with at once; it takes any number.
        least_together: so many are not spread over idle workers: 2 where two take little longer than one, else 1.
    """

    @property
    def name(self) -> str:
        """See above."""

    @property
    def dimension(self) -> int:
        """See above."""

    @property
    def fingerprint(self) -> str:
        """See above."""

    @property
    def how(self) -> str:
        """See above."""

    @property
    def least_side(self) -> int | None:
        """See above."""

    @property
    def together(self) -> int:
        """See above."""

    @property
    def least_together(self) -> int:
        """See above."""

    def encode(self, pictures: Sequence[Pixels], sizes: Sequence[Size] | None = None) -> Encoded:
        """Vectors of n pictures, n ≥ 1, in their order.

        Args:
            pictures: as they are, or reduced as `least_side` allows.
            sizes: that they had before they were reduced; None: none was.
        """


def fingerprint(name: str, depends_on: Mapping[str, str | int | float]) -> str:
    """`name:` and 16 hex digits of a SHA-256 over all that a vector depends on.

    Args:
        name: the encoder's short name.
        depends_on: model, digest of the weights, preprocessing, dimension, numeric type, version of the algorithm.
    """
    canonical = json.dumps({"encoder": name, **depends_on}, sort_keys=True, separators=(",", ":"))
    return f"{name}:{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"
