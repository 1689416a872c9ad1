"""Hostile and odd files, made in code: one table for the decoder's tests and for events that are sent to the service.

Names and contents are stable (one seed), except for the date in an AVIF animation. None of the pictures shows anything.
"""

import struct
import zlib

import numpy as np
from hostile_made import (
    GREY_TIFF,
    HEIGHT,
    WIDTH,
    bmp,
    chunk,
    exif,
    gif,
    jpeg_sized,
    jpeg_with,
    picture,
    png,
    rows,
    saved,
    scans,
    segment,
    tiff,
    webp,
)
from PIL import Image, ImageCms

SEED = 7

SAVED = {  # a usual file of each format
    "jpeg": ("RGB", {"format": "JPEG", "quality": 85}),
    "jpeg_progressive": ("RGB", {"format": "JPEG", "progressive": True}),
    "jpeg_grey": ("L", {"format": "JPEG"}),
    "jpeg_cmyk": ("CMYK", {"format": "JPEG"}),
    "png": ("RGB", {"format": "PNG"}),
    "png_rgba": ("RGBA", {"format": "PNG"}),
    "png_la": ("LA", {"format": "PNG"}),
    "png_palette": ("P", {"format": "PNG"}),
    "png_palette_transparent": ("P", {"format": "PNG", "transparency": 3}),
    "png_palette_alphas": ("P", {"format": "PNG", "transparency": bytes(range(256))}),
    "png_1bit": ("1", {"format": "PNG"}),
    "png_16bit": ("I;16", {"format": "PNG"}),
    "gif": ("P", {"format": "GIF"}),
    "gif_transparent": ("P", {"format": "GIF", "transparency": 2}),
    "webp": ("RGB", {"format": "WEBP"}),
    "webp_lossless_rgba": ("RGBA", {"format": "WEBP", "lossless": True}),
    "bmp": ("RGB", {"format": "BMP"}),
    "bmp_1bit": ("1", {"format": "BMP"}),
    "tiff": ("RGB", {"format": "TIFF"}),
    "tiff_lzw": ("RGB", {"format": "TIFF", "compression": "tiff_lzw"}),
    "tiff_deflate_rgba": ("RGBA", {"format": "TIFF", "compression": "tiff_adobe_deflate"}),
    "tiff_cmyk": ("CMYK", {"format": "TIFF"}),
    "tiff_lab": ("LAB", {"format": "TIFF"}),
    "tiff_float": ("F", {"format": "TIFF"}),
    "tiff_int32": ("I", {"format": "TIFF"}),
    "tiff_16bit": ("I;16", {"format": "TIFF"}),
    "avif": ("RGB", {"format": "AVIF"}),
    "avif_rgba": ("RGBA", {"format": "AVIF"}),
}
# Files that must be refused. All others may be read or refused.
UNREADABLE = ("empty", "noise_", "text_", "bomb_", "cut_png_0", "cut_jpeg_0", "other_")


def hostile_inputs():
    """Name → bytes of more than 150 files; the expected results are in test_hostile_pictures.py."""
    table = {}
    for make in (_cut_and_flipped, _no_pictures, _bombs, _odd_pngs, _odd_jpegs, _odd_others, _shapes):
        table.update(make())
    return table


def _cut_and_flipped():
    random = np.random.default_rng(SEED)
    for name, (mode, options) in SAVED.items():
        data = saved(picture(mode), **options)
        yield f"good_{name}", data
        for percent in (0, 10, 50, 90, 99):
            yield f"cut_{name}_{percent}", data[: max(12, len(data) * percent // 100)]
        broken = np.frombuffer(data, np.uint8).copy()
        places = random.integers(12, len(data), 20)
        broken[places] = random.integers(0, 256, 20, dtype=np.uint8)
        yield f"flipped_{name}", broken.tobytes()


def _no_pictures():
    random = np.random.default_rng(SEED)
    yield "empty", b""
    for size in (1, 2, 100, 100_000):
        yield f"noise_{size}", b"\x01" + random.bytes(size - 1)
    yield "text_plain", b"This is no picture.\n" * 50
    yield "text_svg", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    yield "text_html", b"<!doctype html><script>alert(1)</script>"
    yield "text_pdf", b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF"
    yield "text_eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n"
    yield "text_json", b'{"data": "not base64"}'
    yield "text_ppm", b"P3 1 1 255 255 0 0"
    yield "text_xbm", b"#define a_width 8\n#define a_height 1\nstatic char a_bits[] = {0x00};"
    yield "text_xpm", b'/* XPM */\nstatic char *a[] = {"1 1 1 1", "a c #000", "a"};'
    for name, start in {
        "psd": b"8BPS\0\x01",
        "zip": b"PK\x03\x04",
        "gzip": b"\x1f\x8b\x08",
        "elf": b"\x7fELF\x02\x01\x01",
        "mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
        "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "mif1_without_avif": b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic",
        "riff_wave": b"RIFF\x24\0\0\0WAVEfmt ",
        "ico": b"\0\0\x01\0\x01\0",
        "jpeg2000": b"\0\0\0\x0cjP  \r\n\x87\n",
        "wmf": b"\xd7\xcd\xc6\x9a\0\0",
        "dds": b"DDS |\0\0\0",
        "fits": b"SIMPLE  =                    T",
        "nul": b"\0" * 8,
    }.items():
        yield f"other_{name}", start + b"\0" * 200


def _bombs():
    yield "bomb_png_50000", png(50_000, 50_000, rows(10, 10))
    yield "bomb_png_2e31", png(2**31 - 1, 2**31 - 1, rows(1, 1))
    yield "bomb_png_1x2e31", png(1, 2**31 - 1, rows(1, 1))
    yield "bomb_png_all_zero_20000", png(20_000, 20_000, chunk(b"IDAT", zlib.compress(b"\0" * 30_000_000, 9)))
    yield "bomb_gif_65535", gif(65_535, 65_535, 1)
    yield "bomb_gif_frame_beyond_screen", gif(1, 1, 1, size=65_535)
    yield "bomb_webp_16383", webp(16_383, 16_383)
    yield "bomb_webp_2e24", webp(2**24, 2**24)
    yield "bomb_bmp_2e31", bmp(2**31 - 1, 2**31 - 1)
    yield "bomb_bmp_upside_down", bmp(50_000, -50_000)
    yield "bomb_bmp_rle", bmp(60_000, 60_000, bits=8, compression=1)
    yield "bomb_tiff_2e32", tiff({**GREY_TIFF, 256: 2**32 - 1, 257: 2**32 - 1})
    yield "bomb_tiff_60000", tiff({**GREY_TIFF, 256: 60_000, 257: 60_000})
    tiled = {key: value for key, value in GREY_TIFF.items() if key not in {273, 278, 279}}
    yield "bomb_tiff_tile", tiff({**tiled, 259: 8, 322: 60_000, 323: 60_000, 324: "here", 325: 64})
    yield "bomb_jpeg_65500", jpeg_sized(65_500, 65_500)
    yield "bomb_jpeg_scans", scans(20_000)


def _odd_pngs():
    data = rows(WIDTH, HEIGHT)
    zeros = zlib.compress(b"\0" * 50_000_000, 9)
    yield "png_itxt_bomb", png(WIDTH, HEIGHT, chunk(b"iTXt", b"k\0\x01\0\0\0" + zeros), data)
    yield "png_ztxt_bomb", png(WIDTH, HEIGHT, chunk(b"zTXt", b"k\0\0" + zeros), data)
    yield "png_iccp_bomb", png(WIDTH, HEIGHT, chunk(b"iCCP", b"k\0\0" + zeros), data)
    yield "png_many_text_chunks", png(WIDTH, HEIGHT, chunk(b"tEXt", b"k\0" + b"v" * 900) * 5_000, data)
    yield "png_bad_icc", png(WIDTH, HEIGHT, chunk(b"iCCP", b"k\0\0" + zlib.compress(b"no profile")), data)
    yield "png_bad_exif", png(WIDTH, HEIGHT, chunk(b"eXIf", b"II*\0\xff\xff\xff\xff"), data)
    yield "png_no_rows", png(WIDTH, HEIGHT)
    yield "png_zero_width", png(0, 1, rows(1, 1))
    yield "png_bad_crc", png(WIDTH, HEIGHT, data[:-4] + b"\0\0\0\0")
    yield "png_bad_depth", png(WIDTH, HEIGHT, data, depth=3)
    yield "png_bad_colour", png(WIDTH, HEIGHT, data, colour=5)
    yield "png_palette_missing", png(WIDTH, HEIGHT, rows(WIDTH, HEIGHT, 1), colour=3)
    yield "png_palette_short", png(WIDTH, HEIGHT, chunk(b"PLTE", b"\1\2\3"), rows(WIDTH, HEIGHT, 1), colour=3)
    yield "png_16bit_rgb", png(WIDTH, HEIGHT, rows(WIDTH, HEIGHT, 6), depth=16)
    yield "png_chunk_of_4_gb", png(WIDTH, HEIGHT, b"\xff\xff\xff\xfftEXt", data)
    claims = chunk(b"acTL", struct.pack(">II", 2**31, 0))
    yield "apng_claims_2e31_frames", png(WIDTH, HEIGHT, claims, data)
    yield "apng_claims_0_frames", png(WIDTH, HEIGHT, chunk(b"acTL", bytes(8)), data)
    yield "apng_short_actl", png(WIDTH, HEIGHT, chunk(b"acTL", b"\0"), data)
    frames = [picture(), picture().rotate(90), picture().rotate(180)]
    yield "apng", saved(frames[0], format="PNG", save_all=True, append_images=frames[1:])
    hidden = saved(frames[0], format="PNG", save_all=True, append_images=frames[1:], default_image=True)
    yield "apng_default_image", hidden
    yield "apng_default_image_cut", hidden[: len(hidden) // 2]


def _odd_jpegs():
    good = saved(picture(), format="JPEG")
    yield "jpeg_trailing_garbage", good + b"\xff\xd8garbage" * 1_000
    yield "jpeg_polyglot_zip", good + saved(picture(), format="PNG") + b"PK\x05\x06" + bytes(18)
    yield "jpeg_polyglot_html", jpeg_with(segment(0xFE, b"<script>alert(1)</script>"))
    yield "jpeg_marker_only", b"\xff\xd8\xff"
    yield "jpeg_end_at_once", b"\xff\xd8\xff\xd9"
    yield "jpeg_zero_size", jpeg_sized(0, 0)
    yield "jpeg_larger_than_data", jpeg_sized(4_000, 4_000)
    yield "jpeg_many_comments", jpeg_with(*[segment(0xFE, b"x" * 60_000)] * 50)
    yield "jpeg_short_segment", good[:2] + b"\xff\xe1\0\0" + good[2:]
    yield "jpeg_repeated_scans", scans(30)
    yield "jpeg_bad_icc", jpeg_with(segment(0xE2, b"ICC_PROFILE\0\x01\x01" + b"nonsense" * 40))
    yield "jpeg_icc_out_of_order", jpeg_with(segment(0xE2, b"ICC_PROFILE\0\x09\x02" + b"nonsense"))
    yield "jpeg_icc_for_cmyk", jpeg_with(segment(0xE2, b"ICC_PROFILE\0\x01\x01" + _profile(b"CMYK")))
    yield (
        "jpeg_bad_mpo",
        jpeg_with(segment(0xE2, b"MPF\0II*\0\x08\0\0\0\x01\0\x01\xb0\x04\0\x01\0\0\0\xff\xff\xff\xff")),
    )
    yield "jpeg_bad_adobe", jpeg_with(segment(0xEE, b"Adobe\0"))
    for value in (0, 2, 3, 4, 5, 6, 7, 8, 9, 65_535):
        yield f"jpeg_orientation_{value}", jpeg_with(segment(0xE1, exif(value)))
    for kind in (2, 5, 7, 99):
        yield f"jpeg_orientation_of_kind_{kind}", jpeg_with(segment(0xE1, exif(0xFFFFFFF0, kind)))
    yield "jpeg_exif_loop", jpeg_with(segment(0xE1, b"Exif\0\0II*\0" + struct.pack("<IHHHII", 8, 1, 0x8769, 4, 1, 8)))
    yield "jpeg_exif_huge_count", jpeg_with(segment(0xE1, b"Exif\0\0II*\0" + struct.pack("<IH", 8, 65_535)))


def _profile(space):
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[16:20] = space
    data[24:36] = bytes(12)  # the date
    return bytes(data)


def _odd_others():
    frames = [picture().rotate(90 * turn) for turn in range(3)]
    yield "gif_animated", saved(frames[0], format="GIF", save_all=True, append_images=frames[1:])
    yield "gif_100000_frames", gif(8, 8, 100_000)
    yield "gif_no_frames", gif(8, 8, 0)
    yield "gif_endless_extension", b"GIF89a\x08\0\x08\0\x80\0\0\0\0\0\xff\xff\xff" + b"!\xfe" + b"\x01a" * 500_000
    yield "gif_bad_lzw", gif(8, 8, 1).replace(b"\x02\x02D\x01", b"\x0d\x02\xff\xff")
    yield "webp_animated", saved(frames[0], format="WEBP", save_all=True, append_images=frames[1:])
    yield "avif_animated", saved(frames[0], format="AVIF", save_all=True, append_images=frames[1:])
    yield "avif_header_only", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf"
    yield "avif_box_of_4_gb", b"\0\0\0\x14ftypavif\0\0\0\0avif\xff\xff\xff\xffmeta"
    yield "tiff_pages", saved(frames[0], format="TIFF", save_all=True, append_images=frames[1:])
    yield "tiff_loop", tiff(GREY_TIFF, following=8)
    yield "tiff_100000_pages", tiff(GREY_TIFF, _pages(100_000), following=186)
    yield "tiff_grey", tiff(GREY_TIFF)
    yield "tiff_no_tags", tiff({})
    yield "tiff_next_beyond_end", tiff(GREY_TIFF, following=2**32 - 2)
    yield "tiff_strip_beyond_end", tiff({**GREY_TIFF, 273: 2**31})
    yield "tiff_1000_samples", tiff({**GREY_TIFF, 277: 1_000})
    yield "tiff_32_bits_of_nothing", tiff({**GREY_TIFF, 258: 32})
    yield "tiff_bad_compression", tiff({**GREY_TIFF, 259: 34_712})
    yield "tiff_jpeg_without_tables", tiff({**GREY_TIFF, 259: 7})
    yield "tiff_fax_of_noise", tiff({**GREY_TIFF, 258: 1, 259: 4}, np.random.default_rng(SEED).bytes(64))
    yield "tiff_rows_per_strip_2e32", tiff({**GREY_TIFF, 259: 5, 278: 2**32 - 1})
    yield "tiff_big_header_only", b"II+\0\x08\0\0\0" + struct.pack("<Q", 16)
    yield "tiff_float_nan", saved(Image.fromarray(np.full((8, 8), np.nan, np.float32)), format="TIFF")
    yield "tiff_float_infinite", saved(Image.fromarray(np.float32([[np.inf, 1, -np.inf, 3e38]] * 4)), format="TIFF")
    yield "bmp_header_only", bmp(8, 8)
    yield "bmp_zero", bmp(0, 0)
    yield "bmp_bad_bits", bmp(8, 8, bits=7)
    yield "bmp_huge_header", b"BM" + struct.pack("<IHHII", 54, 0, 0, 54, 2**31)
    yield "webp_header_only", webp(8, 8)
    yield "webp_empty_riff", b"RIFF\0\0\0\0WEBP"


def _pages(count):
    """Empty directories that each point to the next; the first is at byte 186."""
    start = 186
    return b"\0" * 64 + b"".join(struct.pack("<HI", 0, start + 6 * (page + 1)) for page in range(count))


def _shapes():
    for width, height in ((1, 1), (1, 2), (1, 5_000), (5_000, 1), (5, 5), (65_500, 1), (1, 65_500)):
        image = picture(width=width, height=height)
        yield f"shape_{width}x{height}_png", saved(image, format="PNG")
        yield f"shape_{width}x{height}_jpeg", saved(image, format="JPEG")
    for level in (0, 128, 255):
        yield f"blank_{level}", saved(Image.new("RGB", (WIDTH, HEIGHT), (level,) * 3), format="PNG")
    yield "blank_transparent", saved(Image.new("RGBA", (WIDTH, HEIGHT), (9, 9, 9, 0)), format="PNG")
