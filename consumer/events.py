"""A record of the input topic → an image to judge. Whatever a record holds, it becomes exactly one event.

The forms, tried in this order (docs/events.md): CloudEvents 1.0 in binary mode (`ce_` headers) and structured mode
(content-type application/cloudevents+json), a JSON object, an image's bytes.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cloudevents.core.bindings.kafka import CE_PREFIX, KafkaMessage, from_binary, from_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from kafka import TopicPartition
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, model_validator

from consumer.batch import Event
from embedding.image import File, Image, Inline, Position, Reason, Source, Unreadable, Url

MAX_ID = 1024  # characters; with longer ids a verdict would not fit into a record
_CLOUD_EVENTS = "application/cloudevents"
_CORE = {"id", "source", "type", "specversion", "datacontenttype", "dataschema", "subject", "time"}
_ATTRIBUTES = TypeAdapter(dict[str, JsonValue])
SCHEMA_ID = "https://vigilens.dev/schemas/event/1.0.json"
EXAMPLES = (
    {"id": "upload-8841", "url": "https://uploads.example/8841.jpg", "attributes": {"user": 17, "queue": "avatars"}},
    {"id": 8842, "path": "/srv/uploads/8842.png"},
    {"id": "upload-8843", "data": "iVBORw0KGgo="},
)


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

    @model_validator(mode="after")
    def _one_source(self) -> "Body":
        given = [name for name in ("data", "path", "url") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of data, path and url, has {', '.join(given) or 'none'}")
        return self

    def source(self) -> tuple[Source, Unreadable | None]:
        """Where the image's bytes are, and why they are unreadable if that is known already."""
        if self.path is not None:
            return File(self.path), None
        if self.url is not None:
            return Url(self.url), None
        try:
            return Inline(base64.b64decode(self.data or "", validate=True)), None
        except (binascii.Error, ValueError) as error:
            return Inline(b""), Unreadable(Reason.BAD_BASE64, f"data is not base64: {error}")


def json_schema() -> dict[str, Any]:
    """The JSON Schema of an event, as published in docs/event.schema.json."""
    schema = Body.model_json_schema()
    one_source = {"oneOf": [{"required": [name]} for name in ("data", "path", "url")]}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID}
    return {**head, **schema, **one_source, "examples": list(EXAMPLES)}


def read(record: Any, max_attributes_bytes: int) -> Event:
    """The event in a record of kafka-python (ConsumerRecord). Never raises, whatever the record holds.

    Args:
        record: key and value are bytes or None; headers a sequence of (str, bytes or None).
        max_attributes_bytes: cap on the attributes as JSON; an event with more is malformed.
    """
    position = Position(record.topic, record.partition, record.offset, _time(record.timestamp))
    name = f"{record.topic}/{record.partition}/{record.offset}"
    try:
        image = _image(record, name, position, max_attributes_bytes)
    except Exception as error:  # noqa: BLE001 (untrusted input: anything may be wrong with it)
        image = Image(name, name, None, Unreadable(Reason.MALFORMED_EVENT, _sentence(error)), {}, position)
    return Event(
        image=image,
        key=record.key,
        partition=TopicPartition(record.topic, record.partition),
        offset=record.offset,
        timestamp_ms=record.timestamp,
    )


def _time(milliseconds: int | None) -> datetime | None:
    """A record's timestamp as a date; None if it has none, or one that is out of the calendar's range."""
    if milliseconds is None or milliseconds < 0:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def size_of(record: Any) -> int:
    """Bytes of a record's key, value and headers."""
    headers = sum(len(name) + len(value or b"") for name, value in record.headers or ())
    return len(record.key or b"") + len(record.value or b"") + headers


@dataclass(slots=True)
class _Envelope:
    """A record's content with its ids, content type and attributes."""

    event_id: str
    image_id: str
    content: bytes | Mapping[str, Any]
    content_type: str
    attributes: dict[str, JsonValue]


def _image(record: Any, name: str, position: Position, max_attributes_bytes: int) -> Image:
    envelope = _envelope(record, name)
    source: Source
    problem: Unreadable | None = None
    if isinstance(envelope.content, bytes) and not _is_json(envelope.content, envelope.content_type):
        source = Inline(envelope.content)
        if not envelope.content:
            problem = Unreadable(Reason.EMPTY_VALUE, "the record has no value")
    else:
        body = _body(envelope.content)
        source, problem = body.source()
        envelope.attributes |= body.attributes
        envelope.image_id = body.id or envelope.image_id
        if body.id and envelope.event_id == name:
            envelope.event_id = body.id
    size = len(_ATTRIBUTES.dump_json(envelope.attributes))
    if size > max_attributes_bytes:
        envelope.attributes = {}
        what = f"attributes of {size} bytes, images.max_attributes_bytes is {max_attributes_bytes}"
        problem = Unreadable(Reason.MALFORMED_EVENT, what)
    return Image(envelope.event_id, envelope.image_id, source, problem, envelope.attributes, position)


def _envelope(record: Any, name: str) -> _Envelope:
    headers = {key.lower(): value for key, value in record.headers or () if value is not None}
    content_type = headers.get("content-type", b"").decode("ascii", "replace").strip().lower()
    value = record.value or b""
    if not content_type.startswith(_CLOUD_EVENTS) and not any(header.startswith(CE_PREFIX) for header in headers):
        return _Envelope(name, _key_name(record.key) or name, value, content_type, {})
    cloud = _cloud_event(headers, value, content_type)
    event_id = _checked_id(cloud.get_id())
    return _Envelope(
        event_id,
        _checked_id(cloud.get_subject() or event_id),
        _cloud_data(cloud, value, content_type),
        (cloud.get_datacontenttype() or "").strip().lower(),
        {key: str(value) for key, value in cloud.get_attributes().items() if key not in _CORE},
    )


def _body(content: bytes | Mapping[str, Any]) -> Body:
    return Body.model_validate_json(content) if isinstance(content, bytes) else Body.model_validate(dict(content))


def _cloud_event(headers: Mapping[str, bytes], value: bytes, content_type: str) -> CloudEvent:
    """The CloudEvent, its id and version checked: the SDK would invent a missing id, a new one at each reading."""

    def strict(attributes: dict[str, Any], data: Any) -> CloudEvent:
        if attributes.get("specversion") != "1.0" or not attributes.get("id"):
            raise ValueError("a CloudEvent needs specversion 1.0 and an id")
        return CloudEvent(attributes, data)

    message = KafkaMessage(headers=dict(headers), key=None, value=value)
    read_event = from_structured if content_type.startswith(_CLOUD_EVENTS) else from_binary
    return read_event(message, JSONFormat(), strict)  # type: ignore[return-value]  # the factory makes CloudEvents


def _cloud_data(cloud: CloudEvent, value: bytes, content_type: str) -> bytes | Mapping[str, Any]:
    """The data of a CloudEvent: a record's value in binary mode, a member of the JSON document in structured mode."""
    if not content_type.startswith(_CLOUD_EVENTS):
        return value
    data = cloud.get_data()
    if data is None:
        return b""
    if isinstance(data, bytes | Mapping):
        return data
    raise ValueError("the data of a structured CloudEvent must be an object, or base64 in data_base64")


def _is_json(content: bytes, content_type: str) -> bool:
    """Is this a JSON object? The content type decides; without one, the first byte: no image format begins with it."""
    media = content_type.partition(";")[0].strip()
    if media:
        return media == "application/json" or media.endswith("+json")
    return content.lstrip()[:1] == b"{"


def _key_name(key: bytes | None) -> str | None:
    """The record's key as an image's name, if it is printable text."""
    try:
        text = (key or b"").decode()
    except UnicodeDecodeError:
        return None
    return text if 0 < len(text) <= MAX_ID and text.isprintable() else None


def _checked_id(text: str) -> str:
    if len(text) > MAX_ID:
        raise ValueError(f"an id of {len(text)} characters, {MAX_ID} are allowed")
    text.encode()  # a lone surrogate cannot be published
    return text


def _sentence(error: Exception) -> str:
    """One line that names the problem. It may quote a few characters of the record; it is used in its verdict only."""
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'value'}: {each['msg']}"[:200] for each in error.errors()[:3]
        )
    return f"{type(error).__name__}: {error}"[:200].encode("utf-8", "replace").decode()
