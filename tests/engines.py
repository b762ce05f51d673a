"""Small engines for the tests of training."""

from __future__ import annotations

from dataclasses import replace

import torch
from ganzoo_toy import Toy, ToyConfig

from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.training.engine import Engine

CONFIG = ToyConfig()


def dataset(size: int = 64, classes: int = 3) -> Dataset:
    rng = torch.Generator().manual_seed(1)
    names = tuple("abcdefgh"[:classes])
    samples = torch.rand(size, 2, generator=rng) * 2 - 1
    labels = torch.arange(size) % classes if classes else None
    return Dataset(DataSpec("plane", (2,), names, "points"), samples, labels)


def engine(variant=Toy, run: RunSettings | None = None, **config) -> Engine:
    return Engine(variant(replace(CONFIG, **config)), dataset(), run or RunSettings(device="cpu"))


def weights(e: Engine) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in e.state().items()}


def assert_equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name
