"""A set of references, its thresholds, and the results of a search (plain values, standard library only)."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict

if TYPE_CHECKING:
    from pydantic import JsonValue

Level = Literal["block", "review"]  # what a match can reach
Cap = Literal["block", "review", "nothing"]  # the highest level that is permitted


class Kind(StrEnum):
    """What a match with a set means."""

    HARMFUL = "harmful"  # it counts against the picture
    ALLOW = "allow"  # a confirmed false alarm: it vetoes harmful matches
    REFERENCE = "reference"  # it is reported and decides nothing
    BACKGROUND = "background"  # it never matches: other sets' similarities are normalised with it


class Verify(StrEnum):
    """What the geometric check of a set's candidates decides (docs/copies.md)."""

    REQUIRED = "required"  # similarity only selects candidates: a match must pass the check as well
    SUPPORTS = "supports"  # similarity decides as without a check; a passed check can raise the level, never lower it
    OFF = "off"  # similarity alone decides


class Mirrored(StrEnum):
    """How mirrored copies are found. Neither vectors nor keypoints find them by themselves."""

    STORED = "stored"  # each reference is also stored mirrored: twice the memory, no time per picture
    QUERIED = "queried"  # each picture is also encoded and searched for mirrored: no memory, about twice the time
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Cosine similarities, -1 to 1, from which a match has the level `review` or `block`. An equal score reaches it."""

    review: float
    block: float

    def __post_init__(self) -> None:
        if not -1 <= self.review <= self.block <= 1:
            raise ValueError(
                f"thresholds must obey -1 ≤ review ≤ block ≤ 1, got review {self.review}, block {self.block}"
            )


# The scale of the geometric check's scores. If the formula in matcher/check/weigh.py changes what a score means, raise
# this, and say in check_scales.py how thresholds of the earlier scales are carried over. Vectors and keypoints stay.
CHECK_VERSION = 2


@dataclass(frozen=True, slots=True)
class CheckThresholds:
    """Scores of the geometric check from which a match has the level `review` or `block`.

    They are in the present scale (`CHECK_VERSION`): 0 to 1, which an identical picture has.
    """

    review: float
    block: float

    def __post_init__(self) -> None:
        if not 0 < self.review <= self.block <= 1:
            raise ValueError(
                f"the check's thresholds must obey 0 < review ≤ block ≤ 1, got review {self.review}, block {self.block}"
            )


@dataclass(frozen=True, slots=True)
class RecordedCheck:
    """Thresholds of the check as a set records them, and the scale that they are in."""

    review: float
    block: float
    version: int


# Of 2,000 independent pictures made by code, 2 reach 0.3, both chats of an app of which the set has 30, and none 0.6:
# docs/copies.md, "Thresholds".
CHECK = CheckThresholds(review=0.3, block=0.6)

# Numbers that describe a set, with their lowest and highest values.
RANGES: dict[str, tuple[float, float]] = {
    "severity": (0, 100),
    "dimension": (2, 32_768),  # Milvus's range
    "version": (1, 2**53),
    "removed_version": (0, 2**53),
    "background_k": (1, 16_384),  # Milvus's limit of rows for one query
    "ratio": (0, 1),
}


@dataclass(frozen=True, slots=True)
class ReferenceSet:
    """Everything that describes a set. It is stored in the properties of the set's collection.

    Attributes:
        name: 1-64 letters, digits and underscores, the first a letter.
        kind: what a match means.
        category: the operator's word for what the set holds, e.g. "spam".
        severity: 0 (least) to 100 (worst).
        thresholds: of similarity.
        encoder: fingerprint of the encoder that made the vectors.
        dimension: length of a vector.
        version: counts up with each change of content, thresholds or description.
        probe: the packaged probe picture's vector as the encoder gave it when the set was made.
        note: free text: where the pictures and thresholds come from.
        verify: what the geometric check decides.
        check: its thresholds, in the present scale.
        recorded_check: what they were carried over from, if the set records them in the scale of an earlier version.
        mirrored: how mirrored copies are found.
        needs: keys of the description that change what a match means. A program that does not know one of them must
            not judge by the set. A set of the present scale needs a program that reads `check_version`.
        removed_version: the last version that removed rows; 0: none did. A reader that read the rows before that
            version must read them all again.
        group: harmful sets of one group can corroborate one another; empty: see `group_name`.
        alone: the highest level of a match that no match of another encoder in the group corroborates.
        altered: the highest level of a match if a part of the picture differs from the reference.
        background: name of the set that similarities are normalised with; empty: they are not normalised.
        background_k: number of neighbours in the background set that the normalisation uses.
        index, index_options: how the set is searched; options as JSON, see `indexes`.
        shadow: the set is judged separately and decides nothing.
        ratio: share of the pictures that the set decides on, 0 to 1.
        draft: a description to try beside this one, as JSON; empty: none.
        retro: pictures that were judged before a change are judged again.
        calibration: what the thresholds are based on, as JSON; empty: nothing is recorded.
        created: another text for each creation: a set that was dropped and created again repeats its versions.
        changed_at: when the version was published, by its writer's clock, ISO 8601; empty: not known.
        unknown: keys and values of the description that this version does not know, kept unchanged.

    Raises:
        ValueError: a number is out of range.
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
    recorded_check: RecordedCheck | None = field(default=None, compare=False)
    mirrored: Mirrored = Mirrored.OFF
    needs: tuple[str, ...] = ("check_version",)
    removed_version: int = 0
    group: str = ""
    alone: Cap = "block"
    altered: Cap = "review"
    background: str = ""
    background_k: int = 10
    index: str = "exact"
    index_options: str = ""
    shadow: bool = False
    ratio: float = 1.0
    draft: str = ""
    retro: bool = False
    calibration: str = ""
    created: str = field(default="", compare=False)
    changed_at: str = field(default="", compare=False)
    unknown: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for key, (least, most) in RANGES.items():
            if not least <= getattr(self, key) <= most:
                raise ValueError(f"{key} must be {least:g} to {most:g}, got {getattr(self, key)}")

    @property
    def group_name(self) -> str:
        """The group that the set belongs to: the category if none is given, and the name if there is no category."""
        return self.group or self.category or self.name


class Changes(TypedDict, total=False):
    """What can be changed in an existing set: see `ReferenceSet`."""

    kind: Kind
    category: str
    severity: int
    thresholds: Thresholds
    note: str
    verify: Verify
    check: CheckThresholds
    mirrored: Mirrored
    group: str
    alone: Cap
    altered: Cap
    background: str
    background_k: int
    index: str
    index_options: str


@dataclass(frozen=True, slots=True)
class Part:
    """What a picture is compared by.

    Attributes:
        vector: unit length.
        features: the picture's keypoints, see `embedding.local.features.pack`; empty if no check uses them.
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
        features: what the geometric check needs besides the vector (≤ 48,000 bytes); empty if no check uses it.
        mirror: the picture's mirror image, in sets that store it and in no others.
        digest: SHA-256 of the picture's file, in hexadecimal; empty if it is not known.
        version: the version of the set that wrote the reference; the store sets it.
        state: empty: in use; "disabled": it matches nothing.
        disabled_until: time until which it is disabled, in seconds since 1970, UTC; 0: for ever.
        ceiling: the highest level that the reference can reach; empty: any.
        source, source_id: who gave the picture, and under which id.
        tags: the operator's words for the picture.
        extra: facts that later versions store.
    """

    id: str
    label: str
    vector: tuple[float, ...]
    features: bytes = b""
    mirror: Part | None = None
    digest: str = ""
    version: int = 0
    state: str = ""
    disabled_until: int = 0
    ceiling: str = ""
    source: str = ""
    source_id: str = ""
    tags: tuple[str, ...] = ()
    extra: "dict[str, JsonValue]" = field(default_factory=dict)


class ReferenceFacts(NamedTuple):
    """What a match with a reference may decide, and where the reference comes from: see `Reference`."""

    ceiling: str = ""
    state: str = ""
    disabled_until: int = 0
    source: str = ""
    source_id: str = ""
    tags: tuple[str, ...] = ()

    def in_use(self, at: float) -> bool:
        """Whether the reference counts at this time, in seconds since 1970, UTC. An unknown state counts."""
        return self.state != DISABLED or 0 < self.disabled_until <= at

    @property
    def cap(self) -> Cap | None:
        """The highest level that the reference can give; None: any. An unknown ceiling permits nothing."""
        if not self.ceiling:
            return None
        return next((cap for cap in CAPS if cap == self.ceiling), "nothing")


DISABLED = "disabled"
CAPS: tuple[Cap, ...] = ("block", "review", "nothing")
NO_FACTS = ReferenceFacts()


class Known(NamedTuple):
    """A reference that is exactly a certain file."""

    id: str
    label: str
    facts: ReferenceFacts = NO_FACTS


class Neighbour(NamedTuple):  # 50 per image: a data class takes twice as long to create
    """A reference near a query, with their cosine similarity.

    Attributes:
        mirrored: the reference's mirror image is near, not the reference itself.
        facts: empty until they are read: for references that are checked, with their keypoints.
    """

    id: str
    label: str
    score: float
    mirrored: bool = False
    facts: ReferenceFacts = NO_FACTS
