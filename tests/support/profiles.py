"""Colour profiles made by hand."""

import struct

from PIL import ImageCms


def gamma_profile(space):
    """An ICC profile that changes all colours: sRGB with red and blue exchanged, or a grey one of another gamma."""
    if space == "RGB":
        data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
        tags = {bytes(data[at : at + 4]): at for at in range(132, 132 + 12 * data[131], 12)}
        red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
        data[red + 4 : red + 12], data[blue + 4 : blue + 12] = data[blue + 4 : blue + 12], data[red + 4 : red + 12]
        return bytes(data)
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63_190, 65_536, 54_061)
    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(1.2 * 256), 0)
    tags = struct.pack(">I", 2) + struct.pack(">4sII", b"wtpt", 156, 20) + struct.pack(">4sII", b"kTRC", 176, 16)
    head = struct.pack(">I4sI4s4s4s", 192, b"    ", 0x02100000, b"mntr", b"GRAY", b"XYZ ") + bytes(12) + b"acsp"
    return (head + bytes(28) + struct.pack(">3i", 63_190, 65_536, 54_061)).ljust(128, b"\0") + tags + white + curve
