"""Solids judged: how many voxels hang loose, by hand; and an evaluation of voxels as a whole."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import ganzoo_core as ganzoo
from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_tools.evaluation import keeping
from ganzoo_tools.evaluation.classifier import train_classifier
from ganzoo_tools.evaluation.evaluation import evaluate
from ganzoo_tools.evaluation.extractors import of_random_network
from ganzoo_tools.evaluation.reference import Reference
from ganzoo_tools.evaluation.results import better, title
from ganzoo_tools.evaluation.solids import loose_voxels
from ganzoo_voxels import shapes


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


def test_a_run_on_voxels_is_evaluated(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "train_classifier", partial(train_classifier, steps=20))
    monkeypatch.setattr(shapes, "SIZES", {"train": 240, "test": 60})
    folder = ganzoo.train("toy", data="shapes3d", steps=2, device="cpu", out="run", snapshots=()).folder
    found = evaluate(folder, n=60, seeds=1, data_dir="data")
    assert {"fid", "coverage", "loose_voxels", "classes_present", "nearest_is_train"} <= found.figures.keys()
    assert found.figures["loose_voxels"].floor == 0 < found.figures["loose_voxels"].mean < 1
    assert found.neighbours is not None and found.neighbours.width > 3 * 64
    assert found.conditions["reader"] == "classifier"
