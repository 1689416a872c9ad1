"""Files that are small but costly are refused by their structure, before they are opened; usual ones are not."""

import io
import time
import zlib

import numpy as np
import pytest
from drawn import drawn, encoded
from hostile_made import chunk, png, rows, saved, scans
from made_tiffs import BYTE, HERE, LONG, LONG8, SHORT, made_tiff, striped, tiled
from opening import reason_of, views_of
from PIL import Image

from embedding.decode.limits import too_costly
from embedding.decode.tiff import directories
from embedding.image import Reason

MAX = 64_000_000
MANY = 400_000
PLANES = {"t277": (SHORT, [3]), "t262": (SHORT, [2]), "t258": (SHORT, [8] * 3), "t284": (SHORT, [2])}

BOMBS = {
    "strips": made_tiff(striped(64, 2, 1, MANY)),
    "strips, SHORT": made_tiff(striped(64, 2, 1, MANY, SHORT)),
    "strips, BYTE": made_tiff(striped(64, 2, 1, MANY, BYTE)),
    "strips, big-endian": made_tiff(striped(64, 2, 1, MANY), order=">"),
    "strips, BigTIFF": made_tiff(striped(64, 2, 1, MANY, LONG8), big=True),
    "strips without rows per strip": made_tiff({**striped(64, 2, 1, MANY), 278: (LONG, [2**32 - 1])}),
    "one strip too many": made_tiff(striped(64, 60, 1, 61)),
    "counts only": made_tiff({**striped(64, 2, 1, 2), 279: (LONG, [1] * MANY)}),
    "planes": made_tiff(striped(64, 2, 1, 7, **PLANES)),
    "tiles": made_tiff(tiled(32, 32, 16, MANY)),
    "tiles, BigTIFF": made_tiff(tiled(32, 32, 16, 5), big=True),
    "a huge tile": made_tiff(tiled(8, 8, 65_520, 1)),
    "many values elsewhere": made_tiff({**striped(64, 2, 1, 2), 50_000: (LONG, [1] * MANY)}),
    "second directory": made_tiff(striped(64, 2, 1, 2), striped(64, 2, 1, MANY)),
    "fortieth directory": made_tiff(*[striped(64, 2, 1, 2)] * 39, striped(64, 2, 1, MANY)),
    "JPEG scans in a TIFF": made_tiff(
        {**striped(3_000, 2_000, 2_000, 1), 259: (SHORT, [7])},
        pixels=scans(600, Image.new("L", (3_000, 2_000), "white")),
    ),
    "JPEG scans": scans(600, Image.new("L", (3_000, 2_000), "white")),
    "JPEG segments": b"\xff\xd8" + b"\xff\xe1\0\2" * MANY + encoded(drawn(1, 64, 48), "JPEG")[2:],
    "JPEG fill bytes": b"\xff\xd8" + b"\xff" * MANY + encoded(drawn(1, 64, 48), "JPEG")[2:],
    "PNG profiles": png(8, 8, chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(1_000_000))) * 1_000, rows(8, 8, 3)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_at_once(name):
    started = time.process_time()
    assert reason_of(BOMBS[name]) is Reason.TOO_MANY_PIXELS
    assert time.process_time() - started < 1


def page(**options):
    return saved(drawn(1, 200, 150), format="TIFF", **options)


def planar():
    """Three planes of 10 strips each."""
    values = np.asarray(drawn(1, 64, 40))
    tags = striped(64, 40, 4, 30, **PLANES)
    offsets = [8 + 256 * number for number in range(30)]
    tags |= {273: (LONG, offsets), 279: (LONG, [256] * 30)}
    return made_tiff(tags, pixels=values.transpose(2, 0, 1).tobytes())


def in_tiles():
    values = np.asarray(drawn(1, 64, 48).convert("L"))
    tiles = [values[top : top + 16, left : left + 16] for top in range(0, 48, 16) for left in range(0, 64, 16)]
    tags = tiled(64, 48, 16, 12) | {324: (LONG, [8 + 256 * number for number in range(12)])}
    return made_tiff(tags, pixels=b"".join(tile.tobytes() for tile in tiles))


USUAL = {
    "one row per strip": page(tiffinfo={278: 1}),
    "eight rows per strip": page(tiffinfo={278: 8}, compression="tiff_lzw"),
    "JPEG": page(compression="jpeg"),
    "BigTIFF": page(big_tiff=True),
    "deflate": page(compression="tiff_adobe_deflate"),
    "fax": saved(drawn(1, 200, 150).convert("1"), format="TIFF", compression="group4"),
    "profile and EXIF": page(icc_profile=bytes(3_000), exif=Image.Exif()),
    "planes": planar(),
    "tiles": in_tiles(),
    "pages": encoded(drawn(1), "TIFF", save_all=True, append_images=[drawn(seed) for seed in range(2, 12)]),
    "JPEG with scans": scans(30, drawn(1)),
}


@pytest.mark.parametrize("name", USUAL)
def test_usual_files_are_not_refused(name):
    data = USUAL[name]
    assert too_costly(data, "JPEG" if name == "JPEG with scans" else "TIFF", MAX) is None
    assert views_of(data).partly is None


def test_planes_and_tiles_are_decoded_as_they_were_made():
    assert np.array_equal(views_of(planar()).views[0].own.pixels, np.asarray(drawn(1, 64, 40)))
    grey = np.asarray(drawn(1, 64, 48).convert("L"))
    assert np.array_equal(views_of(in_tiles()).views[0].own.pixels[..., 0], grey)


def test_directories_that_point_to_each_other_or_beyond_the_file_end_the_list():
    loop = made_tiff(striped(64, 2, 1, 2), striped(64, 2, 1, 2))
    first = int.from_bytes(loop[4:8], "little")
    assert len(directories(loop, 100)) == 2
    again = loop[: -4 - 16] + first.to_bytes(4, "little") + loop[-16:]
    assert len(directories(again, 100)) == 2
    for end in range(0, len(loop), 7):
        assert len(directories(loop[:end], 100)) <= 2


def test_random_bytes_after_the_signature_raise_nothing(rng):
    for start in (b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0"):
        for _ in range(200):
            data = start + bytes([0, 0, 0, 8][:: 1 if start[:1] == b"M" else -1]) + rng.randbytes(rng.randrange(200))
            too_costly(data, "TIFF", MAX)
            assert io.BytesIO(data).read(4) == start[:4]


def test_tags_and_offsets_are_those_that_were_written():
    (found,) = directories(made_tiff(striped(64, 2, 1, 2)), 10)
    assert (found.values[256], found.values[257], found.values[278], found.counts[273]) == (64, 2, 1, 2)
    assert HERE not in found.values.values()
