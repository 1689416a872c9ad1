"""The directories of a TIFF, read without Pillow, which unpacks every entry of every array when it opens a file.

A strip or tile is one step of the decoder, however small it is: a file of half a megabyte can name half a million of
them for a picture of two rows, and takes minutes. So their number is compared with the picture's size first.
"""

import struct
from dataclasses import dataclass

_BIG_TIFF = 43
_WIDTH, _LENGTH, _COMPRESSION, _SAMPLES, _ROWS, _PLANAR = 256, 257, 259, 277, 278, 284
_STRIPS, _STRIP_BYTES, _TILE_WIDTH, _TILE_LENGTH, _TILES, _TILE_BYTES = 273, 279, 322, 323, 324, 325
_ONE_VALUE = frozenset({_WIDTH, _LENGTH, _COMPRESSION, _SAMPLES, _ROWS, _PLANAR, _TILE_WIDTH, _TILE_LENGTH})
_JPEG = frozenset({6, 7})  # compressions
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
_PLANES = 2  # PlanarConfiguration: each sample in strips of its own
_MOST_TAGS = 4096
_MOST_VALUES = 1 << 16  # of an array that is not of text or plain bytes: Pillow makes a Python object of each


@dataclass(frozen=True, slots=True)
class Directory:
    """One picture of a TIFF, as far as its cost depends on it.

    Attributes:
        values: tag → value, of the tags with one value.
        counts: tag → number of values.
        packed: tag → number of values that Pillow turns into Python objects.
    """

    values: dict[int, int]
    counts: dict[int, int]
    packed: dict[int, int]

    @property
    def is_jpeg(self) -> bool:
        """Whether its strips or tiles are JPEGs."""
        return self.values.get(_COMPRESSION) in _JPEG

    @property
    def pixels_at_once(self) -> int:
        """Pixels of one strip or tile."""
        if across := self.values.get(_TILE_WIDTH):
            return across * self.values.get(_TILE_LENGTH, 0)
        length = self.values.get(_LENGTH, 0)
        return self.values.get(_WIDTH, 0) * min(self.values.get(_ROWS, length), length)

    def problem(self, max_pixels: int) -> str | None:
        """Why it would take far longer to decode than its size allows, in a few words; None if it would not."""
        width, length = self.values.get(_WIDTH, 0), self.values.get(_LENGTH, 0)
        planes = self.values.get(_SAMPLES, 1) if self.values.get(_PLANAR) == _PLANES else 1
        across, down = self.values.get(_TILE_WIDTH, 0), self.values.get(_TILE_LENGTH, 0)
        if across * down > max_pixels:  # a tile is always decoded whole, even if little of it is in the picture
            return f"tiles of {across} x {down} pixels"
        if across and down:
            needed = -(-width // across) * -(-length // down) * planes
        else:
            needed = -(-length // max(1, min(self.values.get(_ROWS, length), length or 1))) * planes
        given = max(self.counts.get(tag, 0) for tag in (_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES))
        if given > needed:
            return f"{given} strips or tiles for a picture that has {needed}"
        most = max((count for tag, count in self.packed.items() if count > needed), default=0)
        return f"an array of {most} values" if most > _MOST_VALUES else None


def directories(data: bytes, most: int) -> list[Directory]:
    """The directories of a file, at most `most`: each ends with the offset of the next. A loop ends the list."""
    order = "<" if data[:2] == b"II" else ">"
    if len(data) < 16:  # noqa: PLR2004 (the longer header)
        return []
    big = struct.unpack_from(f"{order}H", data, 2)[0] == _BIG_TIFF
    count, entry, pointer, first = ("Q", 20, "Q", 8) if big else ("H", 12, "I", 4)
    at: int = struct.unpack_from(order + pointer, data, first)[0]
    found: dict[int, Directory] = {}
    while at and at not in found and len(found) < most:
        if at + struct.calcsize(count) > len(data):
            break
        entries: int = struct.unpack_from(order + count, data, at)[0]
        start = at + struct.calcsize(count)
        following = start + entries * entry
        found[at] = _directory(data, start, min(entries, _MOST_TAGS), entry, order, pointer)
        if following + struct.calcsize(pointer) > len(data):
            break
        at = struct.unpack_from(order + pointer, data, following)[0]
    return list(found.values())


def _directory(data: bytes, start: int, entries: int, entry: int, order: str, pointer: str) -> Directory:  # noqa: PLR0913, PLR0917 (the file's own variables)
    values: dict[int, int] = {}
    counts: dict[int, int] = {}
    packed: dict[int, int] = {}
    for at in range(start, min(start + entries * entry, len(data) - entry + 1), entry):
        tag, kind, number = struct.unpack_from(f"{order}HH{pointer}", data, at)
        counts[tag] = number
        if kind not in {1, 2, 7}:  # bytes, text, undefined: these stay one object
            packed[tag] = number
        code = _CODES.get(kind)
        if tag in _ONE_VALUE and number == 1 and code:
            values[tag] = struct.unpack_from(order + code, data, at + entry - struct.calcsize(pointer))[0]
    return Directory(values, counts, packed)
