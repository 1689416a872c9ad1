"""A set of references, its thresholds, and what a search finds (plain values, standard library only)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypedDict


class Kind(StrEnum):
    """What a match with a set means."""

    HARMFUL = "harmful"  # it counts against the picture
    ALLOW = "allow"  # a confirmed false alarm: it vetoes harmful matches
    REFERENCE = "reference"  # it is reported and decides nothing


class Verify(StrEnum):
    """What the geometric check of a set's candidates decides (docs/copies.md)."""

    REQUIRED = "required"  # similarity only makes candidates: a match is what passes the check as well
    SUPPORTS = "supports"  # similarity decides as without it; a passed check can raise the level, never lower it
    OFF = "off"  # similarity decides alone


class Mirrored(StrEnum):
    """How mirrored copies are found. Neither vectors nor local features see them by themselves."""

    STORED = "stored"  # each reference is stored mirrored too: twice the memory, no time per picture
    QUERIED = "queried"  # each picture is encoded and searched mirrored too: no memory, about twice the time
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Cosine similarities, -1 to 1, from which a match has the level `review` or `block`. Equality is reached."""

    review: float
    block: float

    def __post_init__(self) -> None:
        if not -1 <= self.review <= self.block <= 1:
            raise ValueError(
                f"thresholds must obey -1 ≤ review ≤ block ≤ 1, got review {self.review}, block {self.block}"
            )


@dataclass(frozen=True, slots=True)
class CheckThresholds:
    """Scores of the geometric check, 0 to 1, from which a match has the level `review` or `block`."""

    review: float
    block: float

    def __post_init__(self) -> None:
        if not 0 < self.review <= self.block <= 1:
            raise ValueError(
                f"the check's thresholds must obey 0 < review ≤ block ≤ 1, got review {self.review}, block {self.block}"
            )


# 1 in 1,000 unrelated pictures reaches 0.29; by extrapolation 1 in 100,000 reaches 0.47, but the highest of 6,000 had
# 0.51, a shared caption: docs/copies.md, "Thresholds".
CHECK = CheckThresholds(review=0.3, block=0.6)


@dataclass(frozen=True, slots=True)
class ReferenceSet:
    """All that describes a set; it travels in the properties of the set's collection.

    Attributes:
        name: 1-64 letters, digits and underscores, the first a letter.
        category: the operator's word for what the set holds, e.g. "spam".
        severity: 0 (least) to 100 (worst).
        encoder: fingerprint of the encoder that made the vectors.
        dimension: length of a vector.
        version: counts up with each change of content, thresholds or description.
        probe: the packaged probe picture's vector as the encoder saw it when the set was made.
        note: free text: where the pictures and thresholds come from.
        verify: what the geometric check decides.
        check: its thresholds.
        mirrored: how mirrored copies are found.
    """

    name: str
    kind: Kind
    category: str
    severity: int
    thresholds: Thresholds
    encoder: str
    dimension: int
    version: int
    probe: tuple[float, ...]
    note: str = ""
    verify: Verify = Verify.OFF
    check: CheckThresholds = CHECK
    mirrored: Mirrored = Mirrored.OFF
    group: str = ""
    alone: str = "block"
    altered: str = "review"
    background: str = ""
    check_version: int = 1


class Changes(TypedDict, total=False):
    """What can be changed of a set that is there: see `ReferenceSet`."""

    kind: Kind
    category: str
    severity: int
    thresholds: Thresholds
    note: str
    verify: Verify
    check: CheckThresholds
    mirrored: Mirrored


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture as it is compared.

    Attributes:
        vector: unit length.
        features: the picture's keypoints, see `embedding.local.features.pack`; empty where no check uses them.
    """

    vector: tuple[float, ...]
    features: bytes = b""


@dataclass(frozen=True, slots=True)
class Reference:
    """One known picture.

    Attributes:
        id: derived from content and label, so that the same picture twice is one reference.
        label: the operator's name for the picture, e.g. a case number or a file name.
        vector: unit length.
        features: what the geometric check needs beside the vector (≤ 48,000 bytes); empty where no check uses
            it.
        mirror: the picture's mirror image, in the sets that store it and in no others.
    """

    id: str
    label: str
    vector: tuple[float, ...]
    features: bytes = b""
    mirror: Seen | None = None


class Neighbour(NamedTuple):  # 50 for an image: a data class takes twice as long to make
    """A reference near a query, with their cosine similarity.

    Attributes:
        mirrored: it is the mirror image of the reference that is near.
    """

    id: str
    label: str
    score: float
    mirrored: bool = False
