"""The inputs that a run's snapshots are made of: chosen once, kept in the run's folder, and never in the weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ganzoo_core.data import BatchOrder, Dataset
from ganzoo_core.dataspec import DataSpec, Input
from ganzoo_core.errors import FileError
from ganzoo_core.sampling.inputs import derived
from ganzoo_core.seeds import derive_seed
from ganzoo_core.storage import tensor_files
from ganzoo_core.storage.files import own_folder
from ganzoo_core.storage.names import few
from ganzoo_core.variant import Variant

EXAMPLES = "inputs/examples.safetensors"
_COUNT, _MOST = 16, 1024
_DTYPES = {"image": torch.float32, "text": torch.int64, "numbers": torch.float32}


def choose_examples(variant: Variant, inputs: Sequence[Input], data: Dataset, seed: int) -> dict[str, Tensor]:
    """The inputs of which a run's snapshots are made: columns (M, ...) float32 in [-1, 1] and labels, on the CPU.

    Some 16 rows of `data`, as many of each class where the variant is balanced; with `real` where that is the target.
    They depend on the seed and the data alone.
    """
    n = min(_COUNT, len(data))
    if variant.balanced and data.labels is not None:
        classes = len(data.labels.unique())
        n = max(1, _COUNT // classes) * classes
    order = BatchOrder(data, n, derive_seed(seed, "examples"), torch.device("cpu"), by_class=variant.balanced)
    rng = torch.Generator().manual_seed(derive_seed(seed, "examples"))
    batch = derived(variant, data.batch(order.indices(0)), rng)
    kept = {"labels"} if variant.conditional else set()
    kept |= {one.name for one in inputs} | ({"real"} if variant.paired else set())
    return {name: column for name, column in batch.items() if name in kept}


def save_examples(folder: Path, inputs: Sequence[Input], examples: dict[str, Tensor]) -> None:
    """Write them into a run's folder."""
    own_folder((folder / EXAMPLES).parent)
    tensor_files.save(folder / EXAMPLES, "inputs", {"inputs": [one.to_dict() for one in inputs]}, examples)


def examples_beside(weights: Path) -> Path:
    """Where a file of weights that is in no run folder has examples: NAME.inputs.safetensors beside it."""
    return weights.with_suffix(".inputs.safetensors")


def copy_examples(run: Path, weights: Path) -> None:
    """Put a run's examples beside weights that leave it, images of float16. Raises `FileError` where it has none."""
    header, columns = tensor_files.load(run / EXAMPLES, "inputs")
    tensor_files.save(examples_beside(weights), "inputs", {"inputs": header.get("inputs", [])}, columns, halved=True)


def read_examples(path: Path, inputs: Sequence[Input], spec: DataSpec) -> dict[str, Tensor]:
    """What a file of examples holds. Raises `FileError` where that is missing, damaged, or of other inputs."""
    shapes = {one.name: (one.shape, _DTYPES[one.kind]) for one in inputs}
    allowed = {"real": (spec.shape, torch.float32), "labels": ((), torch.int64), **shapes}
    with tensor_files.opened(path, "inputs") as file:
        counts = {shape[0] for shape in file.shapes.values() if shape}
        fits = len(counts) == 1 and 0 < max(counts) <= _MOST and shapes.keys() <= file.shapes.keys()
        for name, shape in file.shapes.items():
            fits = fits and (shape[1:], file.dtypes[name]) == allowed.get(name)
        if not fits:
            raise FileError(f"{path} does not fit this generator: it holds {few(sorted(file.shapes))} of other shapes")
        found = file.tensors()
    for name, column in found.items():
        tensor_files.check_finite(path, name, column)
    for name, most in {
        "labels": spec.num_classes - 1,
        **{o.name: len(o.names) for o in inputs if o.kind == "text"},
    }.items():
        if name in found and not (found[name].min() >= 0 and found[name].max() <= most):
            raise FileError(f"{path} is damaged: {name} must be from 0 to {most}")
    return found
