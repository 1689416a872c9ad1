"""Maps of tilted pictures: found from points, bounded, and only as bent as the points ask for."""

import numpy as np
import pytest
from detailed import cropped, detailed, tilted, turned

from embedding.local.keypoints import detect
from matcher.check.align import align
from matcher.check.common import check
from matcher.check.projective import FAR, Projective, affine, fitted, plausible, through

FRAME = np.float32([(0, 0), (1, 0), (1, 0.75), (0, 0.75)])
TILT = through(np.float32([(0.1, 0.1), (0.9, 0.2), (0.8, 0.6), (0.15, 0.7)]), FRAME)


def points(number=200, seed=5):
    return (np.random.default_rng(seed).random((number, 2)) * (1, 0.75)).astype(np.float32)


def furthest(one, other, places=FRAME):
    return float(np.abs(one.forth(places) - other.forth(places)).max())


def test_a_known_map_is_found_from_exact_points():
    here = points()
    assert furthest(fitted(TILT.forth(here), here), TILT) < 0.005


def test_a_known_map_is_found_from_points_that_are_off_by_a_hundredth():
    here = points()
    there = TILT.forth(here) + np.random.default_rng(6).normal(0, 0.01, here.shape).astype(np.float32)
    assert furthest(fitted(there, here), TILT) < 0.012


def test_four_points_determine_a_map_and_points_in_one_place_or_on_a_line_determine_none_that_is_used():
    assert furthest(through(TILT.forth(FRAME), FRAME), TILT) < 1e-4
    assert fitted(np.zeros((8, 2), np.float32), points(8)) is None
    on_a_line = np.repeat(np.linspace(0, 1, 8, dtype=np.float32)[:, None], 2, 1)
    found = fitted(on_a_line, on_a_line)
    assert found is None or np.isfinite(found.forth(FRAME)).all()


def test_back_undoes_forth():
    here = points()
    np.testing.assert_allclose(TILT.back(TILT.forth(here)), here, atol=1e-4)


def test_points_on_or_beyond_the_horizon_lie_far_outside():
    map_ = Projective(np.array([[1.0, 0, 0], [0, 1, 0], [-1, 0, 1]]))  # the horizon is x = 1
    mapped = map_.forth(np.float32([(0.5, 0.5), (1.0, 0.5), (3.0, 0.5)]))
    assert mapped[0] == pytest.approx((1.0, 1.0))
    assert (np.abs(mapped[1:]) == FAR).any(1).all()


@pytest.mark.parametrize(
    ("perspective", "permitted"),
    [((0.0, 0.0), True), ((-0.5, 0.0), True), ((-0.7, 0.0), True), ((-0.8, 0.0), False), ((-2.0, 0.0), False)],
    ids=["none", "half as far", "3.3 times as far", "5 times as far", "folded"],
)
def test_folded_and_too_foreshortened_maps_are_refused(perspective, permitted):
    matrix = np.eye(3)
    matrix[2, :2] = perspective
    assert plausible(Projective(matrix), FRAME) == permitted


def test_zoom_is_the_local_scale():
    step = np.float32(1e-3)
    here = points(20)
    right, down = (TILT.forth(here + off) - TILT.forth(here) for off in (np.float32([step, 0]), np.float32([0, step])))
    area = np.abs(right[:, 0] * down[:, 1] - right[:, 1] * down[:, 0]) / step**2
    np.testing.assert_allclose(TILT.zoom(here), np.sqrt(area), rtol=0.02)
    assert affine(np.float32([[3, 0], [0, 3]]), np.float32([1, 2])).zoom(here) == pytest.approx(3.0)


@pytest.mark.parametrize(
    "edit",
    [
        lambda pixels: pixels,
        lambda pixels: pixels[::2, ::2],
        lambda pixels: turned(pixels, 17),
        lambda pixels: cropped(pixels, 0.2, 0.1, 0.9, 0.8),
        np.rot90,
    ],
    ids=["the same", "half the size", "turn", "crop", "quarter turn"],
)
def test_the_map_of_an_affine_copy_stays_affine(edit):
    for seed in range(500, 504):
        found = align(detect(np.ascontiguousarray(edit(detailed(seed)))), detect(detailed(seed)))
        assert found.matrix[2].tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("share", [0.2, 0.3, 0.4])
@pytest.mark.parametrize("seed", range(500, 504))
def test_the_region_of_a_tilted_copy_is_its_true_quadrilateral(share, seed):
    seen, corners = tilted(detailed(seed), share)
    (found,) = check(detect(seen), [detect(detailed(seed))])
    np.testing.assert_allclose(found.region, corners, atol=0.02)
    assert found.score > 0.5
