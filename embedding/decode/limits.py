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
_MOST_DIRECTORIES = 64  # of a TIFF; later ones are not looked at before they are opened


@dataclass(frozen=True, slots=True)
class Limits:
    """What is decoded.

    Attributes:
        max_pixels: cap on width x height; a JPEG of up to 64 times as many is decoded to a smaller size.
        least_side: a JPEG may be decoded to a smaller size, as long as its shorter side keeps this many pixels; None:
            every pixel counts. A picture that has fewer keeps its size.
    """

    max_pixels: int
    least_side: int | None = None


def too_costly(data: bytes, name: str, max_pixels: int) -> Unreadable | None:
    """Why a JPEG or TIFF would take far longer than its size allows; None if it would not."""
    if name == "JPEG":
        return _too_many_scans(data, _pixels(data), MAX_SCANS)
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


def _pixels(data: bytes) -> int:
    """Width x height in a JPEG's frame header; 0 if it has none."""
    at = 2
    while at + _HEADER_BYTES < len(data) and data[at] == _MARKER:
        if data[at + 1] in _FRAMES:
            height, width = data[at + 5 : at + 7], data[at + 7 : at + 9]
            return int.from_bytes(height, "big") * int.from_bytes(width, "big")
        fill = data[at + 1] == _MARKER  # any number of them may come before a marker
        at += 1 if fill else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 0
