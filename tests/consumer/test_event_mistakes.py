"""What producers get wrong is understood where that is clear, and explained where it is not; what is huge is cheap."""

import base64
import json
import tracemalloc

import pytest
from made_records import NAME, PICTURE, body, cloud, image

from consumer.event_body import MAX_VALUES
from embedding.image import File, Inline, Reason


@pytest.mark.parametrize(
    "spelled",
    [
        lambda text: f"data:image/jpeg;base64,{text}",
        lambda text: f" DATA:image/svg+xml;charset=utf-8;BASE64,{text}\n",
        lambda text: "\r\n".join(text[start : start + 76] for start in range(0, len(text), 76)),
        lambda text: text.replace("+", "-").replace("/", "_"),
        lambda text: text.replace("+", "-").replace("/", "_").rstrip("="),
        lambda text: "data:;base64," + text.replace("+", "-").replace("/", "_").rstrip("="),
    ],
)
def test_common_spellings_of_base64_are_understood(spelled):
    picture = b"\xff\xd8\xfb\xef\xbe\xff" * 50 + b"?"
    text = spelled(base64.b64encode(picture).decode())
    assert image(body(id="x", data=text)).source == Inline(picture)
    structured = body(**cloud(), data_base64=text)
    assert image(structured, [("content-type", b"application/cloudevents+json")]).source == Inline(picture)


OBJECT = body(id="x", path="/a.jpg")


@pytest.mark.parametrize(
    ("value", "content_type", "says"),
    [
        (OBJECT, b"image/jpeg", "its content type is image/jpeg; send application/json, or none"),
        (OBJECT, b"application/octet-stream", "application/octet-stream; send application/json, or none"),
        (b' {\n "path": "/a"}', b"text/plain; charset=utf-8", "its content type is text/plain; send"),
        (b"\xef\xbb\xbf" + OBJECT, None, "begins with a byte order mark; send it without one"),
        (b"\xef\xbb\xbf" + OBJECT, b"application/json", "begins with a byte order mark; send it without one"),
        (OBJECT.decode().encode("utf-16"), None, "in UTF-16; send it in UTF-8"),
        (OBJECT.decode().encode("utf-16-be"), None, "in UTF-16; send it in UTF-8"),
        (PICTURE, b"application/json", "the content type says JSON, but the value is not a JSON object"),
        (b"[1]", b"application/json", "the content type says JSON, but the value is not a JSON object"),
        (body(**cloud(), data={"path": "a"}), None, "needs the content type application/cloudevents+json"),
        (b'{"id": "x", ', None, "is not valid JSON"),
    ],
)
def test_an_object_that_is_not_sent_as_one_says_how_to_send_it(value, content_type, says):
    problem = image(value, [("content-type", content_type)] if content_type else []).problem
    assert problem.reason is Reason.MALFORMED_EVENT
    assert says in problem.detail


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({}, "the event has no picture; it must have exactly one of data, path and url"),
        ({"path": None}, "the event has no picture; it must have exactly one of data, path and url"),
        ({"data": "AA==", "url": "u"}, "the event has 2 pictures (data, url); it must have exactly one of data, path"),
        ({"data": ["AA=="]}, "data must be text: the image's bytes in base64"),
        ({"path": 1, "url": {}}, "url must be text"),
    ],
)
def test_an_event_without_one_picture_keeps_its_id_and_its_attributes(members, says):
    taken = image(body(id="mine", attributes={"user": 7}, **members))
    assert (taken.event_id, taken.image_id, taken.attributes) == ("mine", "mine", {"user": 7})
    assert taken.problem.reason is Reason.MALFORMED_EVENT
    assert taken.problem.detail.startswith(says)


def test_what_is_valid_is_kept_when_something_else_is_not():
    taken = image(body(id=["x"], path="/a", attributes={"user": 7}))
    assert (taken.event_id, taken.source, taken.attributes) == (NAME, File("/a"), {"user": 7})
    assert taken.problem.detail == "id must be text of 1 to 1,024 characters, or a number"
    taken = image(body(id="mine", path="/a", attributes=[]))
    assert (taken.event_id, taken.source, taken.problem.detail) == ("mine", File("/a"), "attributes must be an object")


def test_a_cloudevent_whose_data_is_wrong_keeps_its_id():
    for data in ([1], "text", {"id": "x"}):
        taken = image(body(**cloud(tenant="t"), data=data), [("content-type", b"application/cloudevents+json")])
        assert (taken.event_id, taken.problem.reason) == ("event-1", Reason.MALFORMED_EVENT)


# What is large


@pytest.mark.parametrize("part", [b"1,", b"[],", b'{"a":1},', b'"a",', b'{"a":[{}]},'], ids=lambda part: part.decode())
@pytest.mark.parametrize("structured", [True, False])
def test_a_document_of_millions_of_values_is_refused_before_it_is_read(part, structured):
    huge = b"[" + part * (6_000_000 // len(part)) + b"1]"
    headers = [("content-type", b"application/cloudevents+json")] if structured else []
    start = json.dumps(cloud()).encode()[:-1] + b', "data": ' if structured else b'{"path": "a", "more": '
    tracemalloc.start()
    try:
        problem = image(start + huge + b"}", headers).problem
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "values; at most 100,000 are read" in problem.detail
    assert peak < 16_000_000  # the value itself, and its copy


def test_a_document_with_as_many_values_as_are_permitted_is_read():
    assert image(body(path="a", more=[1] * (MAX_VALUES - 10))).source == File("a")
