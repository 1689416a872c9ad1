"""The protocol of all encoders, and the fingerprint that still identifies one a year later."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embedding.picture import Needs, Prepared


class EncoderError(Exception):
    """The vectors would not be right. The text is one sentence that names the fix."""


def in_short(error: Exception) -> str:
    """An error of someone's library or model in one line."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"


@dataclass(frozen=True, slots=True)
class Encoded:
    """The result of encoding n pictures.

    Attributes:
        vectors: float32 (n, dimension); rows of unit length, zeros where `featureless`.
        featureless: bool (n,); True where the picture has too little detail to be distinguished from others.
        parts: float32 (n, k, dimension): further vectors, each of a part of what is in the picture, that references
            are searched by as well. They are never stored. None: the encoder makes none.
    """

    vectors: NDArray[np.float32]
    featureless: NDArray[np.bool_]
    parts: NDArray[np.float32] | None = None


class Encoder(Protocol):
    """Turns pictures into vectors whose cosine says how alike the pictures are. Safe to call from several threads.

    Attributes:
        name: short name, as in the settings ("words", "pdq", "openclip", "timm").
        dimension: length of a vector.
        fingerprint: see `fingerprint()`.
        backend: which numeric type and which code it computes with, in a few words for people.
        needs: what it works on. With `least_side`, pixels may be passed reduced to a shorter side of that many pixels
            or more, and give the same vector except for rounding.
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
    def needs(self) -> Needs:
        """What it works on."""

    @property
    def batch_size(self) -> int:
        """Number of pictures per call that is fastest."""

    @property
    def min_batch_size(self) -> int:
        """Number of pictures that stay on one worker."""

    def encode(self, prepared: Sequence[Prepared]) -> Encoded:
        """Vectors of n views, n ≥ 1, in their order; each was prepared with at least the encoder's needs."""


def fingerprint(name: str, depends_on: Mapping[str, str | int | float]) -> str:
    """`name:` and 16 hex digits of a SHA-256 over everything that a vector depends on.

    Args:
        name: the encoder's short name.
        depends_on: model, digest of the weights, preprocessing, dimension, numeric type, version of the algorithm.
    """
    canonical = json.dumps({"encoder": name, **depends_on}, sort_keys=True, separators=(",", ":"))
    return f"{name}:{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"
