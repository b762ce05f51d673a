"""The TensorBoard plugin: every number and picture of a run, read back from its event files."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from ganzoo_tensorboard import TensorBoard, ganzoo_callbacks
from PIL import Image

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec
from ganzoo_core.callbacks import RunInfo


def run_info(folder: Path, first_step: int = 0) -> RunInfo:
    """A run as its observers see it."""
    spec = DataSpec("grey", (1, 4, 4))
    return RunInfo(folder, "gan", spec, {}, "cpu", {"generator": 1}, first_step, total_steps=10)


def read(folder: Path):
    """Everything in the event files of a run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return events


def test_a_run_that_declines_gets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_TENSORBOARD", "0")
    assert ganzoo_callbacks(run_info(tmp_path)) == []
    monkeypatch.setenv("GANZOO_TENSORBOARD", "1")
    assert len(ganzoo_callbacks(run_info(tmp_path))) == 1


def test_listing_plugins_imports_no_torch() -> None:
    code = "import sys, ganzoo_tensorboard; assert not {'torch', 'numpy', 'PIL', 'tensorboard'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_whole_run_is_read_back(tmp_path: Path) -> None:
    """The registry finds the plugin, and every number of metrics.jsonl and every picture is in the event files."""
    run = ganzoo.train("vanilla", data="ring8", steps=4, log_every=2, snapshots=(2,), out=tmp_path / "run")
    events = read(run.folder)
    records = run.records()
    for tag, key in {
        "discriminator/real": "discriminator/real",
        "generator/adversarial": "generator/adversarial",
        "balance/d_real": "d_real",
        "balance/accuracy_fake": "accuracy_fake",
        "speed/samples_per_s": "samples_per_s",
    }.items():
        wanted = [(record["step"], pytest.approx(record[key])) for record in records if key in record]
        assert [(e.step, e.value) for e in events.Scalars(tag)] == wanted and len(wanted) == 2
    assert [e.step for e in events.Images("samples")] == [2, 4]


def test_numbers_and_pictures_are_written(tmp_path: Path) -> None:
    samples = SimpleNamespace(picture=lambda: Image.new("RGB", (6, 4)))
    info = run_info(tmp_path)
    (callback,) = ganzoo_callbacks(info)
    callback.on_start(info)
    callback.on_log({"step": 10, "discriminator/real": 0.5, "d_real": 0.75, "samples_per_s": 100.0})
    callback.on_log({"step": 20, "discriminator/real": 0.25, "d_real": None, "samples_per_s": 200.0})
    callback.on_snapshot(20, samples, tmp_path / "step-000020.png")
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


def test_a_resumed_run_hides_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    for first_step, value in ((0, 1.0), (2, 2.0)):
        callback = TensorBoard()
        callback.on_start(run_info(tmp_path, first_step))
        for step in range(first_step + 1, 5):
            callback.on_log({"step": step, "generator/adversarial": value})
        callback.on_end(4)
    points = [(e.step, e.value) for e in read(tmp_path).Scalars("generator/adversarial")]
    assert points == [(1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0)]


def test_random_numbers_are_left_alone(tmp_path: Path) -> None:
    before = torch.get_rng_state(), random.getstate()
    callback = TensorBoard()
    callback.on_start(run_info(tmp_path))
    callback.on_log({"step": 1, "generator/adversarial": 1.0})
    callback.on_end(1)
    assert torch.equal(torch.get_rng_state(), before[0]) and random.getstate() == before[1]
