"""The published verdict: a pydantic model, and the JSON Schema that is made from it (docs/verdict.schema.json).

Fields that nothing fills yet stand here with their neutral values, so that readers need not change when something does.
"""

import json
from datetime import datetime
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from embedding.image import Reason
from matcher.decide import Decision, Measure
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
    """Where the event says that the image is."""

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
    reading: str = Field(description="`plain`: as viewers show it.")


class Unseen(Part):
    """What was left out."""

    frames: int = Field(ge=0)
    windows: int = Field(ge=0)


class EncoderResult(Part):
    """An encoder, and whether it could make a vector of the image."""

    name: str
    fingerprint: str
    looked: bool
    reason: Reason | None = Field(description="Why it could not.")


class Limits(Part):
    """Scores from which a match has a level."""

    review: float
    block: float


class CheckRules(Limits):
    """What the geometric check decides, and from which scores on."""

    use: CheckUse
    version: int = Field(description="Of the check's scale of scores.")


class Rules(Part):
    """How the set decides, as it was when it was searched."""

    similarity: Limits
    check: CheckRules
    alone: Cap = Field(description="What a match is worth that no other encoder confirms.")
    altered: Cap = Field(description="What a match is worth in which a part of the picture differs.")
    background: str | None = Field(description="Set whose similarities are subtracted.")


class Candidate(Part):
    """A reference that the search found, whether it matched or not."""

    id: str = Field(description="Key of the reference in its set.")
    label: str = Field(description="The operator's name for the reference.")
    similarity: float = Field(description="Cosine similarity of image and reference, -1 to 1.")
    normalised: float | None = Field(description="The same, less the mean of the nearest background references.")
    check: float | None = Field(description="Score of the check, 0 if it is not in the image; None: not checked.")
    content: bool = Field(description="The image has exactly the reference's bytes.")
    ceiling: Cap | None = Field(description="The highest level that this reference may give; None: any.")
    altered: bool = Field(description="A part of the image differs from the reference.")
    mirrored: bool = Field(description="The image shows the reference's mirror image.")
    view: int = Field(ge=0)
    region: Region | None = Field(description="Where it is in the image; None if that is not known.")


class SetResult(Part):
    """One set that was in force, matched or not: what the decision rests on."""

    set: str
    version: int
    kind: KindName
    category: str
    group: str
    encoder: str = Field(description="Name of the encoder that the set was compared by.")
    compared: bool
    reason: Reason | None = Field(description="Why it was not compared.")
    rules: Rules
    expected_per_million: float | None = Field(description="False alarms that the set's calibration promises.")
    candidates: tuple[Candidate, ...] = Field(
        description="The best 3 by check and the best 3 by similarity, each once, best first; empty if the verdict "
        "would not fit into a record."
    )


class Reference(Part):
    """A reference as its operator knows it."""

    id: str = Field(description="Key of the reference in its set.")
    label: str = Field(description="The operator's name for the reference.")
    source: str | None = Field(description="The list or exchange that it comes from.")
    source_id: str | None = Field(description="Its id there.")
    tags: tuple[str, ...]


class SimilarityResult(Part):
    """Similarity of the matched reference."""

    score: float = Field(description="A cosine, -1 to 1.")
    normalised: float | None
    threshold: float = Field(description="Of the level in `reached`.")


class CheckResult(Part):
    """How the matched reference lies in the image, as the geometric check found it (docs/copies.md)."""

    score: float = Field(ge=0, le=1)
    threshold: float = Field(description="Of the level in `reached`.")
    inliers: int = Field(description="Pairs of corners that agree on one map from reference to image.")
    share: float = Field(description="Of the places where both have corners, the share that agrees.")
    distinctive: float = Field(description="Share of the inliers that is no frame which other references have too.")
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
    capped_by: tuple[str, ...] = Field(description="Why `level` is lower than `reached`.")
    decided_on: Measure = Field(description="The measure that gave the level; `score` to `margin` are its own.")
    score: float
    threshold: float
    margin: float = Field(description="score - threshold.")
    reference: Reference = Field(description="The reference that matched.")
    similarity: SimilarityResult
    check: CheckResult | None = Field(description="None without a check, or if it found nothing.")
    view: int = Field(ge=0)
    others: tuple[Reference, ...] = Field(description="Up to 4 more references of the set that reached a level.")
    vetoed_by: str | None = Field(description="The allow set whose match took this match's effect away.")
    corroborated_by: tuple[str, ...] = Field(description="Sets of other encoders whose matches confirm this one.")
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
    """What sets would have decided that do not count yet."""

    decision: Decision
    decided_by: str | None
    matches: tuple[SetMatch, ...]


class Position(Part):
    """Where the event stands in Kafka. None for a verdict of `vigilens scan`."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime | None = Field(description="The record's.")


class Timings(Part):
    """Milliseconds of work for the whole batch that the image was judged in, all workers together."""

    fetch_ms: float
    decode_ms: float
    encode_ms: float
    search_ms: float
    check_ms: float


class Verdict(Part):
    """What Vigilens says about one image."""

    schema_version: Literal["2.0"] = SCHEMA_VERSION
    event_id: str
    image_id: str
    decision: Decision
    reason: Reason | None = Field(description="Why the image is unscannable; otherwise None.")
    detail: str | None = Field(description="One sentence on `reason` for a person.")
    decided_by: str | None = Field(description="The set that decided block or review.")
    cause: Cause | None = Field(description="Why the image was judged again; None the first time.")
    source: EventSource | None = Field(description="None when the event names no image.")
    image: ImageFacts | None = Field(description="None when there were no bytes, or they could not be decoded.")
    views: tuple[View, ...] = Field(description="What was compared; empty if the image is unscannable.")
    frames_judged: tuple[int, ...]
    unseen: Unseen
    encoders: tuple[EncoderResult, ...] = Field(description="All that were to make a vector of the image.")
    sets: tuple[SetResult, ...] = Field(description="All sets in force.")
    matches: tuple[SetMatch, ...] = Field(description="Sets that matched, worst first.")
    shadow: Shadow | None
    attributes: dict[str, JsonValue] = Field(description="The event's attributes, as they came.")
    position: Position | None
    timings: Timings
    judged_at: datetime


def example() -> dict[str, Any]:
    """A verdict as it stands in docs/verdicts.md."""
    read: dict[str, Any] = json.loads(files("matcher").joinpath(EXAMPLE).read_text(encoding="utf-8"))
    return read


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a verdict, as published in docs/verdict.schema.json."""
    schema = Verdict.model_json_schema(mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID}
    return {**head, **schema, "examples": [example()]}
