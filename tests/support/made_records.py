"""Records of the images topic, and the events that are read from them."""

import json
from types import SimpleNamespace

from consumer.events import read

PICTURE = b"\xff\xd8\xff\xe0 a picture"
NAME = "images/2/7"


def record(value, headers=(), key=b"key"):
    return SimpleNamespace(
        topic="images", partition=2, offset=7, key=key, value=value, headers=list(headers), timestamp=1_000
    )


def image(value, headers=(), key=b"key", max_attributes_bytes=1_000):
    return read(record(value, headers, key), max_attributes_bytes).image


def body(**members):
    return json.dumps(members).encode()


def cloud(**more):
    return {"specversion": "1.0", "id": "event-1", "source": "/shop", "type": "image.uploaded", **more}
