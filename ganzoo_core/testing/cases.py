"""The small random data sets on which the conformance suite tries a variant."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError
from ganzoo_core.registry import Plugin, registry
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.training.engine import Engine
from ganzoo_core.variant import Variant

_SPECS = (
    DataSpec("grey images", (1, 28, 28), ("a", "b", "c"), "images"),
    DataSpec("colour images", (3, 32, 32), ("a", "b", "c"), "images"),
    DataSpec("wide images with opacity", (4, 32, 48), ("a", "b", "c"), "images"),
    DataSpec("points", (2,), ("a", "b", "c"), "points"),
    DataSpec("curves", (15,), ("a", "b", "c"), "curves"),
    DataSpec("voxels", (1, 16, 16, 16), ("a", "b", "c"), "voxels"),
)
BATCH = 8


@dataclass(frozen=True)
class Case:
    """A variant on one small data set of random numbers."""

    variant_class: type[Variant]
    plugin: Plugin
    dataset: Dataset

    @property
    def spec(self) -> DataSpec:
        """Metadata of the data."""
        return self.dataset.spec

    def new_variant(self) -> Variant:
        """The variant with its defaults, except for a small batch."""
        return self.variant_class(self.variant_class.Config(batch_size=BATCH))

    def labels(self) -> Tensor:
        """Labels (BATCH,) int64 that cycle through the classes."""
        return torch.arange(BATCH) % max(self.spec.num_classes, 1)

    def engine(self, seed: int = 0, precision: str = "fp32") -> Engine:
        """A fresh engine on the CPU."""
        return Engine(self.new_variant(), self.dataset, RunSettings(device="cpu", seed=seed, precision=precision))


def cases(name: str) -> list[Case]:
    """The variant called `name` on every kind of data it accepts. Raises `AssertionError` if it accepts none."""
    variant_class, plugin = registry().variant(name)
    found = []
    own = [source().load(Path(tempfile.gettempdir())) for source in plugin.datasets.values()]
    for dataset in [*map(_random_dataset, _SPECS), *own]:
        try:
            variant_class().check_data(dataset.spec)
        except DataError:
            continue
        found.append(Case(variant_class, plugin, dataset))
    assert found, f"expected {name} to take one of {', '.join(s.name for s in _SPECS)}, but check_data refuses them all"
    return found


def _random_dataset(spec: DataSpec) -> Dataset:
    rng = torch.Generator().manual_seed(1)
    size = 4 * BATCH
    if spec.has_pixels:
        samples = torch.randint(0, 256, (size, *spec.shape), generator=rng, dtype=torch.uint8)
    else:
        samples = torch.rand(size, *spec.shape, generator=rng) * 2 - 1
    return Dataset(spec, samples, torch.arange(size) % spec.num_classes)
