"""Solids judged: how many voxels hang loose, by hand; and an evaluation of voxels as a whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_tools.evaluation.extractors import of_random_network
from ganzoo_tools.evaluation.reference import Reference
from ganzoo_tools.evaluation.results import better, title
from ganzoo_tools.evaluation.solids import loose_voxels


def solid(*filled: tuple[int, int, int], side: int = 4) -> torch.Tensor:
    found = torch.full((1, 1, side, side, side), -1.0)
    for place in filled:
        found[(0, 0, *place)] = 0.5
    return found


def test_what_is_outside_the_largest_piece_is_loose() -> None:
    bar = [(0, 0, k) for k in range(4)]
    assert loose_voxels(solid(*bar)) == 0
    assert loose_voxels(solid(*bar, (2, 2, 2))) == 1 / 5
    assert loose_voxels(solid(*bar, (1, 1, 0))) == 1 / 5  # by an edge it does not touch
    assert loose_voxels(solid(*bar, (0, 1, 0), (3, 3, 3), (3, 3, 2))) == 2 / 7


def test_all_voxels_count_alike_and_an_empty_solid_has_none() -> None:
    both = torch.cat([solid((0, 0, 0), (2, 2, 2)), solid(*[(0, j, k) for j in range(4) for k in range(4)])])
    assert loose_voxels(both) == 1 / 18
    assert loose_voxels(solid()) == 0 == loose_voxels(torch.full((2, 1, 4, 4, 4), torch.nan))


def cubes(n: int) -> Dataset:
    rng = np.random.default_rng(0)
    solids = np.zeros((n, 1, 16, 16, 16), np.uint8)
    for k, one in enumerate(solids):
        size = 4 + 6 * (k % 2)
        at = rng.integers(0, 16 - size, 3)
        one[0, at[0] : at[0] + size, at[1] : at[1] + size, at[2] : at[2] + size] = 255
    return Dataset(DataSpec("cubes", (1, 16, 16, 16), ("small", "large"), "voxels"), torch.from_numpy(solids),
                   torch.arange(n) % 2)  # fmt: skip


def test_real_solids_stand_beside_it() -> None:
    data = cubes(60)
    data.samples[0, 0, 15, 15, 15] = 255
    reference = Reference(data, None, 60, of_random_network(data.spec, torch.device("cpu")))
    assert reference.floor["loose_voxels"] == pytest.approx(1 / float((data.samples > 0).sum()))
    assert (title("loose_voxels"), better("loose_voxels")) == ("loose voxels", "lower")
