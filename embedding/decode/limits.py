"""Files that are small, but as costly to decode as huge ones, are refused by their structure. Pure."""

from dataclasses import dataclass

import numpy as np

from embedding.decode.tiff import directories
from embedding.image import Reason, Unreadable

# A progressive JPEG is decoded once per scan, and a scan of a huge picture can be a few bytes long. Encoders write up
# to about 20 scans. This allows 46 for the largest picture of the default settings, and hundreds for usual ones.
MAX_SCANNED_PIXELS = 3_000_000_000
MAX_SCANS = 1_000
_MARKER, _SCAN = 0xFF, 0xDA
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # kinds of frame headers, with the size of the picture
_HEADER_BYTES = 9
_MOST_SEGMENTS = 100_000  # of a JPEG before its first scan, with the bytes that fill gaps: cameras write some hundreds
_PNG_SIGNATURE_BYTES, _CHUNK_BYTES = 8, 12  # a chunk's length, name and checksum
_MOST_PROFILES = 16  # of a PNG, which may have one; Pillow expands all of them, each to up to 1 MB
_MOST_DIRECTORIES = 64  # of a TIFF; later ones are not looked at before they are opened


@dataclass(frozen=True, slots=True)
class Limits:
    """What is decoded.

    Attributes:
        max_pixels: cap on width x height; a JPEG of up to 64 times as many is decoded to a smaller size.
        least_side: a JPEG may be decoded to a smaller size, as long as its shorter side keeps this many pixels; None:
            every pixel counts. A picture that has fewer keeps its size.
        corners_side: nothing but corners is looked for. So a JPEG may be decoded in grey, and to a smaller size as long
            as its longest side keeps this many pixels, or its shorter side if it is long; None: more is needed.
    """

    max_pixels: int
    least_side: int | None = None
    corners_side: int | None = None


def too_costly(data: bytes, name: str, max_pixels: int) -> Unreadable | None:
    """Why a JPEG, PNG or TIFF would take far longer than its size allows; None if it would not."""
    if name == "JPEG":
        pixels = _pixels(data)
        if pixels is None:
            return Unreadable(Reason.TOO_MANY_PIXELS, f"a JPEG of more than {_MOST_SEGMENTS} segments")
        return _too_many_scans(data, pixels, MAX_SCANS)
    if name == "PNG":
        return _too_many_profiles(data)
    if name != "TIFF":
        return None
    found = directories(data, _MOST_DIRECTORIES)
    for directory in found:
        if problem := directory.problem(max_pixels):
            return Unreadable(Reason.TOO_MANY_PIXELS, problem)
    largest = max((directory.pixels_at_once for directory in found if directory.is_jpeg), default=0)
    return _too_many_scans(data, largest, len(data)) if largest else None


def _too_many_scans(data: bytes, pixels: int, most: int) -> Unreadable | None:
    """A problem if the scans in a file, each over so many pixels, are too many.

    Compressed data never contains a marker's two bytes, FF and another one that is not 0. `data.count` would take six
    times as long.
    """
    values = np.frombuffer(data, np.uint8)
    scans = int(np.count_nonzero((values[:-1] == _MARKER) & (values[1:] == _SCAN)))
    if scans > most or scans * pixels > MAX_SCANNED_PIXELS:
        return Unreadable(Reason.TOO_MANY_PIXELS, f"a JPEG of {scans} scans, each over the whole picture")
    return None


def _too_many_profiles(data: bytes) -> Unreadable | None:
    """A problem if the chunks of a PNG have more colour profiles than any picture needs."""
    at, found = data.find(b"iCCP", _PNG_SIGNATURE_BYTES), 0
    while at >= 0 and found <= _MOST_PROFILES:
        found += 1
        at = data.find(b"iCCP", at + _CHUNK_BYTES)
    if found > _MOST_PROFILES:
        return Unreadable(Reason.TOO_MANY_PIXELS, "a PNG of many colour profiles")
    return None


def _pixels(data: bytes) -> int | None:
    """Width x height in a JPEG's frame header; 0 if it has none; None if too much comes before its first scan."""
    at, pixels = 2, 0
    for _ in range(_MOST_SEGMENTS):
        if at + _HEADER_BYTES >= len(data) or data[at] != _MARKER or data[at + 1] == _SCAN:
            return pixels
        if data[at + 1] in _FRAMES and not pixels:
            height, width = data[at + 5 : at + 7], data[at + 7 : at + 9]
            pixels = int.from_bytes(height, "big") * int.from_bytes(width, "big")
        fill = data[at + 1] == _MARKER  # any number of them may come before a marker
        at += 1 if fill else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
