"""The small random data sets on which the conformance suite tries a variant."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.distributed.processes import SingleProcess
from ganzoo_core.distributed.shared_data import load_data
from ganzoo_core.errors import DataError, PluginError
from ganzoo_core.guards.faults import said
from ganzoo_core.registry import Plugin, registry
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.training.engine import Engine
from ganzoo_core.variant import DataSource, Variant

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
    """The variant called `name` on every kind of data it accepts. Raises `PluginError` if it accepts none.

    Where `check_data` fails, instead of accepting or refusing, the rules meet its exception and tell it.
    """
    variant_class, plugin = registry().variant(name)
    found = []
    own = [source for source in plugin.datasets.values() if not source.takes_path]
    for dataset in [*map(_random_dataset, _SPECS), *map(_own_dataset, own)]:
        try:
            variant_class().check_data(dataset.spec)
        except DataError:
            continue
        except Exception as error:  # noqa: BLE001 - whatever a stranger's variant raises
            logging.getLogger("ganzoo").debug("check_data failed: %s", said(error))
        found.append(Case(variant_class, plugin, dataset))
    if not found:
        names = ", ".join(spec.name for spec in _SPECS)
        raise PluginError(f"{name} ({plugin.source}) must take one of {names}, but its check_data refuses them all")
    return found


def _own_dataset(source: type[DataSource]) -> Dataset:
    return load_data(source(), tempfile.gettempdir(), SingleProcess())


def _random_dataset(spec: DataSpec) -> Dataset:
    rng = torch.Generator().manual_seed(1)
    size = 4 * BATCH
    if spec.has_pixels:
        samples = torch.randint(0, 256, (size, *spec.shape), generator=rng, dtype=torch.uint8)
    else:
        samples = torch.rand(size, *spec.shape, generator=rng) * 2 - 1
    return Dataset(spec, samples, torch.arange(size) % spec.num_classes)
