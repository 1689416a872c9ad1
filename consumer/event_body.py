"""An image event as a JSON object: the model, its published schema, and what is wrong with an event, in plain words."""

import base64
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import from_json

from embedding.image import File, Inline, Reason, Source, Unreadable, Url

MAX_ID = 1024  # characters; with longer ids a verdict would not fit into a record
# Values of one JSON document. Reading 100,000 takes 0.05 s and 12 MB at most; an array of 18 MB took seconds, 0.6 GB.
MAX_VALUES = 100_000
SCHEMA_ID = "https://vigilens.dev/schemas/event/1.0.json"
SOURCES = ("data", "path", "url")
EXAMPLES = (
    {"id": "upload-8841", "url": "https://uploads.example/8841.jpg", "attributes": {"user": 17, "queue": "avatars"}},
    {"id": 8842, "path": "/srv/uploads/8842.png"},
    {"id": "upload-8843", "data": "iVBORw0KGgo="},
)
_RULES = {
    "id": f"id must be text of 1 to {MAX_ID:,} characters, or a number",
    "data": "data must be text: the image's bytes in base64",
    "path": "path must be text",
    "url": "url must be text",
    "attributes": "attributes must be an object",
}
_DATA_URL = re.compile(r"\s*data:[^,]{0,200};base64,", re.IGNORECASE)
_PLUS_SLASH, _MINUS_UNDERSCORE = re.compile("[+/]"), re.compile("[-_]")  # where the two alphabets differ


class Malformed(Exception):  # noqa: N818 (an answer, not an error)
    """The event is not what it claims to be; one sentence for its verdict, and the reason."""

    def __init__(self, why: str, reason: Reason = Reason.MALFORMED_EVENT) -> None:
        super().__init__(why)
        self.reason = reason


class Body(BaseModel):
    """An image event as a JSON object. Unknown keys are ignored, so producers may send more than we read."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, title="Event")

    id: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_ID,
        description="The image's name in its verdict; a number is taken as text.",
        json_schema_extra={
            "anyOf": [{"type": "string", "minLength": 1, "maxLength": MAX_ID}, {"type": "number"}, {"type": "null"}]
        },
    )
    data: str | None = Field(default=None, description="The image's bytes, base64.")
    path: str | None = Field(default=None, description="A file below one of images.roots.")
    url: str | None = Field(default=None, description="An address of one of images.hosts.")
    attributes: dict[str, JsonValue] = Field(default={}, description="Any values; they are copied to the verdict.")

    def source(self) -> tuple[Source | None, Unreadable | None]:
        """Where the image's bytes are, and why they are unreadable if that is known already."""
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            what = f"{len(given)} pictures ({', '.join(given)})" if given else "no picture"
            why = f"the event has {what}; it must have exactly one of data, path and url"
            return None, Unreadable(Reason.MALFORMED_EVENT, why)
        if self.path is not None:
            return File(self.path), None
        if self.url is not None:
            return Url(self.url), None
        try:
            return Inline(decoded(self.data or "", "data")), None
        except Malformed as error:
            return Inline(b""), Unreadable(error.reason, str(error))


def json_schema() -> dict[str, Any]:
    """The JSON Schema of an event, as published in docs/event.schema.json."""
    schema = Body.model_json_schema()
    one_source = {"oneOf": [{"required": [name]} for name in SOURCES]}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID}
    return {**head, **schema, **one_source, "examples": list(EXAMPLES)}


def parse(content: bytes) -> dict[str, Any]:
    """The JSON object in `content`.

    Raises:
        Malformed: it is none, or it has more than MAX_VALUES values.
    """
    if content.lstrip()[:1] != b"{":
        raise Malformed("the content type says JSON, but the value is not a JSON object")
    # Every value but the first follows one of these characters. Base64 has none of them: large images are no problem.
    values = sum(map(content.count, (b",", b"[", b"{")))
    if values > MAX_VALUES:
        raise Malformed(f"the JSON has about {values:,} values; at most {MAX_VALUES:,} are read")
    try:
        document: dict[str, Any] = from_json(content)
    except ValueError as error:
        raise Malformed(f"the value is not valid JSON: {error}") from error
    return document


def read_body(document: Mapping[str, Any]) -> tuple[Body, list[str]]:
    """What is valid in the event, and a sentence for each key that is not."""
    try:
        return Body.model_validate(dict(document)), []
    except ValidationError as error:
        wrong = {str(each["loc"][0]) for each in error.errors(include_url=False, include_input=False)}
    rest = {key: value for key, value in document.items() if key not in wrong}
    mistakes = [_RULES[key] for key in _RULES if key in wrong]
    if "specversion" in document and "data" in wrong:
        mistakes = ["this is a structured CloudEvent, which needs the content type application/cloudevents+json"]
    return Body.model_validate(rest), mistakes


def decoded(text: str, key: str) -> bytes:
    """The bytes of base64: the standard alphabet, or the one for URLs (padding is then optional); white space is fine.

    A prefix as in `data:image/png;base64,` is left out.

    Raises:
        Malformed: it is not base64; the sentence names `key`.
    """
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        prefix = _DATA_URL.match(text)
    bare = "".join(text[prefix.end() if prefix else 0 :].split())
    if not _PLUS_SLASH.search(bare) and _MINUS_UNDERSCORE.search(bare):
        bare = bare.replace("-", "+").replace("_", "/").rstrip("=")
        bare += "=" * (-len(bare) % 4)
    try:
        return base64.b64decode(bare, validate=True)
    except ValueError as error:
        raise Malformed(f"{key} is not base64: {error}", Reason.BAD_BASE64) from error
