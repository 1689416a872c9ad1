"""Any bytes give views or a reason, within limits of time and memory: here, and in decoder processes."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hostile import UNREADABLE, hostile_inputs
from opening import flat, shared, wanted

from embedding.decode.frames import MOST_FRAMES
from embedding.image import Reason, Unreadable
from embedding.pdq import Pdq
from embedding.picture import NEGATIVE_READING, UNSTRETCHED_READING, WHOLE, Looked, Needs
from embedding.views import look_into

MAX_PIXELS = 100_000_000
WANTED = wanted(needs=Needs(keypoints=True, hash=True, pixels=True), max_pixels=MAX_PIXELS)
MOST_SECONDS = 5.0  # the slowest file takes 0.6 s on two busy cores
INPUTS = hostile_inputs()
BY_CORNERS = {UNSTRETCHED_READING, NEGATIVE_READING}  # views of which there are only keypoints
ROOT = Path(__file__).parents[2]
DAMAGED = "damaged"
REASONS = {Reason.UNKNOWN_FORMAT, Reason.UNSUPPORTED_FORMAT, Reason.CORRUPT, Reason.TOO_MANY_PIXELS}

# The expected result for some of them: a reason, that what is left is looked at, or a number of frames.
EXPECTED = {
    "empty": Reason.UNKNOWN_FORMAT,
    "text_svg": Reason.UNSUPPORTED_FORMAT,
    "text_eps": Reason.UNSUPPORTED_FORMAT,
    "text_pdf": Reason.UNSUPPORTED_FORMAT,
    "text_xbm": Reason.UNKNOWN_FORMAT,
    "other_heic": Reason.CORRUPT,
    "other_mp4": Reason.UNSUPPORTED_FORMAT,
    "bomb_png_50000": Reason.TOO_MANY_PIXELS,
    "bomb_png_2e31": Reason.TOO_MANY_PIXELS,
    "bomb_gif_65535": Reason.TOO_MANY_PIXELS,
    "bomb_gif_frame_beyond_screen": Reason.TOO_MANY_PIXELS,
    "bomb_bmp_upside_down": Reason.TOO_MANY_PIXELS,
    "bomb_tiff_60000": Reason.TOO_MANY_PIXELS,
    "bomb_tiff_tile": Reason.TOO_MANY_PIXELS,
    "bomb_jpeg_65500": Reason.TOO_MANY_PIXELS,
    "bomb_jpeg_scans": Reason.TOO_MANY_PIXELS,
    "cut_jpeg_90": DAMAGED,
    "cut_jpeg_progressive_50": DAMAGED,
    "cut_png_50": DAMAGED,
    "cut_gif_50": DAMAGED,
    "cut_webp_50": DAMAGED,
    "cut_avif_50": Reason.CORRUPT,
    "cut_bmp_50": DAMAGED,
    "cut_tiff_lzw_50": Reason.CORRUPT,
    "jpeg_trailing_garbage": 1,
    "jpeg_polyglot_zip": 1,
    "jpeg_bad_icc": 1,
    "jpeg_icc_for_cmyk": 1,
    "jpeg_exif_loop": 1,
    "jpeg_exif_huge_count": 1,
    "jpeg_orientation_65535": 1,
    "jpeg_many_comments": 1,
    "png_bad_crc": 1,
    "png_bad_icc": 1,
    "png_bad_exif": 1,
    "apng": 3,
    "apng_default_image": 3,
    "apng_default_image_cut": DAMAGED,
    "gif_animated": 3,
    "webp_animated": 3,
    "avif_animated": 3,
    "tiff_pages": 3,
    "gif_100000_frames": MOST_FRAMES,
    "tiff_100000_pages": Reason.CORRUPT,
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
def test_each_file_gives_views_or_a_reason(name):
    started = time.perf_counter()
    result = look_into(INPUTS[name], WANTED)
    assert time.perf_counter() - started < MOST_SECONDS
    if isinstance(result, Unreadable):
        assert not name.startswith(("good_", "shape_", "blank_"))
        assert_proper(result)
        return
    assert not name.startswith(UNREADABLE)
    assert_plausible(result)
    if result.partly:
        assert result.partly.reason is Reason.DAMAGED
        assert not name.startswith(("good_", "shape_", "blank_"))


def assert_proper(problem):
    assert problem.reason in REASONS
    assert problem.detail
    assert len(problem.detail) < 200
    assert problem.detail.isprintable()


def assert_plausible(found):
    assert 1 <= len(found.views) <= WANTED.max_views
    assert found.views[0].box == WHOLE
    assert 1 <= found.frames <= MOST_FRAMES
    assert {seen.frame for seen in found.views} <= set(found.frames_judged) <= set(range(found.frames))
    for seen in found.views:
        if seen.reading in BY_CORNERS:
            assert seen.second
            assert seen.own.has(Needs(keypoints=True))
        else:
            assert_has_pixels(seen.own)
    Pdq().encode([seen.own for seen in found.views if seen.reading not in BY_CORNERS])


def assert_has_pixels(prepared):
    pixels = prepared.pixels
    assert prepared.has(WANTED.needs)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.shape == (*prepared.size, 3)
    assert 1 <= pixels.shape[0] * pixels.shape[1] <= MAX_PIXELS


@pytest.mark.parametrize("name", EXPECTED)
def test_some_files_give_exactly_the_expected_result(name):
    result = look_into(INPUTS[name], WANTED)
    if isinstance(result, Unreadable):
        assert result.reason == EXPECTED[name], result
    else:
        assert (DAMAGED if result.partly else result.frames) == EXPECTED[name]


def test_decoder_processes_find_the_same_in_them_and_survive():
    """Of the files that are only cut or changed at random, those of a few formats."""
    some = [
        name
        for name in INPUTS
        if not name.startswith(("cut_", "flipped_", "noise_")) or "webp" in name or "jpeg_progressive" in name
    ]
    with ThreadPoolExecutor(shared().number) as pool:
        answers = pool.map(lambda name: shared().look_into(INPUTS[name], WANTED), some)
        wrong = [name for name, answer in zip(some, answers, strict=True) if not same(answer, INPUTS[name])]
    assert wrong == []


def same(answer, data):
    expected = look_into(data, WANTED)
    if isinstance(expected, Unreadable):
        return answer == expected
    return isinstance(answer, Looked) and flat(answer) == flat(expected)


def test_refusing_bombs_takes_little_memory():
    code = (
        "import resource\n"
        "from embedding.views import look_into\n"
        "from hostile import hostile_inputs\n"
        "from opening import wanted\n"
        "bombs = [data for name, data in hostile_inputs().items() if 'bomb' in name or name.startswith('tiff_')]\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for data in bombs: look_into(data, wanted(max_pixels=100_000_000))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "tests/support")}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=env)
    assert int(answer.stdout) < 200_000, "kilobytes"


def test_the_detail_for_a_bad_file_does_not_quote_it():
    result = look_into(b"\x89PNG\r\n\x1a\n" + b"\0\0\0\x0dSECRSECRET" * 9, WANTED)
    assert isinstance(result, Unreadable)
    assert "SECR" not in result.detail
