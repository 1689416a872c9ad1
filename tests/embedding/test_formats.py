"""Formats are recognised by their first bytes; phones' formats are decoded, or the verdict names the extra."""

import imagecodecs
import numpy as np
import pytest
from heic import SIDEWAYS, TWO_PICTURES
from opening import MAX_PIXELS, reason_of, views_of, wanted

from embedding import extras
from embedding.decode import optional
from embedding.decode.formats import signature, unsupported
from embedding.image import Reason
from embedding.views import look_into

SIGNATURES = {
    "JPEG": (b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xdb"),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "GIF": (b"GIF87a", b"GIF89a"),
    "BMP": (b"BM",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "WEBP": (b"RIFF\x24\0\0\0WEBPVP8 ",),
    "AVIF": (b"\0\0\0\x1cftypavif", b"\0\0\0\x1cftypavis", b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif"),
    "HEIC": (b"\0\0\0\x18ftypheic", b"\0\0\0\x18ftyphevx", b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic"),
    "JXL": (b"\xff\x0a\0", b"\0\0\0\x0cJXL \r\n\x87\n"),
    "SVG": (
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\xef\xbb\xbf <?xml version='1.0'?><!-- a comment --><!DOCTYPE svg><svg >",
        b"<svg:svg xmlns:svg='http://www.w3.org/2000/svg'>",
    ),
}
UNSUPPORTED = {
    b"%PDF-1.7": "PDF",
    b"8BPS\0\1": "PSD",
    b"\0\0\1\0\1\0": "ICO",
    b"\x1f\x8b\x08": "gzip",
    b"PK\3\4": "ZIP",
    b"%!PS-Adobe": "PostScript",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\0\0\0\x18ftypmp42": "MP4",
    b"\0\0\0\x18ftypxxxx": "ISO media",
    b"RIFF\0\0\0\0AVI LIST": "AVI",
    b"\x1a\x45\xdf\xa3": "WebM",
    b"P6\n1 1 255\n": "PNM",
    b"qoif": "QOI",
}


@pytest.mark.parametrize(("name", "start"), [(name, one) for name, starts in SIGNATURES.items() for one in starts])
def test_a_format_is_recognised_by_its_first_bytes(name, start):
    assert signature(start.ljust(64, b"\0")) == name
    assert signature(b" " + start.ljust(64, b"\0")) == ("SVG" if name == "SVG" else None)


@pytest.mark.parametrize("start", UNSUPPORTED)
def test_known_formats_that_are_not_decoded_are_named(start):
    data = start.ljust(200, b"\0")
    assert (signature(data), UNSUPPORTED[start] in unsupported(data)) == (None, True)
    found = look_into(data, wanted())
    assert (found.reason, UNSUPPORTED[start] in found.detail) == (Reason.UNSUPPORTED_FORMAT, True)


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"ftyp", b"RIFF", b"P9 1 1", b"<html><body>", b"<!doctype html>", b"\xff\xd8"]
)
def test_everything_else_is_unknown(data):
    assert (signature(data), unsupported(data)) == (None, "RIFF file" if data == b"RIFF" else None)


def test_all_pictures_of_a_heic_are_looked_at_upright():
    found = views_of(TWO_PICTURES)
    assert (found.format, found.size, found.frames) == ("HEIC", (64, 96), 2)
    assert [seen.frame for seen in found.views] == [0, 1]
    corners = [(seen.own.pixels[10, 10], seen.own.pixels[50, 80]) for seen in found.views]
    assert np.abs(np.int16(corners) - [[[200, 40, 40], [30, 60, 180]], [[55, 215, 215], [225, 195, 75]]]).max() < 4
    (turned,) = views_of(SIDEWAYS).views
    assert turned.own.size == (96, 64)
    assert np.abs(np.int16(turned.own.pixels[10, 50]) - [200, 40, 40]).max() < 4


def test_a_heic_is_bounded_and_a_cut_one_is_corrupt():
    assert reason_of(TWO_PICTURES, max_pixels=96 * 64 - 1) is Reason.TOO_MANY_PIXELS
    assert reason_of(TWO_PICTURES[:400]) is Reason.CORRUPT


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_jpeg_xl_is_decoded_to_the_pixels_that_were_saved(kind, channels):
    levels = np.arange(64 * 96 * channels, dtype=np.uint32).reshape(64, 96, channels) // 37 % 256
    if channels == 4:
        levels[..., 3] = 255
    full = {np.uint8: 1, np.uint16: 257, np.float32: 1 / 255}[kind]
    data = imagecodecs.jpegxl_encode((levels * full).astype(kind).squeeze(), lossless=True)
    found = views_of(data)
    assert (found.format, found.size, found.frames) == ("JXL", (64, 96), 1)
    expected = levels[..., :3] if channels > 1 else levels.repeat(3, axis=2)
    assert np.abs(found.views[0].own.pixels.astype(int) - expected).max() <= 1


def test_a_jpeg_xl_is_bounded_and_a_cut_one_is_corrupt():
    data = imagecodecs.jpegxl_encode(np.zeros((64, 96, 3), np.uint8))
    assert reason_of(data, max_pixels=96 * 64 - 1) is Reason.TOO_MANY_PIXELS
    assert reason_of(data[: len(data) // 2]) is Reason.CORRUPT


@pytest.mark.parametrize(("name", "data"), [("heic", TWO_PICTURES), ("jxl", b"\xff\x0a" + bytes(64))])
def test_without_its_extra_a_format_is_unsupported_and_the_extra_is_named(name, data, monkeypatch):
    assert extras.missing() == {}
    for module in (extras, optional):
        monkeypatch.setattr(module, "find_spec", lambda _: None)
    found = look_into(data, wanted(max_pixels=MAX_PIXELS))
    assert (found.reason, f"vigilens[{name}]" in found.detail) == (Reason.UNSUPPORTED_FORMAT, True)
    assert name in extras.missing().values()
