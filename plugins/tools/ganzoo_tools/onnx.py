"""A trained generator as an ONNX model, for programs without PyTorch. Needs the extra `onnx`."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo_core.errors import FileError, GanzooError, shorten
from ganzoo_core.interfaces import Generator
from ganzoo_core.registry import registry
from ganzoo_core.sampling.generate import latents
from ganzoo_core.sampling.generator_file import describe
from ganzoo_core.sampling.samples import default_labels
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_core.storage.files import behind_link, write_atomically

_PACKAGES = ("onnx", "onnxruntime", "onnxscript")
_MOST_DIFFERENCE = 1e-3  # between samples in [-1, 1]: an eighth of a grey level


def export_onnx(generator: TrainedGenerator, path: Path | str) -> float:
    """Write a generator as an ONNX model; returns the largest difference between its samples and PyTorch's.

    Inputs: `z` (N, latent_dim) float32 and, for a conditional variant, `labels` (N,) int64, for any N. Output:
    `samples` (N, *shape) float32 in [-1, 1]. The metadata key `ganzoo` holds the header of a generator.safetensors as
    JSON. Raises `FileError` for another suffix, `GanzooError` if packages are missing, the generator can't be exported,
    or the two differ; then nothing is written.
    """
    path = Path(path)
    if path.suffix.lower() != ".onnx":
        raise FileError(f"a model is exported as .onnx, but the file is {path.name!r}")
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise GanzooError(
            f'ganzoo export needs {" and ".join(missing)}; install with: pip install "ganzoo-tools[onnx]"'
        )
    module = copy.deepcopy(generator.module).cpu().eval()
    try:
        model = _model(generator, module)
        difference = max(_difference(model, module, _inputs(generator, n)) for n in (1, 3))
    except Exception as error:
        raise GanzooError(f"{generator.variant.name} can't be exported to ONNX: {_reason(error)}") from error
    if not difference <= _MOST_DIFFERENCE:  # nor NaN
        raise GanzooError(
            f"the samples of the exported model must be within {_MOST_DIFFERENCE} of PyTorch's, but differ by "
            f"{difference:.2g}; does {generator.variant.name} draw random numbers beside its latent?"
        )
    write_atomically(behind_link(path), model)
    return difference


def _reason(error: BaseException) -> str:
    """The original cause of an exporter's error, without its pages of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {shorten(next(iter(str(error).strip().splitlines()), ''))}"


def _inputs(generator: TrainedGenerator, n: int) -> dict[str, Tensor]:
    """n latents, and n labels if the generator takes them, by the model's input names."""
    z = latents(generator.module, n, seed=0)
    if not generator.variant.conditional:
        return {"z": z}
    return {"z": z, "labels": default_labels(generator.spec, n)}


def _model(generator: TrainedGenerator, module: Generator) -> bytes:
    """The model's bytes, without what the exporter records of this machine's paths."""
    inputs = _inputs(generator, 2)
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")  # about the exporter's own inner names
        program = torch.onnx.export(
            module,
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=["samples"],
            dynamic_shapes=tuple({0: batch} for _ in inputs),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
    plugin = registry().variant(generator.variant.name)[1]
    header = describe(plugin, generator.variant, generator.spec, generator.step)
    model.metadata_props.add(key="ganzoo", value=json.dumps(header, sort_keys=True))
    return bytes(model.SerializeToString(deterministic=True))


@torch.inference_mode()
def _difference(model: bytes, module: Generator, inputs: dict[str, Tensor]) -> float:
    """The largest difference between the samples of model and module."""
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (found,) = session.run(["samples"], {name: tensor.numpy() for name, tensor in inputs.items()})
    return float((torch.from_numpy(found) - module(*inputs.values())).abs().max())
