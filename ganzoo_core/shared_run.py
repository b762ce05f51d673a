"""One run in several processes: what the first tells the others, and one copy of the data for those of a machine."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.engine import Engine
from ganzoo_core.errors import DataError, FileError, shorten
from ganzoo_core.launch import machine_file, note_run
from ganzoo_core.parallel import Alone, Together
from ganzoo_core.run_folder import RunFolder
from ganzoo_core.run_settings import Plan, resolve
from ganzoo_core.session import Follower
from ganzoo_core.variant import DataSpec

_LOOK_EVERY_S = 0.05


def lead(plan: Plan, settings: dict[str, Any], dataset: Dataset, engine: Engine, folder: Path, **more: Any) -> None:
    """In the first process: tell the others, where there are any, what to train, and wait until they are ready."""
    note_run(folder)
    order = {
        "variant": plan.variant.name,
        "settings": settings,
        "data_digest": dataset.digest,
        "step": engine.step,
        "folder": str(folder),
        **more,
    }
    engine.ranks.lead(lambda: (order, engine.state()))
    forget_shared(engine.ranks)


def lead_nowhere(ranks: Alone, folder: Path) -> None:
    """In the first process: tell the others that the run in this folder is done."""
    ranks.lead(lambda: ({"folder": str(folder)}, {}))


def follow(ranks: Together, data_dir: str | Path | None) -> Path:
    """In every other process: train what the first says, from the very numbers it begins with. Returns the folder.

    Raises `DataError` where the data here is not that of the first process.
    """
    order, tensors = ranks.follow()
    folder = RunFolder(Path(order["folder"]))
    if "variant" not in order:
        return folder.path
    plan = resolve(order["variant"], order["settings"])
    dataset = load_data(plan, data_dir, ranks)
    if dataset.digest != order["data_digest"]:
        raise DataError(
            f"process {ranks.rank} has other samples of {dataset.spec.name} than process 0; "
            f"give all machines the same, or name with --data-dir where they are"
        )
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        engine = Engine(plan.variant, dataset, plan.run, ranks)
        engine.restore(order["step"], tensors, folder.checkpoint)
        ranks.wait()
        forget_shared(ranks)
        Follower(plan, engine, order["seconds"]).run()
    return folder.path


def load_data(plan: Plan, data_dir: str | Path | None, ranks: Alone) -> Dataset:
    """A run's data set, in memory once for all processes of a machine: its first one loads it into a file that all map.

    A folder of images is mapped from its cache by each anyway.
    """
    home, shared = data_folder(None if data_dir is None else Path(data_dir)), machine_file("data.safetensors")
    if ranks.size_here == 1 or shared is None or plan.source.path is not None:
        return plan.source.load(home)
    if ranks.rank_here == 0:
        dataset = plan.source.load(home)
        _share(dataset, shared)
        mapped = _mapped(shared)
        return replace(dataset, samples=mapped.samples, labels=mapped.labels, extra=mapped.extra)
    while not shared.exists():  # should the first one fail, the launcher ends this one
        time.sleep(_LOOK_EVERY_S)
    return _mapped(shared)


def forget_shared(ranks: Alone) -> None:
    """Take the name of the file away that all of this machine have mapped; its memory goes with the last of them."""
    shared = machine_file("data.safetensors")
    if ranks.size_here > 1 and ranks.rank_here == 0 and shared is not None:
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
