"""The published verdict: a pydantic model, and the JSON Schema that is made from it (docs/verdict.schema.json)."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from embedding.image import Reason

SCHEMA_VERSION: Literal["1.1"] = "1.1"
SCHEMA_ID = f"https://vigilens.dev/schemas/verdict/{SCHEMA_VERSION}.json"

Decision = Literal["block", "review", "allow", "unscannable"]
Level = Literal["block", "review"]
KindName = Literal["harmful", "allow", "reference"]
VerifyName = Literal["required", "supports", "off"]


class Part(BaseModel):
    """A part of the verdict; frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Near(Part):
    """A reference, and how near the image is to it."""

    id: str = Field(description="Key of the reference in its set.")
    label: str = Field(description="The operator's name for the reference.")
    score: float = Field(description="Cosine similarity of image and reference, -1 to 1.")


class Evidence(Part):
    """How the reference lies in the image, as the geometric check found it (docs/copies.md)."""

    score: float = Field(ge=0, le=1, description="Score of the check.")
    threshold: float = Field(description="The check's threshold of the match's level.")
    margin: float = Field(description="score - threshold; negative only where similarity gave the level.")
    inliers: int = Field(description="Pairs of corners that agree on one map from reference to image.")
    share: float = Field(description="Of the places where both have corners, the share that agrees.")
    distinctive: float = Field(description="Share of the inliers that is no frame which other references have too.")
    coverage: float = Field(description="Share of the reference's area that the image shows.")
    mirrored: bool = Field(description="The image shows the reference's mirror image.")
    region: tuple[tuple[float, float], ...] = Field(
        min_length=4,
        max_length=4,
        description="The reference's corners in the image, from its upper left one clockwise (as the reference is "
        "seen), as fractions of the image's width and height; they may lie outside.",
    )


class SetMatch(Part):
    """One set in which the image reached a threshold."""

    set: str
    version: int = Field(description="Version of the set that was searched.")
    kind: KindName
    category: str
    severity: int = Field(ge=0, le=100)
    level: Level = Field(description="The highest level whose threshold was reached.")
    score: float = Field(description="Similarity of the nearest reference, a cosine.")
    threshold: float = Field(description="The similarity threshold of `level`.")
    margin: float = Field(description="score - threshold; negative only where the check raised the level.")
    nearest: Near = Field(description="The reference that matched; with a check the best verified one.")
    runner_up: Near | None = Field(description="The next best reference of the set, if it has one.")
    vetoed_by: str | None = Field(description="The allow set whose match took this match's effect away.")
    verify: VerifyName = Field(description="What the set lets the geometric check decide.")
    verified: bool | None = Field(description="Whether the check was passed; None if there was none or could be none.")
    evidence: Evidence | None = Field(description="What the check found; None without one, or if it found nothing.")


class SetSeen(Part):
    """One set that was searched, matched or not: what the decision rests on."""

    set: str
    version: int
    kind: KindName
    review: float = Field(description="Threshold of the level review.")
    block: float = Field(description="Threshold of the level block.")
    verify: VerifyName
    check_review: float = Field(description="The geometric check's threshold of the level review.")
    check_block: float = Field(description="The geometric check's threshold of the level block.")
    nearest: Near | None = Field(
        description="The best in the check, else the most similar; None for an empty set, or an image without a vector."
    )
    check_score: float | None = Field(
        description="Score of the geometric check of `nearest`, 0 if it does not lie in the image; None if not checked."
    )


class ImageFacts(Part):
    """What was judged."""

    sha256: str = Field(description="Of the image's bytes.")
    bytes: int = Field(ge=0)
    format: str = Field(description="JPEG, PNG, …")
    width: int = Field(ge=1, description="Pixels, after the EXIF orientation is applied.")
    height: int = Field(ge=1)
    frames: int = Field(ge=1, description="Frames of an animated picture; the first was judged.")


class Position(Part):
    """Where the event stood in Kafka. None of a verdict that came from a scan of files."""

    topic: str
    partition: int
    offset: int


class Timings(Part):
    """Milliseconds of work for the whole batch that the image was judged in, all workers together."""

    fetch_ms: float
    decode_ms: float
    encode_ms: float
    search_ms: float
    verify_ms: float


class Verdict(Part):
    """What Vigilens says about one image."""

    schema_version: Literal["1.1"] = SCHEMA_VERSION
    event_id: str
    image_id: str
    decision: Decision
    reason: Reason | None = Field(description="Why the image is unscannable; otherwise None.")
    detail: str | None = Field(description="One sentence on `reason` for a person.")
    decided_by: str | None = Field(description="The set that decided block or review.")
    matches: tuple[SetMatch, ...] = Field(description="Sets that matched, worst first.")
    sets: tuple[SetSeen, ...] = Field(description="All sets that were searched.")
    image: ImageFacts | None = Field(description="None when the bytes were not had or not readable.")
    encoder: str = Field(description="Fingerprint of the encoder.")
    attributes: dict[str, JsonValue] = Field(description="The event's attributes, as they came.")
    position: Position | None
    timings: Timings
    judged_at: datetime


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a verdict, as published in docs/verdict.schema.json."""
    schema = Verdict.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}


if __name__ == "__main__":
    import json
    import sys

    json.dump(json_schema(), sys.stdout, indent=2)
    sys.stdout.write("\n")
