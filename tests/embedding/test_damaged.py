"""A damaged file is looked at as far as it can be decoded, as browsers show it, and marked."""

import struct
import zlib

import numpy as np
import pytest
from drawn import drawn, encoded
from hostile_made import chunk, png
from opening import reason_of, showing, views_of
from PIL import Image

from embedding.decode.decoder import decode
from embedding.image import Reason, Unreadable

KNOWN = drawn(1)


def cut(data, share):
    return data[: round(len(data) * share)]


def wrong_checksum():
    """A PNG in which the checksum of an ancillary chunk before the rows is wrong."""
    rows = b"".join(b"\0" + np.asarray(KNOWN)[row].tobytes() for row in range(KNOWN.height))
    broken = chunk(b"tEXt", b"k\0v")[:-4] + struct.pack(">I", 7)
    return png(*KNOWN.size, broken, chunk(b"IDAT", zlib.compress(rows)))


DAMAGED = {
    "JPEG without its last two bytes": encoded(KNOWN)[:-2],
    "cut JPEG": cut(encoded(KNOWN, quality=90), 0.97),
    "cut progressive JPEG": cut(encoded(KNOWN, quality=90, progressive=True), 0.7),
    "cut PNG": cut(encoded(KNOWN, "PNG"), 0.97),
    "PNG with a wrong checksum": wrong_checksum(),
    "cut WebP": cut(encoded(KNOWN, "WEBP", quality=90), 0.97),
    "cut GIF": cut(encoded(KNOWN, "GIF"), 0.97),
    "cut TIFF": cut(encoded(KNOWN, "TIFF"), 0.97),
    "cut BMP": cut(encoded(KNOWN, "BMP"), 0.97),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_left_of_a_damaged_file_is_looked_at_and_it_is_marked(name):
    found = views_of(DAMAGED[name])
    assert found.partly.reason is Reason.DAMAGED
    assert showing(found, KNOWN, 16)
    assert isinstance(decode(DAMAGED[name], 10**7), Unreadable)  # what is trusted must be whole


@pytest.mark.parametrize(
    "data",
    [
        cut(encoded(KNOWN), 0.05),
        encoded(KNOWN, "PNG")[:60],
        png(96, 64),
        png(96, 64, chunk(b"IDAT", b"nonsense")),
        cut(encoded(KNOWN, "WEBP"), 0.01),
        cut(encoded(KNOWN, "AVIF"), 0.5),
        cut(encoded(KNOWN, "GIF"), 0.01),
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"II*\0",
    ],
    ids=range(11),
)
def test_a_file_of_which_nothing_is_left_is_corrupt(data):
    assert reason_of(data) is Reason.CORRUPT


@pytest.mark.parametrize("form", ["GIF", "PNG"])
def test_of_a_cut_animation_the_frames_before_the_cut_are_looked_at(form):
    frames = [drawn(seed, 96, 72) for seed in range(6)]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
    found = views_of(cut(data, 0.6))
    assert found.partly.reason is Reason.DAMAGED
    assert showing(found, frames[0])
    assert showing(found, frames[1])


def test_a_damaged_later_page_is_not_passed_over_in_silence():
    pages = [KNOWN, Image.new("RGB", (96, 72), "red")]
    data = bytearray(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:], compression="tiff_lzw"))
    second = data.rindex(b"\x00\x01\x03\x00\x01\x00\x00\x00")  # ImageWidth of the second directory
    struct.pack_into("<H", data, second + 8, 0)
    found = views_of(bytes(data))
    assert found.partly.reason is Reason.DAMAGED
    assert showing(found, KNOWN)
