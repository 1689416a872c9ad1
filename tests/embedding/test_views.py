"""Which frames, pages and parts of a file are looked at: whatever people see must be among the views."""

from itertools import pairwise

import numpy as np
import pytest
from drawn import drawn, encoded
from opening import frames_showing, showing, views_of, wanted
from PIL import Image

from embedding.image import Unreadable
from embedding.picture import WHOLE
from embedding.views import look_into
from embedding.windows import boxes

KNOWN = drawn(1, 96, 72)
OTHERS = [drawn(seed, 96, 72) for seed in range(100, 139)]
PLAIN = Image.new("RGB", (96, 72), "grey")
ANIMATED = {
    "GIF": {},
    "WEBP": {"lossless": True, "method": 0},
    "PNG": {"compress_level": 1},
    "AVIF": {"speed": 10},
    "TIFF": {},
    "MPO": {"quality": 90},
}


def animation(form, frames, **more):
    first, *rest = (frame.copy() for frame in frames)  # Pillow leaves options of one format in them
    return encoded(first, form, save_all=True, append_images=rest, **ANIMATED[form], **more)


@pytest.mark.parametrize("form", ANIMATED)
def test_a_known_picture_in_the_second_frame_is_among_the_views(form):
    found = views_of(animation(form, [OTHERS[0], KNOWN]))
    assert (found.frames, found.frames_judged) == (2, (0, 1))
    assert frames_showing(found, KNOWN) == [1]


@pytest.mark.parametrize(
    "form", [form for form in ANIMATED if form != "MPO"]
)  # Pillow writes none of more than 3 pictures
def test_a_known_picture_in_the_last_of_many_frames_is_among_the_views(form):
    found = views_of(animation(form, [*OTHERS, KNOWN]), 4)
    assert found.frames == 40
    assert frames_showing(found, KNOWN) == [39]
    assert len(found.views) == len(found.frames_judged) == 4
    assert found.frames_judged[0] == 0


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "AVIF"])
def test_a_known_picture_in_the_frame_that_is_shown_longest_is_among_the_views(form):
    times = [40] * 40
    times[17] = 3_000
    found = views_of(animation(form, [*OTHERS[:17], KNOWN, *OTHERS[17:]], duration=times), 4)
    assert frames_showing(found, KNOWN) == [17]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_picture_that_only_old_viewers_show_is_among_the_views(place):
    pictures = OTHERS[:2]
    pictures.insert(place, KNOWN)
    found = views_of(animation("PNG", pictures, default_image=True))
    assert (found.frames, frames_showing(found, KNOWN)) == (3, [place])


def test_of_an_animation_with_a_hidden_picture_a_reference_is_the_first_frame_that_is_shown():
    found = views_of(animation("PNG", [OTHERS[0], PLAIN, KNOWN, OTHERS[1]], default_image=True), 1)
    assert frames_showing(found, KNOWN) == [2]


def test_plain_and_repeated_frames_are_judged_but_are_no_views():
    found = views_of(animation("WEBP", [PLAIN, KNOWN, PLAIN, KNOWN, OTHERS[0], KNOWN]))
    assert [seen.frame for seen in found.views] == [1, 4]
    assert found.frames_judged == (0, 1, 2, 3, 4, 5)


def test_of_plain_frames_only_one_is_a_view():
    found = views_of(animation("WEBP", [PLAIN, Image.new("RGB", (96, 72), "red"), PLAIN]))
    assert len(found.views) == 1


def test_frames_that_only_move_a_little_are_different_views():
    """A frame that hides its picture for a moment, or moves it, must not stand for the other one."""
    moved = Image.fromarray(np.roll(np.asarray(KNOWN), 12, axis=1))
    assert [seen.frame for seen in views_of(animation("WEBP", [KNOWN, moved])).views] == [0, 1]


@pytest.mark.parametrize("most", [1, 2, 3, 5, 12, 40])
@pytest.mark.parametrize(("width", "height"), [(90, 60), (60, 300), (700, 60)])
def test_frames_windows_and_readings_together_are_never_more_than_the_limit(width, height, most):
    def frame(seed):
        image = drawn(seed, width, height)
        image.putalpha(drawn(seed + 50, width, height).convert("L"))
        return image

    found = views_of(animation("WEBP", [frame(seed) for seed in range(20)]), most)
    assert len(found.views) <= most
    assert found.views[0].box == WHOLE
    assert len(set(found.frames_judged)) == len(found.frames_judged) <= found.frames == 20
    _, left_out = boxes((height, width), most)
    assert found.unseen_windows >= left_out
    if most > 1:
        assert {seen.reading for seen in found.views} == {"plain", "on_black"} or found.unseen_windows > left_out
    if (width, most) == (90, 40):
        assert (len(found.frames_judged), found.unseen_windows) == (20, 0)


@pytest.mark.parametrize("long", [251, 260, 400, 777, 1_000, 1_450])
def test_windows_cover_the_whole_length_and_overlap(long):
    for size in ((long, 100), (100, long)):
        (whole, *windows), left_out = boxes(size, 12)
        assert (whole, left_out) == (WHOLE, 0)
        spans = [(left, right) if size[1] == long else (top, bottom) for left, top, right, bottom in windows]
        assert (spans[0][0], spans[-1][1]) == (0, pytest.approx(1))
        for (_, end), (start, _) in pairwise(spans):
            assert (end - start) * long >= 75 - 1e-6  # what is 0.75 wide lies in one of them whole
        assert all((end - start) * long == pytest.approx(200) for start, end in spans)


def test_pictures_of_usual_shapes_have_no_windows_and_very_long_ones_say_how_many_are_left_out():
    for size in ((100, 250), (250, 100), (100, 178), (1, 1)):
        assert boxes(size, 12) == ([WHOLE], 0)
    parts, left_out = boxes((100, 5_000), 12)
    assert (len(parts), left_out) == (12, 29)
    assert boxes((100, 5_000), 1) == ([WHOLE], 40)


@pytest.mark.parametrize("turned", [False, True])
def test_a_picture_in_the_middle_of_a_long_one_is_in_a_window_with_its_place(turned):
    tall = Image.new("RGB", (96, 700), "white")
    tall.paste(KNOWN, (0, 430))
    if turned:
        tall = tall.transpose(Image.Transpose.TRANSPOSE)
    found = views_of(encoded(tall, "PNG"))
    assert found.size == tall.size[::-1]
    windows = [seen for seen in found.views if seen.box != WHOLE]
    assert windows
    for seen in windows:
        left, top, right, bottom = seen.box
        part = tall.crop(
            (round(left * tall.width), round(top * tall.height), round(right * tall.width), round(bottom * tall.height))
        )
        assert np.array_equal(seen.own.pixels, np.asarray(part))
    start, end = (1, 3) if not turned else (0, 2)
    inside = [seen for seen in windows if seen.box[start] * 700 <= 430 and seen.box[end] * 700 >= 502]
    assert inside


def test_pages_of_different_sizes_are_looked_at_whole():
    pages = [drawn(5, 120, 90), drawn(6, 60, 200), KNOWN]
    found = views_of(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:], compression="tiff_lzw"))
    assert frames_showing(found, KNOWN) == [2]
    assert (1, WHOLE, "plain") in showing(found, pages[1])


def test_every_frame_is_kept_within_the_cap_on_pixels():
    pages = [KNOWN, Image.new("RGB", (400, 400))]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    found = look_into(data, wanted(max_pixels=10_000))
    assert not isinstance(found, Unreadable)
    assert found.partly.reason == "damaged"
    assert [seen.frame for seen in found.views] == [0]
