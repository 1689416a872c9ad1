"""Counts the frames of a file and reads how long each is shown, within limits and without decoding any; samples them.

Pillow counts the frames of a GIF or TIFF by reading all of them, for TIFF in quadratic time; a file of 20 MB can
hold a million. So these two are counted here.
"""

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from embedding.decode.tiff import directories

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_FRAMES = 10_000  # counting stops here: the file has this many or more
_MOST_STEPS = 400_000  # blocks of a GIF; 20 MB in full blocks of 255 bytes are 82,000
# An animation's frame needs all frames before it. So many pixels of frames are decoded at most, in about 3 s.
_ANIMATED_PIXELS = 300_000_000
_ANIMATIONS = frozenset({"GIF", "PNG", "WEBP", "AVIF"})

_GIF_HEADER = 13
_GIF_IMAGE, _GIF_EXTENSION, _GIF_CONTROL = 0x2C, 0x21, 0xF9


@dataclass(frozen=True, slots=True)
class Frames:
    """The pictures in a file.

    Attributes:
        count: from 1 to MOST_FRAMES.
        shown: how long each is shown, in any unit; empty if that is not known.
        first: the one that viewers show first. A PNG can have another one before it, which only old viewers show.
        within_reach: number of frames from the start that may be decoded.
    """

    count: int
    shown: tuple[float, ...] = ()
    first: int = 0
    within_reach: int = MOST_FRAMES

    def sample(self, most: int) -> list[int]:
        """At most `most` different frames, the most important first: first, last, longest shown, and evenly spread."""
        end = min(self.count, self.within_reach)
        longest = max(range(len(self.shown[:end])), key=self.shown.__getitem__, default=self.first)
        steps = max(most - 1, 1)
        spread = [round(step * (end - 1) / steps) for step in range(steps + 1)]
        wanted = [min(self.first, end - 1), end - 1, longest, *spread[1::2], *spread[::2]]
        return list(dict.fromkeys(wanted))[:most]


def frames_of(image: Image.Image, name: str, data: bytes) -> Frames:
    """The frames of `data`.

    Args:
        image: opened, not yet loaded.
        name: the format.
        data: the file's bytes.
    """
    shown: Sequence[float] = ()
    if name == "GIF":
        count, shown = _of_gif(data)
    elif name == "TIFF":
        count = len(directories(data, MOST_FRAMES))
    else:
        count = int(getattr(image, "n_frames", 1))
        if count > 1:
            shown = {"PNG": _of_png, "WEBP": _of_webp, "AVIF": _of_avif}.get(name, lambda _: ())(data)
    count = min(max(count, 1), MOST_FRAMES)
    hidden = int(bool(image.info.get("default_image")) and count > 1)
    if hidden and shown:
        shown = (0, *shown)
    reach = max(1, _ANIMATED_PIXELS // max(1, image.width * image.height)) if name in _ANIMATIONS else MOST_FRAMES
    return Frames(count, tuple(shown[:count]), hidden, max(reach, 1 + hidden))


def _of_gif(data: bytes) -> tuple[int, list[float]]:
    """The number of frames, and each one's delay in hundredths of a second."""
    shown: list[float] = []
    delay, steps = 0, 0
    at = _GIF_HEADER + _palette_bytes(data[10])
    while at + 10 < len(data) and len(shown) < MOST_FRAMES:
        if data[at] == _GIF_IMAGE:
            shown.append(delay)
            at += 11 + _palette_bytes(data[at + 9])
        elif data[at] == _GIF_EXTENSION:
            if data[at + 1] == _GIF_CONTROL:
                delay = int.from_bytes(data[at + 4 : at + 6], "little")
            at += 2
        else:  # the end, or damage at which a viewer stops too
            break
        while at < len(data) and data[at] and steps < _MOST_STEPS:
            at += data[at] + 1
            steps += 1
        at += 1
    return len(shown), shown


def _palette_bytes(flags: int) -> int:
    """Size of a colour table, by the flags of the screen or of a frame."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _of_png(data: bytes) -> list[float]:
    """Seconds that each frame of an animated PNG is shown, from its fcTL chunks."""
    shown: list[float] = []
    at = 8
    while at + 12 <= len(data) and len(shown) < MOST_FRAMES:
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"fcTL" and at + 34 <= len(data):
            numerator, denominator = struct.unpack_from(">HH", data, at + 28)
            shown.append(numerator / (denominator or 100))
        at += 12 + size
    return shown


def _of_webp(data: bytes) -> list[float]:
    """Milliseconds that each frame of an animated WebP is shown, from its ANMF chunks."""
    shown: list[float] = []
    at = 12
    while at + 8 <= len(data) and len(shown) < MOST_FRAMES:
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if kind == b"ANMF":
            shown.append(int.from_bytes(data[at + 20 : at + 23], "little"))
        at += 8 + size + (size & 1)
    return shown


def _of_avif(data: bytes) -> list[float]:
    """How long each frame of an AVIF sequence is shown, from the first track's time-to-sample box (ISO 14496-12)."""
    shown: list[float] = []
    at = data.find(b"stts")
    if at < 0 or at + 12 > len(data):
        return shown
    (entries,) = struct.unpack_from(">I", data, at + 8)
    for entry in range(at + 12, min(at + 12 + 8 * entries, len(data) - 7), 8):
        count, delta = struct.unpack_from(">II", data, entry)
        shown += [float(delta)] * min(count, MOST_FRAMES - len(shown))
    return shown
