"""Each colour mode is decoded as a viewer would show it. The files are made here, without photographs."""

import io
import struct
import zlib

import numpy as np
import pytest
from hostile_made import chunk, exif, jpeg_with, picture, png, sample, saved, scans
from PIL import Image, ImageCms, PngImagePlugin

from embedding.decode.decoder import decode
from embedding.image import Reason, Unreadable
from embedding.picture import Picture

MAX = 1_000_000
WHITE, BLACK = [255, 255, 255], [0, 0, 0]


def pixels_of(data, max_pixels=MAX):
    result = decode(data, max_pixels)
    assert isinstance(result, Picture), result
    return result.pixels


def reason(data, max_pixels=MAX):
    result = decode(data, max_pixels)
    assert isinstance(result, Unreadable), "it was read"
    return result.reason


def near(left, right, levels):
    return np.abs(left.astype(int) - right.astype(int)).mean() <= levels


@pytest.mark.parametrize(
    ("options", "name", "levels"),
    [
        ({"format": "PNG"}, "PNG", 0),
        ({"format": "BMP"}, "BMP", 0),
        ({"format": "TIFF", "compression": "tiff_lzw"}, "TIFF", 0),
        ({"format": "WEBP", "lossless": True}, "WEBP", 0),
        ({"format": "JPEG", "quality": 95}, "JPEG", 6),
        ({"format": "JPEG", "quality": 95, "progressive": True}, "JPEG", 6),
        ({"format": "AVIF", "quality": 95}, "AVIF", 6),
        ({"format": "GIF"}, "GIF", 25),
    ],
)
def test_each_format_is_decoded_to_the_pixels_that_were_saved(options, name, levels):
    result = decode(saved(picture(), **options), MAX)
    assert (result.format, result.frames) == (name, 1)
    assert near(result.pixels, sample(), levels)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bit_greyscale_is_scaled_and_not_clipped(form):
    ramp = np.linspace(0, 65_535, 256).round().astype(np.uint16)[None].repeat(4, axis=0)
    expected = np.arange(256, dtype=np.uint8)[None, :, None].repeat(4, axis=0).repeat(3, axis=2)
    assert np.array_equal(pixels_of(saved(Image.fromarray(ramp), format=form)), expected)


def test_big_endian_16_bit_tiff_is_read_in_its_byte_order():
    data = saved(Image.fromarray(np.array([[0, 257 * 100, 65_535]], dtype=">u2")), format="TIFF")
    assert pixels_of(data)[0, :, 0].tolist() == [0, 100, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([0.0, 25_700.0, 65_535.0], [0, 100, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([np.nan, 0.0, 1.0], [0, 0, 255]),
        ([np.inf, 0.5, -np.inf], [255, 128, 0]),
    ],
)
def test_floating_point_values_are_scaled(values, expected):
    assert pixels_of(saved(Image.fromarray(np.float32([values])), format="TIFF"))[0, :, 0].tolist() == expected


def test_one_bit_is_black_and_white():
    data = saved(Image.fromarray(np.array([[False, True]])), format="PNG")
    assert pixels_of(data)[0].tolist() == [BLACK, WHITE]


def test_transparent_pixels_show_white_whatever_their_own_colour_is():
    clear = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    clear.putpixel((1, 0), (0, 0, 0, 128))
    assert pixels_of(saved(clear, format="PNG"))[0].tolist() == [WHITE, [127, 127, 127]]
    grey = Image.new("LA", (1, 1), (0, 0))
    assert pixels_of(saved(grey, format="PNG"))[0, 0].tolist() == WHITE


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_a_transparent_palette_colour_shows_white(form):
    image = Image.fromarray(np.array([[0, 1]], dtype=np.uint8)).convert("P")
    image.putpalette([200, 0, 0, 0, 0, 200])
    data = saved(image, format=form, transparency=0)
    assert pixels_of(data)[0].tolist() == [WHITE, [0, 0, 200]]


def test_a_palette_with_alphas_is_blended():
    image = Image.fromarray(np.array([[0, 1]], dtype=np.uint8)).convert("P")
    image.putpalette([0, 0, 0, 0, 0, 200])
    assert pixels_of(saved(image, format="PNG", transparency=b"\x80\xff"))[0].tolist() == [[127, 127, 127], [0, 0, 200]]


def test_a_transparent_colour_of_an_rgb_png_shows_white():
    rows = zlib.compress(b"\0" + bytes([1, 2, 3]) + bytes([9, 9, 9]))
    data = png(2, 1, chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3)), chunk(b"IDAT", rows))
    assert pixels_of(data)[0].tolist() == [WHITE, [9, 9, 9]]


def test_cmyk_has_the_right_colours_and_not_their_negative():
    colours = np.zeros((16, 32, 3), dtype=np.uint8)
    colours[:, :16] = (230, 20, 20)
    colours[:, 16:] = WHITE
    for form in ("JPEG", "TIFF"):
        pixels = pixels_of(saved(Image.fromarray(colours).convert("CMYK"), format=form))
        assert near(pixels[4:12, 4:12], colours[4:12, 4:12], 8)
        assert near(pixels[4:12, 20:28], colours[4:12, 20:28], 8)


def test_lab_is_converted():
    assert near(pixels_of(saved(picture("LAB"), format="TIFF")), sample(), 3)


def profile(**change):
    """An sRGB profile whose red and blue are exchanged, or whose header is changed."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {bytes(data[at : at + 4]): at for at in range(132, 132 + 12 * data[131], 12)}
    if change.get("exchanged"):
        red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
        data[red + 4 : red + 12], data[blue + 4 : blue + 12] = data[blue + 4 : blue + 12], data[red + 4 : red + 12]
    return bytes(data)


def test_an_embedded_profile_is_converted_to_srgb():
    image = Image.new("RGB", (8, 8), (250, 10, 10))
    pixels = pixels_of(saved(image, format="PNG", icc_profile=profile(exchanged=True)))
    assert pixels[0, 0, 2] > 240
    assert pixels[0, 0, 0] < 40


def test_the_profile_is_applied_to_pictures_with_transparency_too():
    image = Image.new("RGBA", (1, 2), (250, 10, 10, 255))
    image.putpixel((0, 1), (250, 10, 10, 0))
    pixels = pixels_of(saved(image, format="PNG", icc_profile=profile(exchanged=True)))
    assert pixels[0, 0, 2] > 240
    assert pixels[1, 0].tolist() == WHITE


@pytest.mark.parametrize("data", [b"nonsense", profile()[:200], profile()])
def test_srgb_and_broken_profiles_change_nothing(data):
    assert np.array_equal(pixels_of(saved(picture(), format="PNG", icc_profile=data)), sample())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(orientation, form):
    """The stored picture is the upright one turned the other way, as a camera stores it."""
    turn = Image.Transpose
    stored_as = {
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_90,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_270,
    }
    upright = picture()
    stored = upright.transpose(stored_as[orientation]) if orientation in stored_as else upright
    tags = Image.Exif()
    tags[0x0112] = orientation
    exact = {"lossless": True} if form == "WEBP" else {"quality": 95} if form == "JPEG" else {}
    pixels = pixels_of(saved(stored, format=form, exif=tags, **exact))
    assert pixels.shape == sample().shape
    assert near(pixels, sample(), 6 if form == "JPEG" else 0)
    assert pixels.flags.c_contiguous


def test_an_orientation_that_exif_does_not_define_is_ignored():
    assert np.array_equal(pixels_of(jpeg_with(exif_segment(9))), pixels_of(jpeg_with()))


def exif_segment(value):
    data = exif(value)
    return b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data


def test_a_picture_of_many_strips_has_no_seams():
    tall = np.arange(3_000 * 1_000, dtype=np.uint32).view(np.uint8).reshape(3_000, 1_000, 4)[..., :3]
    assert np.array_equal(pixels_of(saved(Image.fromarray(tall.copy()), format="BMP"), 10_000_000), tall)


def test_the_cap_on_pixels_is_inclusive_and_read_before_decoding():
    data = saved(picture(), format="PNG")
    assert pixels_of(data, 96 * 64).shape == (64, 96, 3)
    assert reason(data, 96 * 64 - 1) is Reason.TOO_MANY_PIXELS
    assert reason(data[: len(data) // 2], 96 * 64 - 1) is Reason.TOO_MANY_PIXELS  # its rows were not read
    assert reason(data[: len(data) // 2]) is Reason.CORRUPT  # `decode` is for trusted files: a part is not enough


def test_a_png_of_too_many_pixels_is_refused_before_its_rows_are_read_for_its_exif(monkeypatch):
    def load(_):
        raise AssertionError("it was decoded")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    assert reason(saved(picture(), format="PNG"), 96 * 64 - 1) is Reason.TOO_MANY_PIXELS


def test_rows_of_a_png_that_cannot_be_decoded_are_an_error_although_it_has_no_exif():
    assert reason(png(96, 64, chunk(b"IDAT", b"nonsense"))) is Reason.CORRUPT


def test_the_animation_is_decoded_first_and_not_the_picture_that_only_old_viewers_show():
    old, first, second = (Image.new("RGB", (8, 8), (level,) * 3) for level in (10, 100, 200))
    data = saved(old, format="PNG", save_all=True, append_images=[first, second], default_image=True)
    result = decode(data, MAX)
    assert (result.frames, result.pixels[0, 0, 0]) == (3, 100)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_frame_is_decoded_and_frames_are_counted(form):
    frames = [Image.new("RGB", (16, 16), (level,) * 3) for level in (200, 100, 50, 10)]
    result = decode(saved(frames[0], format=form, save_all=True, append_images=frames[1:]), MAX)
    assert result.frames == 4
    assert near(result.pixels, np.full((16, 16, 3), 200), 3)


def test_a_jpeg_with_too_many_scans_is_refused():
    assert isinstance(decode(scans(20), MAX), Picture)
    assert reason(scans(1_100)) is Reason.TOO_MANY_PIXELS


def test_the_format_is_determined_by_the_first_bytes_only():
    assert reason(b"\n" + saved(picture(), format="PNG")) is Reason.UNKNOWN_FORMAT
    assert reason(saved(picture(), format="PPM")) is Reason.UNSUPPORTED_FORMAT
    assert reason(saved(picture(), format="ICO")) is Reason.UNSUPPORTED_FORMAT
    assert reason(b"BM of a text") is Reason.CORRUPT


def test_a_second_picture_appended_by_a_camera_is_counted():
    file = io.BytesIO()
    picture().save(file, format="MPO", save_all=True, append_images=[picture()])
    result = decode(file.getvalue(), MAX)
    assert (result.format, result.frames) == ("JPEG", 2)
