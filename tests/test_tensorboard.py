"""The TensorBoard plugin: nothing unless asked for; then every number and picture of a run."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from ganzoo_core.callbacks import RunInfo
from ganzoo_core.errors import GanzooError
from ganzoo_core.report.tensorboard import TensorBoard, ganzoo_callbacks
from ganzoo_core.variant import DataSpec

installed = importlib.util.find_spec("tensorboard") is not None
needs_tensorboard = pytest.mark.skipif(not installed, reason="needs the tensorboard package")


def run_info(folder: Path, first_step: int = 0, **settings: object) -> RunInfo:
    """A run as its observers see it."""
    spec = DataSpec("grey", (1, 4, 4))
    return RunInfo(folder, "gan", spec, settings, "cpu", {"generator": 1}, first_step, total_steps=10)


def read(folder: Path):
    """Everything in the event files of a run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return events


def test_a_run_that_does_not_ask_gets_nothing(tmp_path: Path) -> None:
    assert ganzoo_callbacks(run_info(tmp_path)) == []
    assert ganzoo_callbacks(run_info(tmp_path, tensorboard=False)) == []
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(GanzooError) as caught:
        ganzoo_callbacks(run_info(tmp_path, tensorboard=True))
    assert str(caught.value) == (
        "--set tensorboard=true needs the tensorboard package; install it with pip install 'ganzoo[tensorboard]'"
    )


def test_the_plugin_is_torch_free() -> None:
    code = "import sys, ganzoo_core.report.tensorboard; assert not {'torch', 'numpy', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@needs_tensorboard
def test_numbers_and_pictures_are_written(tmp_path: Path) -> None:
    Image.new("L", (6, 4), 200).save(tmp_path / "step-000020.png")
    info = run_info(tmp_path, tensorboard=True)
    (callback,) = ganzoo_callbacks(info)
    callback.on_start(info)
    callback.on_log({"step": 10, "discriminator/real": 0.5, "d_real": 0.75, "samples_per_s": 100.0})
    callback.on_log({"step": 20, "discriminator/real": 0.25, "d_real": None, "samples_per_s": 200.0})
    callback.on_snapshot(20, tmp_path / "step-000020.png")
    callback.on_end(20)
    events = read(tmp_path)
    scalars = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert scalars == {
        "discriminator/real": [(10, 0.5), (20, 0.25)],
        "balance/d_real": [(10, 0.75)],
        "speed/samples_per_s": [(10, 100.0), (20, 200.0)],
    }
    (image,) = events.Images("samples")
    assert (image.step, image.width, image.height) == (20, 6, 4)


@needs_tensorboard
def test_a_resumed_run_hides_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    for first_step, value in ((0, 1.0), (2, 2.0)):
        callback = TensorBoard()
        callback.on_start(run_info(tmp_path, first_step))
        for step in range(first_step + 1, 5):
            callback.on_log({"step": step, "generator/adversarial": value})
        callback.on_end(4)
    points = [(e.step, e.value) for e in read(tmp_path).Scalars("generator/adversarial")]
    assert points == [(1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0)]


@needs_tensorboard
def test_random_numbers_are_left_alone(tmp_path: Path) -> None:
    before = torch.get_rng_state(), random.getstate()
    callback = TensorBoard()
    callback.on_start(run_info(tmp_path))
    callback.on_log({"step": 1, "generator/adversarial": 1.0})
    callback.on_end(1)
    assert torch.equal(torch.get_rng_state(), before[0]) and random.getstate() == before[1]
