"""An answer of a decoder process is as untrusted as its file: it is what was asked for, or a BadAnswer."""

import json
import socket
import struct
from copy import deepcopy

import cv2
import numpy as np
import pytest
from detailed import detailed
from drawn import encoded
from opening import flat, wanted
from PIL import Image

from embedding.image import Reason, Unreadable
from embedding.picture import Looked, Needs
from embedding.processes import wire
from embedding.views import look_into

WANTED = wanted(3, Needs(keypoints=True, hash=True, pixels=True, mirror=True))
MOST = 1 << 26


@pytest.fixture(scope="module")
def good():
    """Head and body of a good answer with three views."""
    frames = [Image.fromarray(detailed(seed)).resize((120, 90)) for seed in (1, 2, 3)]
    data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    found = look_into(data, WANTED)
    head, body = wire.of_looked(found)
    return found, json.loads(json.dumps(head)), b"".join(np.ascontiguousarray(part).tobytes() for part in body)


def sent(*data):
    """What `receive` makes of these bytes, after which the other side is gone."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
            theirs.setblocking(False)
            theirs.sendall(b"".join(data))
        return wire.receive(ours, most=MOST)


def message(head, body=b""):
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack("<QI", len(body), len(text)) + text + body


def test_an_answer_comes_back_as_it_was(good):
    found, head, body = good
    assert len(found.views) == 3
    assert flat(wire.to_looked(head, bytearray(body), WANTED)) == flat(found)
    why = Unreadable(Reason.CORRUPT, "the file is damaged (OSError)")
    assert wire.to_looked(wire.of_looked(why)[0], bytearray(), WANTED) == why


def test_a_request_comes_back_as_it_was():
    assert wire.to_wanted(json.loads(json.dumps(wire.of_wanted(WANTED)))) == WANTED


VIEW = ("views", 0)
HUGE = 10**400
NAN = float("nan")
FORGED = {
    ("format",): ("EXE", "\ud800", None, ["JPEG"], 7),
    ("size",): ([0, 1], [1, 2**31 + 1], [1.5, 2], [True, 1], [1], [1, 2, 3], "ab", None, [NAN, 1], [HUGE, 1]),
    ("frames",): (0, -1, 10_001, 2, True, "3", None, 3.0, HUGE),
    ("judged",): ([0, 1], [0, 1, 3], [0, 1, 2, 2], [-1, 0, 1, 2], {}, None, "012", [[0], 1, 2]),
    ("unseen_windows",): (-1, 2**31 + 1, 0.5, None),
    ("partly",): (
        *(["damaged"], ["no such reason", ""], ["damaged", 7], 7),
        *(["damaged", detail] for detail in ("\ud800", "\n", "x" * 501)),
    ),
    ("views",): ([], None, {}, "ab", [None], [[]], 3),
    (*VIEW, "frame"): (-1, 3, HUGE, "0", None, False),
    (*VIEW, "box"): ([0, 0, 0, 1], [0, 0, 1, 1.1], [-0.1, 0, 1, 1], [NAN, 0, 1, 1], [0, 0, HUGE, 1], [0, 0, 1], "abcd"),
    (*VIEW, "reading"): ("other", None, ["plain"]),
    (*VIEW, "own"): (None, [], {}, 7),
    (*VIEW, "second"): (True, None, 1, 0, "false", []),  # the first view is no second look
    ("views", 1, "second"): (None, 1, 0, "true"),
}
PREPARED = {
    "size": ([0, 0],),
    "keypoints": (-1, 1, 100_000, 0.0),
    "width": (0, 1.1),
    "height": (float("inf"), HUGE),
    "quality": (101, -1),
    "pixels": ([1, 1], [2**31, 2**31], [2**31 - 1, 1], [-1, -1], None),
}
for where in ((*VIEW, "own"), ("views", 1, "mirror")):
    FORGED |= {(*where, key): values for key, values in PREPARED.items()}


@pytest.mark.parametrize(
    ("path", "value"), [(path, value) for path, values in FORGED.items() for value in values], ids=str
)
def test_a_forged_value_is_refused(good, path, value):
    _, head, body = good
    forged = deepcopy(head)
    place = forged
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(wire.BadAnswer):
        wire.to_looked(forged, bytearray(body), WANTED)


def answer(pixels, needs, most=12):
    """What was found in a picture, and head and body of the answer."""
    found = look_into(encoded(Image.fromarray(pixels), "PNG"), wanted(most, needs))
    head, body = wire.of_looked(found)
    return found, json.loads(json.dumps(head)), b"".join(np.ascontiguousarray(part).tobytes() for part in body)


def with_a_picture_on_it():
    whole = cv2.resize(detailed(101), (480, 240))
    whole[60:204, 90:282] = cv2.resize(detailed(1), (192, 144))
    return whole


def test_second_looks_come_back_as_they_were():
    found, head, body = answer(with_a_picture_on_it(), WANTED.needs)
    assert [seen.reading for seen in found.views] == ["plain", "plain", "unstretched", "negative"]
    assert [seen.second for seen in found.views] == [False, True, True, True]
    assert [seen.own.has(WANTED.needs) for seen in found.views] == [True, True, False, False]
    assert flat(wire.to_looked(head, bytearray(body), wanted(needs=WANTED.needs))) == flat(found)


@pytest.mark.parametrize(
    ("view", "forged"),
    [
        (0, {"reading": "negative"}),
        (0, {"second": True}),
        (0, {"reading": "unstretched", "second": True}),
        (1, {"box": [0.2, 0.2, 1.2, 0.8]}),
        (1, {"box": [0.8, 0.2, 0.2, 0.8]}),
        (1, {"second": "yes"}),
        (1, {"reading": "negative"}),
        (2, {"box": [0, 0, 0.5, 1]}),
        (3, {"box": [0, 0, 0.5, 1]}),
        (3, {"second": False}),
        (3, {"second": 1}),
        (3, {"reading": "plain"}),
        (3, {"reading": "on_black"}),
        (3, {"frame": 1}),
        (3, {"own": {"size": [9, 9]}}),
    ],
    ids=str,
)
def test_forged_second_looks_are_refused(view, forged):
    _, head, body = answer(with_a_picture_on_it(), WANTED.needs)
    head["views"][view] |= forged
    with pytest.raises(wire.BadAnswer):
        wire.to_looked(head, bytearray(body), wanted(needs=WANTED.needs))


@pytest.mark.parametrize("needs", [Needs(hash=True), Needs(pixels=True)], ids=["hash", "pixels"])
def test_second_looks_that_nobody_asked_for_are_refused(needs):
    """Only encoders and checks that work on keypoints have them."""
    found, head, body = answer(with_a_picture_on_it(), needs)
    assert len(found.views) == 1
    again = {**head["views"][0], "second": True}
    with pytest.raises(wire.BadAnswer):
        wire.to_looked({**head, "views": [*head["views"], again]}, bytearray(body * 2), wanted(needs=needs))
    assert wire.to_looked({**head, "views": head["views"] * 2}, bytearray(body * 2), wanted(needs=needs))
    corners, with_them, arrays = answer(with_a_picture_on_it(), Needs(keypoints=True))
    assert corners.views[-1].reading == "negative"
    last = len(corners.views[-1].own.keypoints) * (2 * 4 + 4 + 4 + 32)
    for forged in (with_them["views"][-1], {**with_them["views"][-1], "second": False}):
        with pytest.raises(wire.BadAnswer):
            wire.to_looked(
                {**head, "views": [*head["views"], forged]}, bytearray(body + arrays[-last:]), wanted(needs=needs)
            )


def test_second_looks_beyond_the_number_of_views_that_was_asked_for_are_refused():
    _, head, body = answer(with_a_picture_on_it(), WANTED.needs)
    for most in (1, 2, 3):
        with pytest.raises(wire.BadAnswer):
            wire.to_looked(head, bytearray(body), wanted(most, WANTED.needs))


@pytest.mark.parametrize("key", ["format", "size", "frames", "judged", "unseen_windows", "partly", "views"])
def test_a_missing_value_is_refused(good, key):
    _, head, body = good
    with pytest.raises(wire.BadAnswer):
        wire.to_looked({name: value for name, value in head.items() if name != key}, bytearray(body), WANTED)


def test_more_or_fewer_bytes_or_views_than_were_asked_for_are_refused(good):
    _, head, body = good
    for changed in (body + b"\0", body[:-1], b""):
        with pytest.raises(wire.BadAnswer):
            wire.to_looked(head, bytearray(changed), WANTED)
    with pytest.raises(wire.BadAnswer):
        wire.to_looked(head, bytearray(body), wanted(2, WANTED.needs))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 1e30, -3.0])
def test_corners_that_are_no_numbers_or_far_outside_are_refused(good, number):
    _, head, body = good
    forged = bytearray(body)
    struct.pack_into("<f", forged, 0, number)  # the first array has the positions of corners
    with pytest.raises(wire.BadAnswer):
        wire.to_looked(head, forged, WANTED)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 64,
        struct.pack("<QI", 1 << 63, 2) + b"{}",
        struct.pack("<QI", MOST + 1, 2) + b"{}",
        struct.pack("<QI", 0, 1 << 31),
        message(b"no JSON"),
        message(b"[]"),
        message(b"7"),
        message(b""),
        message(b"\xff\xfe{}"),
        message(b"[" * 100_000),
        message(b'{"frames": ' + b"9" * 5_000 + b"}"),
    ],
)
def test_garbage_is_refused_before_memory_is_taken_for_it(data):
    with pytest.raises(wire.BadAnswer):
        sent(data)


@pytest.mark.parametrize("end", [0, 5, 12, 40, -1])
def test_a_message_that_ends_too_early_says_that_the_other_side_is_gone(good, end):
    _, head, body = good
    with pytest.raises(wire.Closed):
        sent(message(head, body)[:end])


def test_no_random_change_of_an_answer_raises_any_other_error(good, rng):
    _, head, body = good
    text = json.dumps(head).encode()
    refused = 0
    for _ in range(400):
        forged = bytearray(message(text, body))
        for _ in range(rng.choice((1, 1, 2, 8))):
            forged[rng.randrange(12 + len(text) + 2_000)] = rng.choice(
                b'0129-.eE"[]{},:nN' + bytes([rng.randrange(256)])
            )
        try:
            found = wire.to_looked(*sent(bytes(forged)), WANTED)
        except (wire.BadAnswer, wire.Closed):
            refused += 1
            continue
        assert isinstance(found, Looked)
        assert len(found.frames_judged) <= found.frames
    assert 50 < refused < 400
