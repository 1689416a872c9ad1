"""Colour profiles made by hand."""

import struct

from PIL import ImageCms

_ADOBE = {
    b"rXYZ": (0.60974, 0.31111, 0.01947),
    b"gXYZ": (0.20528, 0.62567, 0.06087),
    b"bXYZ": (0.14919, 0.06322, 0.74457),
}


def srgb_profile():
    """The usual one."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def wide_profile():
    """A wide gamut: the primaries of Adobe RGB."""
    data = bytearray(srgb_profile())
    for name, colour in _ADOBE.items():
        struct.pack_into(">3i", data, _places(data)[name] + 8, *(round(each * 65_536) for each in colour))
    return bytes(data)


def falling_profile(space="RGB"):
    """Its curves fall: with the profile a picture is shown as its negative."""
    if space == "GRAY":
        return _grey_profile(2, 65_535, 0)
    data = bytearray(srgb_profile())
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        struct.pack_into(">4sIIHH", data, _places(data)[name], b"curv", 0, 2, 65_535, 0)
    return bytes(data)


def _places(data):
    """Where the profile's elements begin."""
    tags = range(132, 132 + 12 * int.from_bytes(data[128:132], "big"), 12)
    return {bytes(data[at : at + 4]): int.from_bytes(data[at + 4 : at + 8], "big") for at in tags}


def gamma_profile(space):
    """An ICC profile that changes all colours: sRGB with red and blue exchanged, or a grey one of another gamma."""
    if space == "RGB":
        data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
        tags = {bytes(data[at : at + 4]): at for at in range(132, 132 + 12 * data[131], 12)}
        red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
        data[red + 4 : red + 12], data[blue + 4 : blue + 12] = data[blue + 4 : blue + 12], data[red + 4 : red + 12]
        return bytes(data)
    return _grey_profile(1, round(1.2 * 256), 0)


def _grey_profile(*curve):
    """A grey one with this curve: the number of its values, and two of them."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63_190, 65_536, 54_061)
    curve = b"curv\0\0\0\0" + struct.pack(">IHH", *curve)
    tags = struct.pack(">I", 2) + struct.pack(">4sII", b"wtpt", 156, 20) + struct.pack(">4sII", b"kTRC", 176, 16)
    head = struct.pack(">I4sI4s4s4s", 192, b"    ", 0x02100000, b"mntr", b"GRAY", b"XYZ ") + bytes(12) + b"acsp"
    return (head + bytes(28) + struct.pack(">3i", 63_190, 65_536, 54_061)).ljust(128, b"\0") + tags + white + curve
