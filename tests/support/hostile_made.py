"""Picture files made by hand, with any claims in their headers."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms

WIDTH, HEIGHT = 96, 64


def sample(width=WIDTH, height=HEIGHT):
    """Pixels (height, width, 3) with enough detail for a hash."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    channels = [127 + 120 * np.sin(x / 7 + y / 23), 127 + 120 * np.cos(y / 5 - x / 31), (x * 3 + y * 5) % 256]
    return np.stack(channels, axis=-1).astype(np.uint8)


def picture(mode="RGB", width=WIDTH, height=HEIGHT):
    """`sample` as a Pillow image of any mode."""
    image = Image.fromarray(sample(width, height))
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")
        del image.info["icc_profile"]  # it contains today's date
        return image
    if mode in {"RGBA", "LA"}:
        image = image.convert(mode)
        image.putalpha(Image.linear_gradient("L").resize(image.size))
        return image
    return image.convert("L").convert(mode) if mode in {"I", "F"} else image.convert(mode)


def saved(image, **options):
    """The file's bytes."""
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def chunk(kind, data):
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *chunks, depth=8, colour=2):
    """A PNG with any given chunks."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


def rows(width, height, channels=3):
    """Compressed rows of a PNG."""
    return chunk(b"IDAT", zlib.compress(b"\0" * ((width * channels + 1) * height), 9))


def gif(width, height, frames, size=1):
    """A GIF of many equal frames of size x size."""
    frame = b"," + struct.pack("<HHHHB", 0, 0, size, size, 0) + b"\x02\x02D\x01\0"
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return screen + frame * frames + b";"


def tiff(tags, pixels=b"\0" * 64, following=0):
    """A little-endian TIFF with one directory of LONG tags, and the offset of the next one."""
    directory = struct.pack("<H", len(tags))
    at = 8 + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        directory += struct.pack("<HHII", tag, 4, 1, at if value == "here" else value)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", following) + pixels


GREY_TIFF = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 273: "here", 277: 1, 278: 8, 279: 64}


def bmp(width, height, bits=24, compression=0):
    """A BMP that is only a header."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info


def webp(width, height):
    """An extended WebP that is only a header."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + size


def jpeg_sized(width, height):
    """A good JPEG whose header claims another size."""
    data = bytearray(saved(picture(), format="JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def segment(marker, data):
    """An application segment of a JPEG."""
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg_with(*segments):
    """A good JPEG with these segments after its first marker."""
    data = saved(picture(), format="JPEG")
    return data[:2] + b"".join(segments) + data[2:]


def exif(value, kind=3):
    """EXIF with an orientation, valid or not."""
    return b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, kind, 1, value & 0xFFFFFFFF, 0)


def scans(count, image=None):
    """A progressive JPEG whose last scan is repeated."""
    data = saved(image or picture(), format="JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + b"\xff\xd9"
