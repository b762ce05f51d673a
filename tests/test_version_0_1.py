"""What version 0.1 wrote is read: its weights give the same samples, its run goes on to where 0.1 took it.

Its plugins are tried as wheels, in test_wheels.py.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import ganzoo_core as ganzoo

FROZEN = Path(__file__).parent / "frozen"


@pytest.fixture
def run(in_tmp: Path) -> Path:
    return Path(shutil.copytree(FROZEN / "run", in_tmp / "run"))


def assert_samples(generator: ganzoo.TrainedGenerator, expected: Path) -> None:
    """To rounding, as other processors add in another order."""
    made, before = generator.sample(16).arrays(), np.load(expected)
    np.testing.assert_allclose(made.array, before["samples"], atol=1e-5)
    assert made.labels.tolist() == before["labels"].tolist()


@pytest.mark.parametrize("source", ["run", "run/generator.safetensors"])
def test_its_weights_give_the_same_samples(run: Path, source: str) -> None:
    assert_samples(ganzoo.load(source), FROZEN / "run-at-10.npz")


def test_its_run_goes_on_to_the_same_end(run: Path) -> None:
    before = (run / "metrics.jsonl").read_text()
    ganzoo.train(resume=run, steps=20)
    assert_samples(ganzoo.load(run), FROZEN / "run-at-20.npz")
    assert (run / "metrics.jsonl").read_text().startswith(before)
    assert (run / "report.html").exists()


def test_they_are_small_and_say_nothing_of_columns() -> None:
    assert sum(path.stat().st_size for path in FROZEN.rglob("run*/*")) < 60_000
    assert "columns" not in json.loads((FROZEN / "run" / "run.json").read_text())["data"]
    for name in ("cgan", "wgan"):
        source = (FROZEN / f"ganzoo-{name}" / f"ganzoo_{name}" / "__init__.py").read_text(encoding="utf-8")
        assert "GANZOO_API = 1\n" in source
