"""The drawing of a picture beside a reference that it shows at an angle."""

import re

import numpy as np
import pytest
from html_page import Page

from matcher.explain import Overlay
from vigilens.pages.overlay import GAP, WIDTH, Panel, drawing

SIDE = (WIDTH - GAP) / 2  # of each of two square pictures
TILTED = ((0.3, 0.2), (0.7, 0.3), (0.8, 0.9), (0.2, 0.8))


def outlines(region):
    """The corners of the region in the picture, and of the part of the reference that is in it; as fractions."""
    overlay = Overlay(region, region, np.zeros((0, 4), np.float32))
    page = Page(drawing(Panel(9, 9, "data:,"), Panel(9, 9, "data:,"), overlay, ""))
    (inside,), (back,) = page.of("polygon", "region"), page.of("path", "back")
    return corners(inside["points"], 0), corners(back["d"].strip("MZ"), SIDE + GAP)


def corners(text, left):
    numbers = np.array(re.findall(r"-?\d+", text), float).reshape(-1, 2)
    return {(round(x, 1), round(y, 1)) for x, y in ((numbers - (left, 0)) / SIDE + 0.0).tolist()}


def test_a_screen_seen_at_an_angle_is_outlined_by_its_four_corners_and_shows_all_of_the_reference():
    inside, back = outlines(TILTED)
    assert inside == set(TILTED)
    assert back == {(0, 0), (1, 0), (1, 1), (0, 1)}


def test_a_small_region_in_a_picture_is_outlined_where_it_lies():
    small = ((0.6, 0.1), (0.9, 0.1), (0.9, 0.3), (0.6, 0.3))
    assert outlines(small)[0] == set(small)


@pytest.mark.parametrize("mirrored", [False, True])
def test_of_a_tilted_reference_that_is_cut_off_only_the_part_in_the_picture_is_outlined(mirrored):
    # A third of the region is cut off. Its left edge is nearer to the viewer, so that is a fifth of the reference.
    region = ((-0.5, 0.0), (1.0, 0.25), (1.0, 0.75), (-0.5, 1.0))
    inside, back = outlines(tuple((1 - x, y) for x, y in region) if mirrored else region)
    assert len(inside) == len(back) == 4
    assert {x for x, _ in inside} == {0, 1}
    assert {x for x, _ in back} == {0.2, 1}
    assert {y for _, y in back} == {0, 1}
