"""A set of references, its thresholds, and what a search finds (plain values, standard library only)."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a match with a set means."""

    HARMFUL = "harmful"  # it counts against the picture
    ALLOW = "allow"  # a confirmed false alarm: it vetoes harmful matches
    REFERENCE = "reference"  # it is reported and decides nothing


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


@dataclass(frozen=True, slots=True)
class Reference:
    """One known picture.

    Attributes:
        id: derived from content and label, so that the same picture twice is one row.
        label: the operator's name for the picture, e.g. a case number or a file name.
        vector: unit length.
        features: what a geometric check needs beside the vector; empty while no check uses it (≤ 48 KiB).
    """

    id: str
    label: str
    vector: tuple[float, ...]
    features: bytes = b""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A reference near a query, with their cosine similarity."""

    id: str
    label: str
    score: float
