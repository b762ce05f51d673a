"""The small data sets on which the conformance suite tries a variant: random ones, and parts of real ones."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.dataspec import DataSpec, Input
from ganzoo_core.distributed.processes import SingleProcess
from ganzoo_core.distributed.shared_data import load_data
from ganzoo_core.errors import ContractError, DataError, GanzooError, PluginError
from ganzoo_core.guards.faults import is_ctrl_c
from ganzoo_core.interfaces import Generator
from ganzoo_core.registry import Plugin, registry
from ganzoo_core.runs.own import known
from ganzoo_core.runs.plan import named_source
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.sampling.inputs import taken_inputs
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
_WITH_COLUMNS = DataSpec(
    "images with columns", (3, 64, 64), ("a", "b", "c"), "images",
    columns=(
        Input(name="source", kind="image", shape=(3, 64, 64)),
        Input(name="text", kind="text", shape=(6,), names=("one", "two", "three", "four")),
        Input(name="attributes", kind="numbers", shape=(3,), names=("first", "second", "third")),
    ),
)  # fmt: skip
BATCH = 8
_SIZE = 4 * BATCH


@dataclass(frozen=True, eq=False)
class Case:
    """A variant on one small data set."""

    variant_class: type[Variant]
    plugin: Plugin
    dataset: Dataset

    @property
    def name(self) -> str:
        """What the data is called."""
        return self.spec.name

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


@dataclass
class Cases:
    """All that a variant is tried on, and why not on the rest.

    `refused`: what its check_data says, by the data's name. `skipped`: a sentence for each data set that can't be had.
    `faults`: what the plugin's code raised in place of an answer, by the data's name.
    """

    variant_class: type[Variant]
    plugin: Plugin
    folder: Path
    tried: list[Case] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    faults: dict[str, BaseException] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The data on which the first fault was found."""
        return next(iter(self.faults), "any data")

    def add(self, name: str, load: Callable[[], Dataset]) -> None:
        """Note the data set of that name as one to try, or why not."""
        dataset = None
        try:
            dataset = load()
            _check(self.variant_class(), dataset.spec)
        except BaseException as error:  # whatever a stranger's code raises
            if is_ctrl_c(error):
                raise
            if dataset is None and isinstance(error, GanzooError) and not isinstance(error, PluginError):
                self.skipped.append(f"{name} was left out: {error}")
            elif dataset is not None and isinstance(error, DataError):
                self.refused[name] = str(error)
            else:
                self.faults[name] = error
        else:
            self.tried.append(Case(self.variant_class, self.plugin, dataset))

    def add_named(self, name: str) -> None:
        """Note a small part of the data set that `--data` would find under this name."""
        self.add(name, lambda: _part(_loaded(named_source(name), self.folder)))

    @property
    def nothing(self) -> str | None:
        """Why there is nothing to try the variant on; None where there is something, or where a fault is to be told."""
        if self.tried or self.faults:
            return None
        refused = list(self.refused.values())
        if len(refused) > 1:
            ways = "--data NAME, or `data` in its VariantSuite"
            refused = [f"its check_data refuses {', '.join(self.refused)}; name data that it takes: {ways}"]
        reasons = "; ".join([*self.skipped, *refused])
        return f"{self.variant_class.name} ({self.plugin.source}) was tried on nothing: {reasons}"


def cases(name: str | type[Variant], source: DataSource | None = None, data_dir: Path | None = None) -> Cases:
    """The variant called `name` on `source`, or on every kind of data that it accepts; it may be a class of one's own.

    These are random data and the data sets of its package; where it takes none of them, random data with the columns
    that pairs and captioned pictures have, and then its default data set. Raises `UnknownNameError` or `PluginError` if
    there is no such variant.
    """
    variant_class, plugin = registry().variant(known(name)[0] or "")
    found = Cases(variant_class, plugin, data_folder(data_dir))
    if source is not None:
        found.add(source.name, lambda: _part(_loaded(source, found.folder)))
        return found
    for spec in _SPECS:
        found.add(spec.name, functools.partial(_random_dataset, spec))
    for own, cls in list(plugin.datasets.items()):  # a look-up may settle that another entry point keeps it
        if not cls.takes_path:
            found.add_named(own)
    if not (found.tried or found.faults):
        found.add(_WITH_COLUMNS.name, functools.partial(_random_dataset, _WITH_COLUMNS))
    if not (found.tried or found.faults or variant_class.default_data in plugin.datasets):
        found.add_named(variant_class.default_data)
    return found


def _loaded(source: DataSource, folder: Path) -> Dataset:
    """The data set. Raises `DataError` where it is not on this machine."""
    if source.path is None and not source.is_local(folder):
        raise DataError(
            f"it is not in {folder}; --data-dir or GANZOO_DATA names another folder, and a run fetches what can be had"
        )
    return load_data(source, folder, SingleProcess())


def _part(dataset: Dataset) -> Dataset:
    """A few of its samples, from the first to the last, so that sorted classes are all there."""
    rows = torch.linspace(0, len(dataset) - 1, _SIZE).long()
    return replace(
        dataset,
        samples=dataset.samples[rows],
        labels=None if dataset.labels is None else dataset.labels[rows],
        extra={name: column[rows] for name, column in dataset.extra.items()},
    )


def _check(variant: Variant, spec: DataSpec) -> None:
    """Raise `DataError` for data that the variant refuses, or that lacks a column which its generator takes."""
    variant.check_data(spec)
    try:
        with torch.random.fork_rng(devices=[]):
            generator = variant.generator(spec)
    except BaseException as error:  # which the rule `parts` meets too, and tells
        if is_ctrl_c(error):
            raise
        return
    if isinstance(generator, Generator):
        with contextlib.suppress(ContractError):  # so does the rule `inputs`
            taken_inputs(variant, generator, spec)


def _random_dataset(spec: DataSpec) -> Dataset:
    rng = torch.Generator().manual_seed(1)
    if spec.has_pixels:
        samples = torch.randint(0, 256, (_SIZE, *spec.shape), generator=rng, dtype=torch.uint8)
    else:
        samples = torch.rand(_SIZE, *spec.shape, generator=rng) * 2 - 1
    columns = {column.name: _random_column(column, rng) for column in spec.columns}
    return Dataset(spec, samples, torch.arange(_SIZE) % spec.num_classes, columns)


def _random_column(column: Input, rng: torch.Generator) -> Tensor:
    size = (_SIZE, *column.shape)
    if column.kind == "numbers":
        return torch.randn(size, generator=rng)
    largest = 255 if column.kind == "image" else len(column.names)
    dtype = torch.uint8 if column.kind == "image" else torch.int64
    return torch.randint(0, largest + 1, size, generator=rng, dtype=dtype)
