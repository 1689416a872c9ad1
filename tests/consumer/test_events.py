import base64
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from cloudevents.core.bindings.kafka import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from made_records import NAME, PICTURE, body, cloud, image, record

from consumer.event_body import MAX_ID
from consumer.events import read
from embedding.image import File, Inline, Position, Reason, Url


def test_a_plain_value_is_the_image_and_the_position_names_the_event():
    event = read(record(PICTURE), 1_000)
    assert event.image.source == Inline(PICTURE)
    assert (event.image.event_id, event.image.image_id) == (NAME, "key")
    assert (event.partition.partition, event.offset, event.key) == (2, 7, b"key")


@pytest.mark.parametrize("key", [None, b"", b"\xff\xfe", b"a\nb", b"k" * 2000])
def test_an_image_whose_key_is_no_printable_text_is_named_by_its_position(key):
    assert image(PICTURE, key=key).image_id == NAME


@pytest.mark.parametrize("value", [None, b""])
def test_a_record_without_a_value_has_the_reason_empty_value(value):
    assert image(value).problem.reason is Reason.EMPTY_VALUE


@pytest.mark.parametrize(
    ("member", "source"),
    [
        ({"data": base64.b64encode(PICTURE).decode()}, Inline(PICTURE)),
        ({"path": "/srv/a.jpg"}, File("/srv/a.jpg")),
        ({"url": "https://cdn.example/a.jpg"}, Url("https://cdn.example/a.jpg")),
    ],
)
def test_a_json_object_names_one_source_and_carries_its_attributes(member, source):
    taken = image(body(id="x1", attributes={"user": 7, "tags": ["a", None]}, **member))
    assert taken.source == source
    assert (taken.event_id, taken.image_id) == ("x1", "x1")
    assert taken.attributes == {"user": 7, "tags": ["a", None]}


def test_unknown_keys_are_ignored():
    assert image(body(id="x", path="a", trace="123")).source == File("a")


def test_a_number_as_id_becomes_text():
    assert image(body(id=17, path="a")).image_id == "17"


@pytest.mark.parametrize(
    "value",
    [
        b"{",
        b"{}",
        b'{"id": "x"}',
        body(id="x", path="a", url="https://b"),
        body(id="", path="a"),
        body(id=["x"], path="a"),
        body(id=True, path="a"),
        body(id="x" * (MAX_ID + 1), path="a"),
        body(id="x", path="a", attributes=[1]),
        body(id="x", path="a", attributes="no"),
        body(id="x", path="a", attributes={"a": "b" * 2000}),
        body(id="x", path=None),
        b'{"id": "x", "path": "a", "attributes": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
        b'{"id": "\\ud800", "path": "a"}',
        b'{"id": "x", "path": "a", "attributes": {"a": "\\ud800"}}',
        b'{"id": "x\xff", "path": "a"}',
        b'{"id": ' + b"9" * 10_000 + b', "path": "a"}',
        b'{"a": 1} trailing',
    ],
    ids=lambda value: repr(value[:40]),
)
def test_a_malformed_object_is_still_an_event_and_has_the_reason_malformed_event(value):
    taken = image(value)
    assert taken.problem.reason is Reason.MALFORMED_EVENT
    assert taken.problem.detail
    assert len(taken.problem.detail) < 700


@pytest.mark.parametrize(
    "data", ["%%%", "abc", "data:image/png,abcd", "data:;base64,%", "ab-+", "ab_/cd==", "aGVsbG8=\n!", "ä"]
)
def test_bad_base64_has_the_reason_bad_base64(data):
    assert image(body(id="x", data=data)).problem.reason is Reason.BAD_BASE64


def test_numbers_that_json_cannot_write_back_do_not_break_the_verdict():
    taken = image(b'{"id": "x", "path": "a", "attributes": {"a": NaN, "b": 1e999, "c": ' + b"9" * 100 + b"}}")
    assert taken.source == File("a") or taken.problem.reason is Reason.MALFORMED_EVENT


@pytest.mark.parametrize("content_type", ["image/jpeg", None, "application/octet-stream"])
def test_a_binary_cloudevent_with_a_picture(content_type):
    attributes = cloud(
        subject="picture-9", tenant="shop-4", **({"datacontenttype": content_type} if content_type else {})
    )
    message = to_binary_event(CloudEvent(attributes, PICTURE))
    taken = image(message.value, message.headers.items())
    assert taken.source == Inline(PICTURE)
    assert (taken.event_id, taken.image_id) == ("event-1", "picture-9")
    assert taken.attributes == {"tenant": "shop-4"}


def test_a_binary_cloudevent_with_a_json_object():
    message = to_binary_event(CloudEvent(cloud(datacontenttype="application/json"), {"id": "pic", "path": "a.png"}))
    taken = image(message.value, message.headers.items())
    assert taken.source == File("a.png")
    assert (taken.event_id, taken.image_id) == ("event-1", "pic")


@pytest.mark.parametrize("data", [PICTURE, {"id": "pic", "url": "https://cdn.example/1"}])
def test_a_structured_cloudevent_with_a_picture_or_an_object(data):
    message = to_structured_event(CloudEvent(cloud(subject="s"), data))
    taken = image(message.value, message.headers.items())
    assert taken.event_id == "event-1"
    assert taken.source == (Inline(PICTURE) if isinstance(data, bytes) else Url("https://cdn.example/1"))
    assert taken.image_id == ("s" if isinstance(data, bytes) else "pic")


@pytest.mark.parametrize("missing", ["id", "source", "type", "specversion"])
@pytest.mark.parametrize("structured", [True, False])
def test_a_cloudevent_without_a_required_attribute_is_malformed_and_named_by_its_position(missing, structured):
    attributes = {key: value for key, value in cloud().items() if key != missing}
    if structured:
        taken = image(body(**attributes, data={"path": "a"}), [("content-type", b"application/cloudevents+json")])
    else:
        taken = image(PICTURE, [(f"ce_{key}", value.encode()) for key, value in attributes.items()])
    assert taken.problem.reason is Reason.MALFORMED_EVENT
    assert taken.event_id == NAME


@pytest.mark.parametrize(
    "headers",
    [
        [("ce_specversion", b"0.3"), ("ce_id", b"1"), ("ce_source", b"/a"), ("ce_type", b"t")],
        [("ce_specversion", b"\xff")],
        [("ce_", b"")],
        [("ce_specversion", b"1.0"), ("ce_id", b"x" * 5000), ("ce_source", b"/a"), ("ce_type", b"t")],
        [("content-type", b"application/cloudevents-batch+json")],
        [("content-type", b"application/cloudevents+json")],
        [("content-type", b"application/json")],
    ],
)
def test_odd_headers_never_raise(headers):
    assert image(PICTURE, headers).problem.reason is Reason.MALFORMED_EVENT


@pytest.mark.parametrize("headers", [None, [("content-type", b"\xff\xfe")], [("x", None)], [("", b"")]])
def test_a_picture_with_headers_that_we_do_not_know_is_still_a_picture(headers):
    taken = read(SimpleNamespace(**{**vars(record(PICTURE)), "headers": headers}), 1_000).image
    assert taken.source == Inline(PICTURE)


def test_the_source_is_kept_when_the_event_is_refused_for_another_reason():
    taken = image(body(id="x", url="https://cdn.example/1", attributes={"a": "b" * 2000}))
    assert (taken.source, taken.problem.reason) == (Url("https://cdn.example/1"), Reason.MALFORMED_EVENT)
    assert image(b"{").source is None


@pytest.mark.parametrize(
    ("milliseconds", "time"),
    [(1_000, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)), (None, None), (-1, None), (10**17, None), (10**30, None)],
)
def test_the_position_has_the_records_time_if_it_is_a_valid_date(milliseconds, time):
    given = SimpleNamespace(**{**vars(record(PICTURE)), "timestamp": milliseconds})
    assert read(given, 1_000).image.position == Position("images", 2, 7, time)
