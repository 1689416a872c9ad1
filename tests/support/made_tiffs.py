"""TIFFs made by hand, with arrays of any kind, length and number, whatever their pixels are."""

import struct

BYTE, SHORT, LONG, LONG8 = 1, 3, 4, 16
_CODES = {BYTE: "B", SHORT: "H", LONG: "I", LONG8: "Q"}
HERE = "here"  # stands for the offset of the pixels


def made_tiff(*directories, pixels=b"\0" * 4_096, big=False, order="<"):
    """A TIFF of directories, each a dictionary from tag to (kind, values)."""
    head = struct.pack(order + "2sH", b"II" if order == "<" else b"MM", 43 if big else 42)
    head += struct.pack(order + "HH", 8, 0) if big else b""
    pointer, entry = ("Q", "HHQ") if big else ("I", "HHI")
    width = struct.calcsize(pointer)
    start = len(head) + width
    data = bytearray(head + struct.pack(order + pointer, start + len(pixels)) + pixels)
    for number, tags in enumerate(directories):
        table = struct.pack(order + ("Q" if big else "H"), len(tags))
        end = len(data) + len(table) + len(tags) * (4 + 2 * width) + width
        arrays = b""
        for tag, (kind, values) in sorted(tags.items()):
            numbers = [start if value == HERE else value for value in values]
            content = struct.pack(f"{order}{len(numbers)}{_CODES[kind]}", *numbers)
            table += struct.pack(order + entry, tag, kind, len(numbers))
            if len(content) > width:
                table += struct.pack(order + pointer, end + len(arrays))
                arrays += content
            else:
                table += content.ljust(width, b"\0")
        following = end + len(arrays) if number + 1 < len(directories) else 0
        data += table + struct.pack(order + pointer, following) + arrays
    return bytes(data)


def striped(width, length, rows, strips, kind=LONG, **more):
    """A grey picture in strips; `strips`: how many it names."""
    return {
        **_grey(width, length),
        273: (kind, [HERE if kind != BYTE else 8] * strips),
        278: (LONG, [rows]),
        279: (kind, [min(width * rows, 255)] * strips),
        **{int(tag[1:]): value for tag, value in more.items()},
    }


def tiled(width, length, side, tiles):
    """A grey picture in square tiles."""
    return {
        **_grey(width, length),
        322: (SHORT, [side]),
        323: (SHORT, [side]),
        324: (LONG, [HERE] * tiles),
        325: (LONG, [side * side] * tiles),
    }


def _grey(width, length):
    single = {258: 8, 259: 1, 262: 1, 277: 1}
    return {256: (LONG, [width]), 257: (LONG, [length]), **{tag: (SHORT, [value]) for tag, value in single.items()}}
