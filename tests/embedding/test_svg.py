"""Of an SVG the pictures that it embeds are looked at, and nothing else; so it is never allowed by them alone."""

import base64
import time
from urllib.parse import quote

import pytest
from drawn import drawn, encoded
from opening import frames_showing, reason_of, views_of
from PIL import Image

from embedding.decode.svg import MOST_PICTURES, embedded_pictures
from embedding.image import Reason
from embedding.picture import Needs

PNG, JPEG = encoded(drawn(1, 96, 72), "PNG"), encoded(drawn(2, 96, 72), "JPEG", quality=90)


def svg(*elements):
    return f'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">{"".join(elements)}</svg>'.encode()


def image(address):
    return f'<image href="{address}" width="9" height="9"/>'


def in_base64(data, kind="image/png", every=0, newline="\n"):
    text = base64.b64encode(data).decode()
    return f"data:{kind};base64," + newline.join(
        text[at : at + (every or len(text))] for at in range(0, len(text), every or len(text))
    )


WAYS = {
    "base64": image(in_base64(PNG)),
    "base64 in lines": image(in_base64(PNG, every=76)),
    "base64 in lines of XML": image(in_base64(PNG, every=76, newline="&#10;")),
    "percent-encoded base64": image("data:image/png;base64," + quote(base64.b64encode(PNG), safe="")),
    "percent-encoded": image(f"data:image/png,{quote(PNG)}"),
    "with parameters": image("data:image/png;charset=utf-8;base64," + base64.b64encode(PNG).decode()),
    "in capitals": image(in_base64(PNG).replace("data:image/png;base64", "DATA:IMAGE/PNG;BASE64")),
    "another type than it says": image(in_base64(PNG, "image/jpeg")),
    "in a style": f"<style>rect {{ background: url({in_base64(PNG)}) }}</style>",
    "in a style with quotes": f"<style>rect {{ background: url('{in_base64(PNG)}') }}</style>",
}


@pytest.mark.parametrize("way", WAYS)
def test_an_embedded_picture_is_a_view(way):
    found = views_of(svg("<rect/>", WAYS[way]))
    assert (found.format, found.size, found.frames) == ("SVG", (72, 96), 1)
    assert frames_showing(found, drawn(1, 96, 72)) == [0]
    assert (found.partly.reason, "drawing" in found.partly.detail) == (Reason.UNSUPPORTED_FORMAT, True)


def test_several_pictures_are_views_with_their_numbers_and_broken_ones_are_left_out():
    found = views_of(svg(image(in_base64(PNG)), image(in_base64(b"nonsense")), image(in_base64(JPEG, "image/jpeg"))))
    assert frames_showing(found, drawn(1, 96, 72)) == [0]
    assert frames_showing(found, drawn(2, 96, 72)) == [2]
    assert (found.frames, found.frames_judged) == (3, (0, 2))
    assert "2 of the 3" in found.partly.detail


def test_second_looks_at_a_picture_do_not_take_the_place_of_the_other_ones():
    pictures = [image(in_base64(encoded(drawn(seed, 96, 72), "PNG"))) for seed in range(5)]
    needs = Needs(keypoints=True, pixels=True)
    found = views_of(svg(*pictures), 7, needs=needs)
    assert [(seen.frame, seen.second) for seen in found.views] == [
        *((number, False) for number in range(5)),
        *((number, True) for number in range(2)),
    ]
    found = views_of(svg(*pictures), 5, needs=needs)
    assert [(seen.frame, seen.second) for seen in found.views] == [(number, False) for number in range(5)]


def test_there_are_no_more_views_than_wanted_and_no_drawings_within_drawings():
    many = svg(*[image(in_base64(encoded(drawn(seed, 96, 72), "PNG"))) for seed in range(20)])
    assert len(views_of(many, 5).views) == 5
    nested = svg(image(in_base64(svg(image(in_base64(PNG))), "image/svg+xml")))
    assert reason_of(nested) is Reason.UNSUPPORTED_FORMAT


def test_nothing_outside_the_file_is_read(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(PNG)
    addresses = (str(file), file.as_uri(), "http://127.0.0.1:1/a.png", "a.png")
    entity = f'<!DOCTYPE svg [<!ENTITY x SYSTEM "{file.as_uri()}">]>'.encode()
    for data in (svg(*map(image, addresses)), entity + svg("<text>&x;</text>")):
        assert embedded_pictures(data) == []
        assert reason_of(data) is Reason.UNSUPPORTED_FORMAT


def test_only_so_many_pictures_are_taken_from_a_file():
    assert len(embedded_pictures(svg(*[image("data:image/png;base64,AAAA")] * 1_000))) == MOST_PICTURES
    assert embedded_pictures(svg(image("data:image/png;base64,AAA"))) == []
    assert embedded_pictures(svg(image("data:image/png;base64"))) == []


@pytest.mark.parametrize("end", ["", '"'])
def test_many_addresses_take_no_longer_than_the_text_is_long(end):
    started = time.process_time()
    assert embedded_pictures(svg(f"data:image/png;base64,A{end}" * 400_000)) == []
    assert time.process_time() - started < 5


def test_many_costly_pictures_take_little_more_than_one():
    costly = encoded(Image.new("L", (8_000, 7_900)), "PNG")[:-1_000]  # decoded twice, because it is damaged
    started = time.process_time()
    assert reason_of(svg(image(in_base64(costly)) * MOST_PICTURES)) is Reason.UNSUPPORTED_FORMAT
    assert time.process_time() - started < 9
