"""The published verdict: a pydantic model, and the JSON Schema generated from it (docs/verdict.schema.json).

Fields that are not used yet are here with neutral values, so that consumers need not change when they are used.
"""

import json
from datetime import datetime
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from embedding.image import Reason
from matcher.decide import Decision
from matcher.levels import Measure
from reference_sets.model import Cap, Level

SCHEMA_VERSION: Literal["2.0"] = "2.0"
SCHEMA_ID = f"https://vigilens.dev/schemas/verdict/{SCHEMA_VERSION}.json"
EXAMPLE = "verdict.example.json"

KindName = Literal["harmful", "allow", "reference"]
CheckUse = Literal["required", "supports", "off"]
Box = tuple[float, float, float, float]
Point = tuple[float, float]
Region = Annotated[
    tuple[Point, ...],
    Field(
        min_length=4,
        max_length=4,
        description="The reference's corners in the whole picture, from its upper left one clockwise (as the reference "
        "is shown), as fractions of the picture's width and height; they may lie outside.",
    ),
]


class Part(BaseModel):
    """A part of the verdict; frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EventSource(Part):
    """The source of the image that the event names."""

    kind: Literal["record", "path", "url"]
    address: str | None = Field(description="The path or URL, at most 4,096 characters; None for bytes in the record.")
    fetched: bool = Field(description="Whether its bytes could be fetched.")


class ImageFacts(Part):
    """The file that was judged."""

    sha256: str = Field(description="Of the image's bytes.")
    bytes: int = Field(ge=0)
    format: str = Field(description="JPEG, PNG, …")
    width: int = Field(ge=1, description="Pixels, after the EXIF orientation is applied.")
    height: int = Field(ge=1)
    frames: int = Field(ge=1, description="Frames of an animated picture.")
    damaged: bool = Field(description="Only a part of the file could be decoded.")


class View(Part):
    """What was compared: a frame, a part of it, and how its pixels were read."""

    view: int = Field(ge=0, description="Its number; candidates and matches name it.")
    frame: int = Field(ge=0)
    box: Box = Field(description="Left, top, right, bottom, as fractions of the picture.")
    reading: str = Field(description="`plain`: as viewers show it; `negative`, `unstretched`: as before an edit.")


class Unseen(Part):
    """Number of frames and windows that were not compared."""

    frames: int = Field(ge=0)
    windows: int = Field(ge=0)


class EncoderResult(Part):
    """An encoder, and whether it could make a vector of the image."""

    name: str
    fingerprint: str
    looked: bool
    reason: Reason | None = Field(description="Why it could not.")


class Limits(Part):
    """The lowest score for each level."""

    review: float
    block: float


class CheckRules(Limits):
    """How the geometric check decides, and the lowest score for each level."""

    use: CheckUse
    version: int = Field(description="Scale of the check's scores and of these thresholds.")


class Rules(Part):
    """The set's rules when it was searched."""

    similarity: Limits
    check: CheckRules
    alone: Cap = Field(description="The highest level of a match that no other encoder confirms.")
    altered: Cap = Field(description="The highest level of a match in which a part of the picture differs.")
    background: str | None = Field(description="The set whose similarities are subtracted.")


class Candidate(Part):
    """A reference that the search found, whether it matched or not."""

    id: str = Field(description="Key of the reference in its set.")
    label: str = Field(description="The operator's name for the reference.")
    similarity: float = Field(description="Cosine similarity of image and reference, -1 to 1.")
    normalised: float | None = Field(
        description="The same minus the mean for the nearest background references; thresholds are compared with it. "
        "None: the set names no background."
    )
    check: float | None = Field(description="The check's score, 0 if it is not in the image; None: not checked.")
    content: bool = Field(description="The image has exactly the reference's bytes.")
    ceiling: Cap | None = Field(description="The highest level that this reference can give; None: any.")
    altered: bool = Field(description="A part of the image differs from the reference.")
    mirrored: bool = Field(description="The image shows the reference's mirror image.")
    view: int = Field(ge=0)
    region: Region | None = Field(description="Where the reference is in the image; None if unknown.")


class SetResult(Part):
    """One set in force, matched or not: the decision is computed from these."""

    set: str
    version: int
    kind: KindName
    category: str
    group: str
    encoder: str = Field(description="Name of the encoder that the set was compared with.")
    compared: bool
    reason: Reason | None = Field(description="Why it was not compared.")
    rules: Rules
    expected_per_million: float | None = Field(description="False alarms to expect by the set's calibration.")
    candidates: tuple[Candidate, ...] = Field(
        description="The best 3 by check and the best 3 by similarity, each once, best first; empty if the verdict "
        "would otherwise be too large for a record."
    )


class Reference(Part):
    """A reference, as it was added to the set."""

    id: str = Field(description="Key of the reference in its set.")
    label: str = Field(description="The operator's name for the reference.")
    source: str | None = Field(description="The list or exchange that the reference comes from.")
    source_id: str | None = Field(description="Its id there.")
    tags: tuple[str, ...]


class Other(Reference):
    """A further reference in the image."""

    view: int = Field(ge=0)
    region: Region | None = Field(description="Where it is in the image; None if unknown.")


class SimilarityResult(Part):
    """Similarity of the matched reference."""

    score: float = Field(description="A cosine, -1 to 1.")
    normalised: float | None = Field(description="The threshold is compared with it, if it is not None.")
    threshold: float = Field(description="The threshold of the level in `reached`.")


class CheckResult(Part):
    """How the matched reference lies in the image, as the geometric check found it (docs/copies.md)."""

    score: float = Field(ge=0, le=1)
    threshold: float = Field(description="The threshold of the level in `reached`.")
    inliers: int = Field(description="Pairs of corners that agree on one map from reference to image.")
    share: float = Field(description="Share of the places with corners of both in which they agree.")
    distinctive: float = Field(description="Share of the inliers that neither recur nor are a common frame.")
    coverage: float = Field(description="Share of the reference's area that the image shows.")
    mirrored: bool = Field(description="The image shows the reference's mirror image.")
    region: Region
    differs: tuple[Box, ...] = Field(description="Parts of the image in which both have corners and none agree.")


class SetMatch(Part):
    """One set in which the image reached a threshold."""

    set: str
    version: int = Field(description="Version of the set that was searched.")
    kind: KindName
    category: str
    severity: int = Field(ge=0, le=100)
    encoder: str
    level: Level = Field(description="The level that counts.")
    reached: Level = Field(description="The level that was reached before caps.")
    capped_by: tuple[str, ...] = Field(
        description="Why `level` is lower than `reached`: `ceiling` of the reference, `altered` copy, `alone` (no "
        "match of another encoder corroborates it), or `allowed` (an allow set has the same, and nothing tells the two "
        "apart)."
    )
    decided_on: Measure = Field(
        description="The measure that gave the level; `score`, `threshold` and `margin` are its own. `content`: "
        "exactly the same bytes; score and threshold are 1."
    )
    score: float
    threshold: float
    margin: float = Field(description="score - threshold.")
    reference: Reference = Field(description="The reference that matched.")
    similarity: SimilarityResult
    check: CheckResult | None = Field(description="None if it was not checked or the reference was not found.")
    view: int = Field(ge=0)
    others: tuple[Other, ...] = Field(description="Up to 8 more references of the set that reached a level.")
    vetoed_by: str | None = Field(description="The allow set whose match cancelled this match's effect.")
    corroborated_by: tuple[str, ...] = Field(
        description="Sets of other encoders and the same group whose matches in the same view confirm this one."
    )
    quarantined: bool


class Cause(Part):
    """Why an image was judged again."""

    kind: Literal["added", "lowered", "alone"]
    set: str | None
    version: int | None
    reference: str | None
    pixels_seen: bool
    first_decision: Decision
    first_position: "Position | None"


class Shadow(Part):
    """What the sets that do not count yet would have decided."""

    decision: Decision
    decided_by: str | None
    matches: tuple[SetMatch, ...]


class Position(Part):
    """The event's position in Kafka. None for a verdict of `vigilens scan`."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime | None = Field(description="The record's timestamp.")


class Timings(Part):
    """Milliseconds of work for the image's whole batch, all workers together."""

    fetch_ms: float
    decode_ms: float
    encode_ms: float
    search_ms: float
    check_ms: float


class Verdict(Part):
    """The result for one image."""

    schema_version: Literal["2.0"] = SCHEMA_VERSION
    event_id: str
    image_id: str
    decision: Decision
    reason: Reason | None = Field(description="Why the image is unscannable; otherwise None.")
    detail: str | None = Field(description="One sentence about `reason` for a person.")
    decided_by: str | None = Field(description="The set that decided block or review.")
    cause: Cause | None = Field(description="Why it was judged again; None the first time.")
    source: EventSource | None = Field(description="None if the event names no image.")
    image: ImageFacts | None = Field(description="None if there were no bytes or they could not be decoded.")
    views: tuple[View, ...] = Field(description="What was compared; empty if the image is unscannable.")
    frames_judged: tuple[int, ...]
    unseen: Unseen
    encoders: tuple[EncoderResult, ...] = Field(description="All encoders in use.")
    sets: tuple[SetResult, ...] = Field(description="All sets in force.")
    matches: tuple[SetMatch, ...] = Field(description="Sets that matched, worst first.")
    shadow: Shadow | None
    attributes: dict[str, JsonValue] = Field(description="The event's attributes, unchanged.")
    position: Position | None
    timings: Timings
    judged_at: datetime


def example() -> dict[str, Any]:
    """The example verdict of docs/verdicts.md."""
    read: dict[str, Any] = json.loads(files("matcher").joinpath(EXAMPLE).read_text(encoding="utf-8"))
    return read


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a verdict, as published in docs/verdict.schema.json."""
    schema = Verdict.model_json_schema(mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID}
    return {**head, **schema, "examples": [example()]}
