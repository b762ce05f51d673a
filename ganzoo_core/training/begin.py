"""A run that begins with weights that another run has learned."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo_core.errors import FileError, SettingError
from ganzoo_core.networks import own_state
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.sampling.generator_file import find_weights
from ganzoo_core.storage import tensor_files
from ganzoo_core.storage.names import few, one_line
from ganzoo_core.training.engine import Engine

_MOST_NAMED = 1000  # of what did not fit, in run.json


def begin_with(engine: Engine, source: str | Path) -> dict[str, Any]:
    """Give an engine that has made no step the weights of `source` that fit by name and shape, and say what they were.

    `source`: a run folder, whose networks are all taken, or what else `load` takes.
    Averages begin with the weights that they follow; optimizers begin anew. What does not fit, such as what depends on
    the number of classes, stays as it was drawn, and is named. Returns what run.json holds of it. Raises `FileError`
    where there are no weights or they are damaged, `SettingError` where none of them fits.
    """
    with contextlib.ExitStack() as stack:
        path, kind = _file(source, stack)
        header, tensors = tensor_files.load(path, kind)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if kind == "generator":
            tensors = {f"generator.{name}": tensor for name, tensor in tensors.items()}
        taken, left = _take(engine, tensors, path)
    if not taken:
        raise SettingError(f"--from {source}: none of its weights fits these networks by name and shape")
    log = logging.getLogger("ganzoo")
    log.info("%d of %d tensors begin with those of %s", taken, taken + len(left), source)
    if left:
        log.warning("these do not fit the weights of %s and begin anew: %s", source, few(left))
    path = Path(source).expanduser()
    return {
        "source": str(path.absolute() if os.path.exists(path) else source),
        "sha256": sha256,
        "step": header.get("step", 0),
        "taken": taken,
        "left": left[:_MOST_NAMED],
    }


def begin_again(engine: Engine, began_with: dict[str, Any], run: Path) -> None:
    """`begin_with` for a run that was stopped before its first checkpoint. Raises `FileError` for other weights."""
    found = begin_with(engine, began_with["source"])
    if found["sha256"] != began_with["sha256"]:
        raise FileError(
            f"{run} began with the weights of {one_line(found['source'])}, which are others now; run it anew"
        )


def _file(source: str | Path, stack: contextlib.ExitStack) -> tuple[Path, str]:
    """The file of weights and its kind: of a run its last checkpoint, which has every network."""
    path = Path(source).expanduser()
    if os.path.isdir(path) and (checkpoint := RunFolder.open(path).checkpoint).exists():
        return checkpoint, "checkpoint"
    return stack.enter_context(resources.as_file(find_weights(source))), "generator"


@torch.no_grad()
def _take(engine: Engine, tensors: dict[str, Tensor], path: Path) -> tuple[int, list[str]]:
    """How many tensors of the networks were taken, and the names of the others."""
    networks = engine.networks.by_name()
    taken, left = 0, []
    for owner, module in networks.items():
        for name, own in own_state(module).items():
            found = tensors.get(f"{owner}.{name}")
            if found is None or found.shape != own.shape or found.is_floating_point() != own.is_floating_point():
                left.append(f"{owner}.{name}")
                continue
            tensor_files.check_finite(path, f"{owner}.{name}", found)
            own.copy_(found)
            taken += 1
    for name, average in engine.averages.modules.items():
        average.load_state_dict(networks[name].state_dict())
    return taken, left
