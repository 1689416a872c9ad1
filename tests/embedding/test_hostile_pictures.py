"""Any bytes are decoded to a Picture or an Unreadable, within limits of time and memory."""

import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hostile import UNREADABLE, hostile_inputs

from embedding.decode.decoder import decode
from embedding.decode.frames import MOST_FRAMES
from embedding.image import Reason, Unreadable
from embedding.pdq import Pdq
from embedding.picture import Picture

MAX_PIXELS = 100_000_000
MOST_SECONDS = 5.0  # the slowest file takes 0.6 s on two busy cores
INPUTS = hostile_inputs()
ROOT = Path(__file__).parents[2]

# The expected result for some of them: a reason, or a number of frames.
EXPECTED = {
    "empty": Reason.UNKNOWN_FORMAT,
    "text_svg": Reason.UNKNOWN_FORMAT,
    "text_eps": Reason.UNKNOWN_FORMAT,
    "other_heic": Reason.UNKNOWN_FORMAT,
    "bomb_png_50000": Reason.TOO_MANY_PIXELS,
    "bomb_png_2e31": Reason.TOO_MANY_PIXELS,
    "bomb_gif_65535": Reason.TOO_MANY_PIXELS,
    "bomb_gif_frame_beyond_screen": Reason.TOO_MANY_PIXELS,
    "bomb_bmp_upside_down": Reason.TOO_MANY_PIXELS,
    "bomb_tiff_60000": Reason.TOO_MANY_PIXELS,
    "bomb_tiff_tile": Reason.TOO_MANY_PIXELS,
    "bomb_jpeg_65500": Reason.TOO_MANY_PIXELS,
    "bomb_jpeg_scans": Reason.TOO_MANY_PIXELS,
    "cut_jpeg_90": Reason.CORRUPT,
    "cut_jpeg_progressive_50": Reason.CORRUPT,
    "cut_png_50": Reason.CORRUPT,
    "cut_gif_50": Reason.CORRUPT,
    "cut_webp_50": Reason.CORRUPT,
    "cut_avif_50": Reason.CORRUPT,
    "cut_bmp_50": Reason.CORRUPT,
    "cut_tiff_lzw_50": Reason.CORRUPT,
    "jpeg_trailing_garbage": 1,
    "jpeg_polyglot_zip": 1,
    "jpeg_bad_icc": 1,
    "jpeg_icc_for_cmyk": 1,
    "jpeg_exif_loop": 1,
    "jpeg_exif_huge_count": 1,
    "jpeg_orientation_65535": 1,
    "jpeg_many_comments": 1,
    "png_bad_icc": 1,
    "png_bad_exif": 1,
    "apng": 3,
    "apng_default_image": 2,
    "gif_animated": 3,
    "webp_animated": 3,
    "avif_animated": 3,
    "tiff_pages": 3,
    "gif_100000_frames": MOST_FRAMES,
    "tiff_100000_pages": MOST_FRAMES,
    "tiff_loop": 1,
    "tiff_grey": 1,
}


def test_the_hostile_files_are_many_and_nearly_all_differ():
    assert len(INPUTS) >= 150
    assert len(set(INPUTS.values())) > 0.9 * len(INPUTS)
    again = hostile_inputs()
    assert again.keys() == INPUTS.keys()
    assert [name for name in again if again[name] != INPUTS[name]] in ([], ["avif_animated"])
    assert EXPECTED.keys() <= INPUTS.keys()


@pytest.mark.parametrize("name", INPUTS)
def test_each_file_gives_a_picture_or_a_reason(name):
    started = time.perf_counter()
    result = decode(INPUTS[name], MAX_PIXELS)
    assert time.perf_counter() - started < MOST_SECONDS
    if isinstance(result, Unreadable):
        assert not name.startswith(("good_", "shape_", "blank_"))
        assert result.reason in {Reason.UNKNOWN_FORMAT, Reason.CORRUPT, Reason.TOO_MANY_PIXELS}
        assert result.detail
        assert len(result.detail) < 200
        assert result.detail.isprintable()
    else:
        assert not name.startswith(UNREADABLE)
        pixels = result.pixels
        assert pixels.dtype == np.uint8
        assert pixels.flags.c_contiguous
        assert pixels.shape[2:] == (3,)
        assert 1 <= pixels.shape[0] * pixels.shape[1] <= MAX_PIXELS
        assert 1 <= result.frames <= MOST_FRAMES
        Pdq().encode([pixels])


@pytest.mark.parametrize("name", EXPECTED)
def test_some_files_give_exactly_the_expected_result(name):
    result = decode(INPUTS[name], MAX_PIXELS)
    outcome = result.reason if isinstance(result, Unreadable) else result.frames
    assert outcome == EXPECTED[name], result


def test_threads_decode_in_parallel_and_the_warning_filters_are_restored_afterwards():
    before = list(warnings.filters)
    names = sorted(INPUTS)
    alone = {name: type(decode(INPUTS[name], 1_000_000)) for name in names}
    wrong = []

    def work(shift):
        for at in range(len(names)):
            name = names[(at + shift) % len(names)]
            if type(decode(INPUTS[name], 1_000_000)) is not alone[name]:
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(shift,)) for shift in (0, 60, 120)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert warnings.filters == before


def test_refusing_bombs_takes_little_memory():
    code = (
        "import resource\n"
        "from embedding.decode.decoder import decode\n"
        "from hostile import hostile_inputs\n"
        "bombs = [data for name, data in hostile_inputs().items() if 'bomb' in name or name.startswith('tiff_')]\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for data in bombs: decode(data, 100_000_000)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "tests/support")}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=env)
    assert int(answer.stdout) < 200_000, "kilobytes"


def test_the_detail_for_a_bad_file_does_not_quote_it():
    result = decode(b"\x89PNG\r\n\x1a\n" + b"\0\0\0\x0dSECRSECRET" * 9, MAX_PIXELS)
    assert isinstance(result, Unreadable)
    assert "SECR" not in result.detail


def test_every_good_file_is_decoded_to_a_picture():
    assert all(isinstance(decode(data, MAX_PIXELS), Picture) for name, data in INPUTS.items() if name[:5] == "good_")
