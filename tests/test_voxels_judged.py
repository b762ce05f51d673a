"""The tools and the voxels together: a run on solids is evaluated as one on pictures is."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

import ganzoo_core as ganzoo
from ganzoo_tools.evaluation import keeping
from ganzoo_tools.evaluation.classifier import train_classifier
from ganzoo_tools.evaluation.evaluation import evaluate
from ganzoo_voxels import shapes


@pytest.mark.long
def test_a_run_on_voxels_is_evaluated(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "train_classifier", partial(train_classifier, steps=20))
    monkeypatch.setattr(shapes, "SIZES", {"train": 240, "test": 60})
    folder = ganzoo.train("toy", data="shapes3d", steps=2, device="cpu", out="run", snapshots=()).folder
    found = evaluate(folder, n=60, seeds=1, data_dir="data")
    assert {"fid", "coverage", "loose_voxels", "classes_present", "nearest_is_train"} <= found.figures.keys()
    assert found.figures["loose_voxels"].floor == 0 < found.figures["loose_voxels"].mean < 1
    assert found.neighbours is not None and found.neighbours.width > 3 * 64
    assert found.conditions["reader"] == "classifier"
