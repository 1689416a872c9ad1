"""Counts the frames of a file, within limits and without decoding any.

Pillow counts the frames of a GIF or TIFF by reading all of them, for TIFF in quadratic time; a file of 20 MB can
hold a million. So these two are counted here.
"""

import struct

from PIL import Image

MOST_FRAMES = 10_000  # counting stops here: the file has this many or more
_MOST_STEPS = 400_000  # blocks of a GIF; 20 MB in full blocks of 255 bytes are 82,000

_GIF_HEADER = 13
_GIF_IMAGE, _GIF_EXTENSION = 0x2C, 0x21
_BIG_TIFF = 43


def count_frames(image: Image.Image, name: str, data: bytes) -> int:
    """Frames of `data`, from 1 to MOST_FRAMES.

    Args:
        image: opened, not yet loaded.
        name: the format; a JPEG counts as one frame, even if a camera appended more pictures.
        data: the file's bytes.
    """
    if name == "GIF":
        frames = _of_gif(data)
    elif name == "TIFF":
        frames = _of_tiff(data)
    elif name in {"PNG", "WEBP", "AVIF"}:  # their headers hold the number
        frames = int(getattr(image, "n_frames", 1)) - bool(image.info.get("default_image"))
    else:
        frames = 1
    return min(max(frames, 1), MOST_FRAMES)


def _of_gif(data: bytes) -> int:
    frames, steps = 0, 0
    at = _GIF_HEADER + _palette_bytes(data[10])
    while at + 10 < len(data) and frames < MOST_FRAMES:
        if data[at] == _GIF_IMAGE:
            frames += 1
            at += 11 + _palette_bytes(data[at + 9])
        elif data[at] == _GIF_EXTENSION:
            at += 2
        else:  # the end, or damage at which a viewer stops too
            break
        while at < len(data) and data[at] and steps < _MOST_STEPS:
            at += data[at] + 1
            steps += 1
        at += 1
    return frames


def _palette_bytes(flags: int) -> int:
    """Size of a colour table, by the flags of the screen or of a frame."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _of_tiff(data: bytes) -> int:
    """Each directory of a TIFF ends with the offset of the next. A loop ends the count."""
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", data, 2)[0] == _BIG_TIFF
    count, entry, pointer, first = ("Q", 20, "Q", 8) if big else ("H", 12, "I", 4)
    at: int = struct.unpack_from(order + pointer, data, first)[0]
    visited: set[int] = set()
    while at and at not in visited and len(visited) < MOST_FRAMES:
        if at + struct.calcsize(count) > len(data):
            break
        visited.add(at)
        entries: int = struct.unpack_from(order + count, data, at)[0]
        following = at + struct.calcsize(count) + entries * entry
        if following + struct.calcsize(pointer) > len(data):
            break
        at = struct.unpack_from(order + pointer, data, following)[0]
    return len(visited)
