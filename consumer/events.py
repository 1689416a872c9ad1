"""A record of the input topic → an image to judge. Whatever a record holds, it becomes exactly one event.

The forms, tried in this order (docs/events.md): CloudEvents 1.0 in binary mode (`ce_` headers) and structured mode
(content-type application/cloudevents+json), a JSON object, an image's bytes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cloudevents.core.bindings.kafka import CE_PREFIX, KafkaMessage, from_binary
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from kafka import TopicPartition
from pydantic import JsonValue, TypeAdapter

from consumer import trace_context
from consumer.batch import Event
from consumer.event_body import MAX_ID, Malformed, decoded, parse, read_body
from consumer.record_batches import Refused
from embedding.image import Image, Inline, Position, Reason, Source, Unreadable

_CLOUD_EVENTS = "application/cloudevents"
_CORE = {"id", "source", "type", "specversion", "datacontenttype", "dataschema", "subject", "time"}
_ATTRIBUTES = TypeAdapter(dict[str, JsonValue])
# How JSON objects begin, and no image. The second: behind a byte order mark of UTF-8. The third: in UTF-16.
_OBJECT = re.compile(rb'\s*\{\s*["}]')
_MARKED = re.compile(rb"\xef\xbb\xbf\s*\{")
_UTF_16 = re.compile(rb"\xff\xfe\{\0|\xfe\xff\0\{|\{\0|\0\{")


def read(record: Any, max_attributes_bytes: int) -> Event:
    """The event in a record of kafka-python (ConsumerRecord). Never raises, whatever the record holds.

    Args:
        record: key and value are bytes or None; headers a sequence of (str, bytes or None).
        max_attributes_bytes: cap on the attributes as JSON; an event with more is malformed.
    """
    name = f"{record.topic}/{record.partition}/{record.offset}"
    found = _Found(name, name, name)
    problem: Unreadable | None
    try:
        problem = _find(found, record, max_attributes_bytes)
    except Malformed as error:
        problem = Unreadable(error.reason, _sentence(str(error)))
    except Exception as error:  # noqa: BLE001 (untrusted input: anything may be wrong with it)
        problem = Unreadable(Reason.MALFORMED_EVENT, _sentence(f"{type(error).__name__}: {error}"))
    position = Position(record.topic, record.partition, record.offset, _time(record.timestamp))
    return Event(
        image=Image(found.event_id, found.image_id, found.source, problem, found.attributes, position),
        key=record.key,
        partition=TopicPartition(record.topic, record.partition),
        offset=record.offset,
        timestamp_ms=record.timestamp,
        trace=_trace(record, found.attributes),
    )


def _trace(record: Any, attributes: Mapping[str, JsonValue]) -> trace_context.TraceContext | None:
    """The trace in the record's headers, or else in the attributes of a CloudEvent; None if it names none."""
    names = (trace_context.PARENT, trace_context.STATE)
    headers = {key.lower(): value for key, value in record.headers or ()}
    return trace_context.read(*map(headers.get, names)) or trace_context.read(*map(attributes.get, names))


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
class _Found:
    """What is known about an event. What turns out to be wrong later does not take it away."""

    name: str  # topic/partition/offset
    event_id: str
    image_id: str
    source: Source | None = None
    attributes: dict[str, JsonValue] = field(default_factory=dict)


def _find(found: _Found, record: Any, max_attributes_bytes: int) -> Unreadable | None:
    """Fill in `found`; return why the image is unreadable if that is known already.

    Raises:
        Exception: the event is malformed.
    """
    if isinstance(record.value, Refused):
        found.image_id = _key_name(record.key) or found.name
        return record.value.problem
    headers = {key.lower(): value for key, value in record.headers or () if value is not None}
    content_type = headers.get("content-type", b"").decode("ascii", "replace").strip().lower()
    content: bytes | Mapping[str, Any] = record.value or b""
    attributes: dict[str, JsonValue] = {}
    if content_type.startswith(_CLOUD_EVENTS):
        content, content_type, attributes = _structured(found, record.value or b"")
    elif any(header.startswith(CE_PREFIX) for header in headers):
        content_type, attributes = _cloud_attributes(found, _binary(headers))
    else:
        found.image_id = _key_name(record.key) or found.name
    if isinstance(content, bytes) and not _is_json(content, content_type):
        found.source = Inline(content)
        found.attributes = _limited(attributes, max_attributes_bytes)
        return None if content else Unreadable(Reason.EMPTY_VALUE, "the record has no value")
    document = parse(content) if isinstance(content, bytes) else content
    return _find_in_object(found, document, attributes, max_attributes_bytes)


def _find_in_object(
    found: _Found, document: Mapping[str, Any], attributes: dict[str, JsonValue], max_attributes_bytes: int
) -> Unreadable | None:
    body, mistakes = read_body(document)
    found.image_id = body.id or found.image_id
    if body.id and found.event_id == found.name:
        found.event_id = body.id
    found.source, problem = body.source()
    found.attributes = _limited(attributes | body.attributes, max_attributes_bytes)
    if mistakes:
        raise Malformed("; ".join(mistakes))
    return problem


def _limited(attributes: dict[str, JsonValue], most: int) -> dict[str, JsonValue]:
    size = len(_ATTRIBUTES.dump_json(attributes))
    if size > most:
        raise Malformed(f"attributes of {size} bytes, images.max_attributes_bytes is {most}")
    return attributes


def _strict(attributes: dict[str, Any], _: Any = None) -> CloudEvent:
    """The CloudEvent, its id and version checked: the SDK would invent a missing id, a new one at each reading."""
    if attributes.get("specversion") != "1.0" or not attributes.get("id"):
        raise Malformed("a CloudEvent needs specversion 1.0 and an id")
    try:
        return CloudEvent(attributes)
    except CloudEventValidationError as error:
        names = ", ".join(sorted(error.errors))
        raise Malformed(f"these attributes of the CloudEvent are missing or not valid: {names}"[:200]) from error


def _binary(headers: Mapping[str, bytes]) -> Any:
    """The CloudEvent in the headers. The SDK does not get the record's value, which it would parse."""
    try:
        return from_binary(KafkaMessage(headers=dict(headers), key=None, value=b""), JSONFormat(), _strict)
    except ValueError as error:
        raise Malformed(f"a header of the CloudEvent is not valid: {error}") from error


def _cloud_attributes(found: _Found, cloud: Any) -> tuple[str, dict[str, JsonValue]]:
    """Fill in the ids of a CloudEvent; return its data's content type and its extension attributes."""
    found.event_id = found.image_id = _checked_id(cloud.get_id())
    found.image_id = _checked_id(cloud.get_subject() or found.event_id)
    extensions: dict[str, JsonValue] = {
        key: str(value) for key, value in cloud.get_attributes().items() if key not in _CORE
    }
    return str(cloud.get_datacontenttype() or "").strip().lower(), extensions


def _structured(found: _Found, value: bytes) -> tuple[bytes | Mapping[str, Any], str, dict[str, JsonValue]]:
    """A structured CloudEvent: its data, the data's content type, its extension attributes; fills in its ids."""
    document = parse(value)
    data, data_base64 = document.pop("data", None), document.pop("data_base64", None)
    if isinstance(document.get("time"), str):
        try:
            document["time"] = datetime.fromisoformat(document["time"])
        except ValueError:
            raise Malformed("the time of the CloudEvent is not valid") from None
    content_type, attributes = _cloud_attributes(found, _strict(document))
    if isinstance(data, Mapping):
        return data, content_type, attributes
    if data is None and isinstance(data_base64, str):
        return decoded(data_base64, "data_base64"), content_type, attributes
    if data is None and data_base64 is None:
        return b"", content_type, attributes
    raise Malformed("the data of a structured CloudEvent must be an object in data, or base64 in data_base64")


def _is_json(content: bytes, content_type: str) -> bool:
    """Is this a JSON object? The content type decides; without one, the first byte: no image format begins with it.

    Raises:
        Malformed: it is one, but not as we read them.
    """
    media = content_type.partition(";")[0].strip()
    if _MARKED.match(content):
        raise Malformed("the JSON object begins with a byte order mark; send it without one")
    if _UTF_16.match(content):
        raise Malformed("this seems to be a JSON object in UTF-16; send it in UTF-8")
    if not media:
        return content.lstrip()[:1] == b"{"
    if media == "application/json" or media.endswith("+json"):
        return True
    if _OBJECT.match(content):
        raise Malformed(
            f"the value is a JSON object, but its content type is {media[:80]}; send application/json, or none"
        )
    return False


def _key_name(key: bytes | None) -> str | None:
    """The record's key as an image's name, if it is printable text."""
    try:
        text = (key or b"").decode()
    except UnicodeDecodeError:
        return None
    return text if 0 < len(text) <= MAX_ID and text.isprintable() else None


def _checked_id(text: str) -> str:
    if len(text) > MAX_ID:
        raise Malformed(f"an id of {len(text):,} characters; {MAX_ID:,} are allowed")
    text.encode()  # a lone surrogate cannot be published
    return text


def _sentence(text: str) -> str:
    """One line that can be published. It may quote a few characters of the record; it is used in its verdict only."""
    return text[:300].encode("utf-8", "replace").decode()
