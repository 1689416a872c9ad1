"""Other ways in which viewers show a file are looked at too, where they show more."""

import pytest
from drawn import drawn, encoded
from opening import showing, views_of
from PIL import Image
from profiles import falling_profile, srgb_profile, wide_profile
from skimage import data

KNOWN = drawn(1, 96, 72).convert("L")
WHITE = Image.new("L", KNOWN.size, 255)
FORMS = ("PNG", "WEBP", "AVIF", "TIFF")


def readings(file):
    return [seen.reading for seen in views_of(file).views]


def exact(form):
    return {"WEBP": {"lossless": True, "exact": True}, "AVIF": {"quality": 95}}.get(form, {})


@pytest.mark.parametrize("form", FORMS)
def test_a_picture_drawn_in_white_on_nothing_is_seen_on_black(form):
    found = views_of(encoded(Image.merge("RGBA", (WHITE, WHITE, WHITE, KNOWN)), form, **exact(form)))
    assert [seen.reading for seen in found.views] == ["plain", "on_black"]
    assert [reading for *_, reading in showing(found, KNOWN)] == ["on_black"]


def test_so_is_one_with_grey_and_alpha_and_one_with_a_transparent_palette():
    assert readings(encoded(Image.merge("LA", (WHITE, KNOWN)), "PNG")) == ["plain", "on_black"]
    palette = KNOWN.convert("P")
    palette.putpalette([255] * 768)
    found = views_of(encoded(palette, "PNG", transparency=bytes(range(256))))
    assert [reading for *_, reading in showing(found, KNOWN)] == ["on_black"]


@pytest.mark.parametrize("form", FORMS)
def test_an_opaque_picture_with_an_alpha_channel_has_one_reading(form):
    image = drawn(2, 96, 72).convert("RGBA")
    assert readings(encoded(image, form, **exact(form))) == ["plain"]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_picture_that_a_profile_turns_into_its_negative_is_seen_without_the_profile_too(form):
    image = drawn(1, 96, 72)
    found = views_of(encoded(image, form, icc_profile=falling_profile(), **exact(form)))
    assert [seen.reading for seen in found.views] == ["plain", "without_profile"]
    assert [reading for *_, reading in showing(found, image)] == ["without_profile"]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_so_is_a_grey_one(form):
    image = drawn(1, 96, 72).convert("L")
    found = views_of(encoded(image, form, icc_profile=falling_profile("GRAY")))
    assert [seen.reading for seen in found.views] == ["plain", "without_profile"]
    assert [reading for *_, reading in showing(found, image)] == ["without_profile"]


@pytest.mark.parametrize("profile", [srgb_profile(), wide_profile(), b"nonsense"])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_usual_profiles_and_broken_ones_give_one_reading(form, profile):
    for photograph in (data.astronaut(), data.coffee()):
        image = Image.fromarray(photograph).resize((240, 180))
        assert readings(encoded(image, form, icc_profile=profile, **exact(form))) == ["plain"]
