"""Requests and answers between the service and its decoder processes, as JSON and arrays of bytes.

A hostile file may take over its decoder process, so an answer is as untrusted as the file. It is never unpickled, and
every number is checked.

    8 bytes   length of the body, and 4 bytes length of the head; both little-endian
    head      JSON: the request's fields, or what was found, with the shapes of the arrays in the body
    body      the file's bytes, or the arrays one after the other
"""

import json
import math
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from embedding.image import Reason, Unreadable
from embedding.local.keypoints import DESCRIPTOR_BYTES, MAX_KEYPOINTS, Keypoints
from embedding.picture import NEGATIVE_READING, UNSTRETCHED_READING, WHOLE, Hash, Looked, Needs, Prepared, Seen, Wanted

MEMORY = "memory"  # in the head of an answer: the file asks for too much of it
MESSAGE_BYTES = 4096  # of a question to the spawner, and of its answer

_LENGTHS = struct.Struct("<QI")
_MOST_HEAD = 1 << 20  # bytes
_MOST_FRAMES = 10_000
_MOST_PIXELS = 1 << 31  # of a side, and so of windows along it
_HASH_BITS = 256
_MOST_DETAIL = 500  # characters
_BY_CORNERS = frozenset({UNSTRETCHED_READING, NEGATIVE_READING})  # views that only have keypoints
_READINGS = _BY_CORNERS | {"plain", "on_black", "without_profile"}
_FORMATS = frozenset({"JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "HEIC", "JXL", "SVG"})

Number = TypeVar("Number", bound=np.generic)


class BadAnswer(Exception):  # noqa: N818 (named after what it is)
    """Bytes that are no answer of ours: the decoder process is broken, or taken over."""


class Closed(Exception):  # noqa: N818 (named after what happened)
    """The other side is gone."""


def send(to: socket.socket, head: Mapping[str, Any], body: Iterable[Any], *, until: float | None = None) -> None:
    """Send one message. `until`: by the monotonic clock.

    Raises:
        Closed, TimeoutError.
    """
    buffers = [memoryview(part).cast("B") for part in body if len(part)]
    text = json.dumps(head).encode()
    start = _LENGTHS.pack(sum(map(len, buffers)), len(text)) + text
    try:
        for part in (memoryview(start), *buffers):
            to.settimeout(None if until is None else max(0.001, until - time.monotonic()))
            to.sendall(part)
    except (BrokenPipeError, ConnectionResetError) as error:
        raise Closed from error


def receive(
    origin: socket.socket, *, until: float | None = None, most: int = 1 << 40
) -> tuple[dict[str, Any], bytearray]:
    """Receive one message: its head and its body.

    Args:
        origin: the other side.
        until: by the monotonic clock.
        most: bytes of the body.

    Raises:
        Closed, TimeoutError, BadAnswer.
    """
    length, head_length = _LENGTHS.unpack(_exactly(origin, _LENGTHS.size, until))
    if length > most or head_length > _MOST_HEAD:
        raise BadAnswer("too long")
    try:
        head = json.loads(_exactly(origin, head_length, until))
    except (ValueError, RecursionError) as error:
        raise BadAnswer("the head is not JSON") from error
    if not isinstance(head, dict):
        raise BadAnswer("the head is not an object")
    return head, _exactly(origin, length, until)


def _exactly(origin: socket.socket, length: int, until: float | None) -> bytearray:
    found = bytearray(length)
    at, view = 0, memoryview(found)
    while at < length:
        origin.settimeout(None if until is None else max(0.001, until - time.monotonic()))
        try:
            number = origin.recv_into(view[at:])
        except ConnectionResetError as error:
            raise Closed from error
        if not number:
            raise Closed
        at += number
    return found


def of_wanted(wanted: Wanted) -> dict[str, Any]:
    """The head of a request."""
    return asdict(wanted)


def to_wanted(head: Mapping[str, Any]) -> Wanted:
    """The request of a head."""
    return Wanted(**{**head, "needs": Needs(**head["needs"])})


def of_looked(found: Looked | Unreadable) -> tuple[dict[str, Any], list[Any]]:
    """Head and body of an answer."""
    if isinstance(found, Unreadable):
        return {"unreadable": _of_reason(found)}, []
    body: list[Any] = []
    views = [
        {
            "frame": seen.frame,
            "box": seen.box,
            "reading": seen.reading,
            "own": _of_prepared(seen.own, body),
            "mirror": _of_prepared(seen.mirror, body) if seen.mirror else None,
            "second": seen.second,
        }
        for seen in found.views
    ]
    facts = {"format": found.format, "size": found.size, "frames": found.frames, "judged": found.frames_judged}
    partly = _of_reason(found.partly) if found.partly else None
    return {**facts, "views": views, "unseen_windows": found.unseen_windows, "partly": partly}, body


def _of_reason(problem: Unreadable) -> list[str]:
    return [problem.reason.value, problem.detail]


def _of_prepared(one: Prepared, body: list[Any]) -> dict[str, Any]:
    head: dict[str, Any] = {"size": one.size}
    if (found := one.keypoints) is not None:
        head |= {"keypoints": len(found), "width": found.width, "height": found.height}
        strong = np.ones(len(found), np.uint8) if found.strong is None else found.strong.astype(np.uint8)
        body += [
            np.ascontiguousarray(part) for part in (found.points, found.angles, found.scales, found.descriptors, strong)
        ]
    if one.hash is not None:
        head["quality"] = one.hash.quality
        body.append(one.hash.bits.astype(np.uint8))
    if one.pixels is not None:
        head["pixels"] = one.pixels.shape[:2]
        body.append(np.ascontiguousarray(one.pixels))
    return head


def to_looked(head: Mapping[str, Any], body: bytearray, wanted: Wanted) -> Looked | Unreadable:
    """The answer of a message, checked against the request.

    Raises:
        BadAnswer: it is none.
    """
    try:
        if "unreadable" in head:
            return _to_reason(head["unreadable"])
        reader = _Reader(body, wanted)
        views = tuple(_to_seen(each, reader) for each in head["views"])
        if not 0 < len(views) <= max(1, wanted.max_views) or views[0].second or reader.left:
            raise BadAnswer("another number of views or arrays")
        frames = _within(head["frames"], 1, _MOST_FRAMES)
        judged = tuple(_within(each, 0, frames - 1) for each in head["judged"])
        if len(set(judged)) < len(judged) or not {seen.frame for seen in views} <= set(judged):
            raise BadAnswer("other frames")
        if head["format"] not in _FORMATS:
            raise BadAnswer("no such format")
        return Looked(
            format=head["format"],
            size=_size(head["size"]),
            frames=frames,
            views=views,
            frames_judged=judged,
            unseen_windows=_within(head["unseen_windows"], 0, _MOST_PIXELS),
            partly=_to_reason(head["partly"]) if head["partly"] else None,
        )
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise BadAnswer(type(error).__name__) from error


class _Reader:
    """Reads arrays from a body, one after the other."""

    def __init__(self, body: bytearray, wanted: Wanted) -> None:
        self._body, self._at, self.wanted = body, 0, wanted

    @property
    def left(self) -> int:
        return len(self._body) - self._at

    def floats(self, *shape: int) -> NDArray[np.float32]:
        found = self._next(np.dtype(np.float32), shape)
        if not np.isfinite(found).all():
            raise BadAnswer("not a number")
        return found

    def values(self, *shape: int) -> NDArray[np.uint8]:
        return self._next(np.dtype(np.uint8), shape)

    def _next(self, kind: "np.dtype[Number]", shape: tuple[int, ...]) -> "NDArray[Number]":
        number = math.prod(shape)
        if number * kind.itemsize > self.left:
            raise BadAnswer("too short")
        found = np.frombuffer(self._body, kind, number, self._at).reshape(shape)
        self._at += number * kind.itemsize
        return found.copy()  # so that corners do not keep pixels in memory


def _to_seen(head: Mapping[str, Any], reader: _Reader) -> Seen:
    left, top, right, bottom = (float(each) for each in head["box"])
    box, reading, second = (left, top, right, bottom), head["reading"], head["second"]
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1) or reading not in _READINGS or type(second) is not bool:
        raise BadAnswer("no such view")
    needs, by_corners = reader.wanted.needs, reading in _BY_CORNERS
    if not second <= needs.keypoints or not by_corners <= (second and box == WHOLE):
        raise BadAnswer("no such second look")
    needs = Needs(keypoints=True) if by_corners else needs
    own = _to_prepared(head["own"], reader, needs)
    mirror = _to_prepared(head["mirror"], reader, needs) if needs.mirror else None
    return Seen(_within(head["frame"], 0, _MOST_FRAMES), box, reading, own, mirror, second)


def _to_prepared(head: Mapping[str, Any], reader: _Reader, needs: Needs) -> Prepared:
    keypoints = _to_keypoints(head, reader) if needs.keypoints else None
    found = None
    if needs.hash:
        quality = _within(head["quality"], 0, 100)
        found = Hash(reader.values(_HASH_BITS).astype(np.bool_), quality)
    pixels = None
    if needs.pixels:
        height, width = _size(head["pixels"])
        pixels = reader.values(height, width, 3)
    return Prepared(_size(head["size"]), keypoints, found, pixels)


def _to_keypoints(head: Mapping[str, Any], reader: _Reader) -> Keypoints:
    number = _within(head["keypoints"], 0, MAX_KEYPOINTS)
    width, height = float(head["width"]), float(head["height"])
    points, angles, scales = reader.floats(number, 2), reader.floats(number), reader.floats(number)
    if not (0 < width <= 1 and 0 < height <= 1) or (number and not (scales.min() > 0 and abs(points).max() <= 2)):  # noqa: PLR2004 (a little outside at most)
        raise BadAnswer("no such corners")
    descriptors, strong = reader.values(number, DESCRIPTOR_BYTES), reader.values(number)
    return Keypoints(points, descriptors, angles, scales, width, height, strong.astype(np.bool_))


def _to_reason(pair: Any) -> Unreadable:
    reason, detail = pair
    if not isinstance(detail, str) or not detail.isprintable() or len(detail) > _MOST_DETAIL:
        raise BadAnswer("no such detail")  # for example half of a character, which no verdict could hold
    return Unreadable(Reason(reason), detail)


def _size(pair: Any) -> tuple[int, int]:
    height, width = pair
    return _within(height, 1, _MOST_PIXELS), _within(width, 1, _MOST_PIXELS)


def _within(value: Any, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise BadAnswer(f"{value!r:.20} is not within {least} and {most}")
    return value
