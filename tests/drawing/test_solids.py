"""Voxels as solids: what hides what, which faces are bright, that nothing is cut off, and the pictures made of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo_core import DataSpec
from ganzoo_core.display.gallery import read_gallery
from ganzoo_core.drawing import pictures, solids
from ganzoo_core.drawing.pictures import bare_grid, cells, picture, png_bytes
from ganzoo_core.drawing.solids import TURN, solid_images, solid_side
from ganzoo_core.drawing.terminal import half_blocks

CUBES = DataSpec("cubes", (1, 8, 8, 8), ("a", "b"), "voxels")


def voxels(*filled: tuple[int | slice, int | slice, int | slice], side: int = 8) -> torch.Tensor:
    found = torch.full((1, 1, side, side, side), -1.0)
    for place in filled:
        found[(0, 0, *place)] = 1
    return found


ALL = slice(None)


def seen(values: torch.Tensor, turn: float = TURN, side: int = 64) -> np.ndarray:
    return solid_images(values, side, turn)[0].astype(int)


def middle(image: np.ndarray) -> tuple[float, float]:
    """Where the bright of an image lies, row and column, from its middle on."""
    places = np.argwhere(image > 0)
    return tuple(places.mean(axis=0) - (len(image) - 1) / 2)


def test_nothing_is_black_and_a_cube_shows_three_faces() -> None:
    assert seen(voxels()).max() == 0
    values, counts = np.unique(seen(voxels((ALL, ALL, ALL)), side=128) // 20, return_counts=True)
    assert counts[0] < 0.6 * 128**2 and len(values) > 3


def test_from_the_front_rows_run_down_and_columns_to_the_right() -> None:
    top, bottom, left, right = (
        middle(seen(voxels(place), 0)) for place in ((4, 0, ALL), (4, 7, ALL), (4, ALL, 0), (4, ALL, 7))
    )
    assert top[0] < -5 < 5 < bottom[0] and left[1] < -5 < 5 < right[1]
    assert abs(top[1]) < 1 and abs(bottom[1]) < 1


def test_turning_goes_round_the_upright_axis() -> None:
    front = voxels((0, ALL, 4))
    across = [middle(seen(front, turn))[1] for turn in (0, 90, 180, 270)]
    assert abs(across[0]) < 4 and abs(across[2]) < 4 and across[1] > 10 and across[3] < -10
    assert np.array_equal(seen(front, 30), seen(front, 390))


def test_the_near_hides_the_far_and_is_brighter() -> None:
    near, far = voxels((0, ALL, ALL)), voxels((7, ALL, ALL))
    both = voxels((0, ALL, ALL), (7, ALL, ALL))
    covered = seen(near, 0, 256) > 0  # of one ray a pixel: edges are not smoothed
    assert np.array_equal(seen(both, 0, 256)[covered], seen(near, 0, 256)[covered])
    faces = [seen(near, 0)[32, 32], seen(far, 0)[32, 32], seen(near, 180)[32, 32]]
    assert faces[0] > faces[1] > 0 and abs(faces[1] - faces[2]) <= 1


def test_the_top_is_brighter_than_the_front_and_the_front_than_the_side() -> None:
    image = seen(voxels((slice(2, 6), slice(2, 6), slice(2, 6))), 45, side=128)
    assert image[45, 64] > image[74, 64 + 15] > image[74, 64 - 15] > 0


@pytest.mark.parametrize("turn", [0, 40, 90, 200])
@pytest.mark.parametrize("shape", [(8, 8, 8), (2, 9, 5), (16, 3, 3)])
def test_a_box_covers_what_its_faces_do_and_nothing_is_cut_off(turn: float, shape: tuple[int, int, int]) -> None:
    """The area of a box's picture is that of its three visible faces, each times its slant."""
    depth, height, width = shape
    a, e = math.radians(turn), math.radians(solids.RISE)
    upright = height * (width * abs(math.cos(a)) + depth * abs(math.sin(a))) * math.cos(e)
    reach = math.hypot(depth, width)
    room = max(reach, height * math.cos(e) + reach * math.sin(e))
    lit = (seen(torch.ones(1, 1, *shape), turn, 256) > 0).mean()
    assert lit == pytest.approx((upright + depth * width * math.sin(e)) / room**2, rel=0.03)


def test_along_an_axis_no_ray_meets_the_planes_beside_it() -> None:
    assert [one.shade for one in solids._crossings((8, 8, 8), 64, 0.0)] == [200, 255]


def test_what_is_filled_is_above_zero_and_no_number_is_empty() -> None:
    x = torch.full((1, 1, 8, 8, 8), 0.01)
    assert np.array_equal(seen(x), seen(torch.ones_like(x)))
    assert seen(torch.zeros_like(x)).max() == seen(torch.full_like(x, torch.nan)).max() == 0


def test_sides_of_pictures() -> None:
    assert [solid_side((1, n, n, n)) for n in (4, 32, 40, 64, 128)] == [64, 64, 80, 128, 128]
    for side in (64, 192, 320, 511, 512):
        assert solid_images(voxels((ALL, 3, ALL)), side).shape == (1, side, side)
    large = solid_images(voxels((ALL, 3, ALL)), 512)[0]
    assert np.array_equal(large[::2, ::2], large[1::2, 1::2])  # larger than there are rays, pixels are repeated


def test_no_solids() -> None:
    assert solid_images(torch.empty(0, 1, 8, 8, 8), 64).shape == (0, 64, 64) and cells(torch.empty(0, 1, 8, 8, 8)) == []


def test_a_grid_of_solids_can_be_taken_apart_again(tmp_path) -> None:
    x = torch.cat([voxels((ALL, k, ALL)) for k in range(8)])
    labels = torch.arange(8) % 2
    drawn = picture(x, CUBES, labels)
    grid = bare_grid(drawn, CUBES, 8, labels)
    assert grid is not None and grid.size == (4 * 65 - 1, 2 * 65 - 1)
    first = grid.crop((0, 0, 64, 64)).convert("RGB")
    assert first.tobytes() == cells(x[:1])[0].tobytes()
    assert png_bytes(drawn) == png_bytes(picture(x, CUBES, labels))


def test_a_run_with_voxels_shows_its_solids_in_the_panel(tmp_path) -> None:
    x = torch.cat([voxels((ALL, k % 8, ALL)) for k in range(64)])
    picture(x, CUBES).save(tmp_path / "step.png")
    gallery = read_gallery(tmp_path / "step.png", CUBES, conditional=False)
    assert len(gallery.images) == 64 and {image.size for image in gallery.images} == {(64, 64)}
    assert half_blocks(gallery.images[0], 20)


def test_enlarged_solids_are_drawn_finer() -> None:
    small, large = (cells(voxels((ALL, 3, ALL)), factor)[0] for factor in (1, 2))
    assert (small.size, large.size) == ((64, 64), (128, 128))
    assert large.tobytes() != small.resize((128, 128), Image.Resampling.NEAREST).tobytes()
    assert pictures.drawn_size(CUBES) == (64, 64)
