"""One copy of the data for all processes of a machine."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import replace
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.dataspec import DataSpec, Split
from ganzoo_core.distributed.launch import machine_file
from ganzoo_core.distributed.processes import Processes
from ganzoo_core.errors import FileError, PluginError, shorten
from ganzoo_core.guards.contract import described
from ganzoo_core.registry import who
from ganzoo_core.variant import DataSource

_LOOK_EVERY_S = 0.05


def load_data(source: DataSource, data_dir: str | Path | None, processes: Processes) -> Dataset:
    """A run's data set, in memory once for all processes of a machine: its first one loads it into a file that all map.

    A folder of images is mapped from its cache by each anyway.
    """
    home, shared = data_folder(None if data_dir is None else Path(data_dir)), machine_file("data.safetensors")
    if processes.size_here == 1 or shared is None or source.path is not None:
        return loaded(source, home)
    if processes.rank_here == 0:
        dataset = loaded(source, home)
        _share(dataset, shared)
        mapped = _mapped(shared)
        return replace(dataset, samples=mapped.samples, labels=mapped.labels, extra=mapped.extra)
    while not shared.exists():  # should the first one fail, the launcher ends this one
        time.sleep(_LOOK_EVERY_S)
    return _mapped(shared)


def loaded(source: DataSource, home: Path, split: Split = "train") -> Dataset:
    """What a data set gives. Raises as its `load`, and `PluginError` for what is no data set."""
    dataset: object = source.load(home, split)
    if not isinstance(dataset, Dataset):
        raise PluginError(f"{who(source)}: load must give a ganzoo_core.Dataset, but gives {described(dataset)}")
    return dataset


def forget_shared(processes: Processes) -> None:
    """Take the name of the file away that all of this machine have mapped; its memory goes with the last of them."""
    shared = machine_file("data.safetensors")
    if processes.size_here > 1 and processes.rank_here == 0 and shared is not None:
        with contextlib.suppress(OSError):  # where a mapped file can't be deleted, the launcher's folder goes later
            shared.unlink(missing_ok=True)


def _share(dataset: Dataset, path: Path) -> None:
    """Write the columns, whole or not at all: who sees the file may map it."""
    columns = {"samples": dataset.samples, "labels": dataset.labels}
    columns |= {f"extra.{name}": column for name, column in dataset.extra.items()}
    tensors: dict[str, Tensor] = {name: c.contiguous() for name, c in columns.items() if c is not None}
    unfinished = path.with_suffix(".unfinished")
    try:
        safetensors.torch.save_file(tensors, unfinished, {"spec": json.dumps(dataset.spec.to_dict())})
        unfinished.rename(path)
    except (OSError, SafetensorError) as error:
        raise FileError(
            f"could not write the data that processes share to {path}: {shorten(error)}; make room there, or name "
            f"another folder in the variable TMPDIR"
        ) from error


def _mapped(path: Path) -> Dataset:
    """The data set in that file, its tensors mapped: pages of memory that processes share until one writes to them."""
    with safe_open(path, "pt") as file:
        spec = DataSpec.from_dict(json.loads(file.metadata()["spec"]))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    extra = {name.removeprefix("extra."): t for name, t in tensors.items() if name.startswith("extra.")}
    return Dataset(spec, tensors["samples"], tensors.get("labels"), extra)
