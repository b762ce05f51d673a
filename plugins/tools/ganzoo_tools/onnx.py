"""A trained generator as an ONNX model, for programs without PyTorch. Needs the extra `onnx`."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import json
import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.errors import FileError, GanzooError, shorten
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

    Inputs: `z` (N, latent_dim) float32 where there is noise, `labels` (N,) int64 for a conditional variant, and what
    the generator takes besides, each by its name: images (N, C, H, W) float32 in [-1, 1], of any multiple of their
    `multiple` where any size will do, texts (N, L) int64, numbers (N, D) float32; for any N. Output: `samples`
    (N, *shape) float32 in [-1, 1]. The metadata key `ganzoo` holds the header of a generator.safetensors as JSON.
    Raises `FileError` for another suffix, `GanzooError` if packages are missing, the generator can't be exported, or
    the two differ, as where it has dropout that stays on; then nothing is written.
    """
    path = Path(path)
    if path.suffix.lower() != ".onnx":
        raise FileError(f"a model is exported as .onnx, but the file is {path.name!r}")
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise GanzooError(
            f'ganzoo export needs {" and ".join(missing)}; install with: pip install "ganzoo-tools[onnx]"'
        )
    module: nn.Module = copy.deepcopy(generator.module).cpu().eval()
    if generator.inputs:
        module = _ByPosition(module, list(_inputs(generator, 1)))
    try:
        model = _model(generator, module)
        difference = max(_difference(model, module, _inputs(generator, n, larger=n // 3)) for n in (1, 3))
    except Exception as error:
        raise GanzooError(f"{generator.variant.name} can't be exported to ONNX: {_reason(error)}") from error
    if not difference <= _MOST_DIFFERENCE:  # nor NaN
        raise GanzooError(
            f"the samples of the exported model must be within {_MOST_DIFFERENCE} of PyTorch's, but differ by "
            f"{difference:.2g}; does {generator.variant.name} draw random numbers beside its latent, such as "
            f"dropout that stays on? An ONNX model can't draw the same ones"
        )
    write_atomically(behind_link(path), model)
    return difference


def _reason(error: BaseException) -> str:
    """The original cause of an exporter's error, without its pages of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {shorten(next(iter(str(error).strip().splitlines()), ''))}"


class _ByPosition(nn.Module):
    """A generator that takes all that it takes by position, in the order of `names`."""

    def __init__(self, module: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.module, self.names = module, names

    def forward(self, *given: Tensor) -> Tensor:
        """Samples (N, *shape) of all that is given, a tensor (N, ...) each; without `z`, of no noise."""
        named = dict(zip(self.names, given, strict=True))
        z = named.pop("z") if "z" in named else torch.zeros(given[0].shape[0], 0)  # `len` would fix how many
        made: Tensor = self.module(z, named.pop("labels", None), **named)
        return made


def _inputs(generator: TrainedGenerator, n: int, larger: int = 0) -> dict[str, Tensor]:
    """n latents, labels and inputs, as far as the generator takes them, by the model's input names.

    Images that may have any size are `larger` multiples higher than in training, and twice as many wider.
    """
    z = latents(generator.module, n, seed=0)
    found = {"z": z} if z.numel() or not generator.inputs else {}
    if generator.variant.conditional:
        found["labels"] = default_labels(generator.spec, n)
    rng = torch.Generator().manual_seed(0)
    for one in generator.inputs:
        if one.kind == "text":
            found[one.name] = torch.randint(len(one.names) + 1, (n, *one.shape), generator=rng)
        else:
            step = larger * one.multiple if one.any_size else 0
            shape = (one.shape[0], one.shape[1] + step, one.shape[2] + 2 * step) if step else one.shape
            found[one.name] = torch.rand(n, *shape, generator=rng) * 2 - 1
    return found


def _free_sizes(generator: TrainedGenerator, names: Iterable[str]) -> tuple[dict[int, Any], ...]:
    """Of each of the model's inputs the dimensions that are free: how many there are, and the sides of images."""
    batch = torch.export.Dim("batch")
    free: dict[str, dict[int, Any]] = {name: {0: batch} for name in names}
    for one in generator.inputs:
        if one.any_size:
            for k, side in ((2, "height"), (3, "width")):
                free[one.name][k] = one.multiple * torch.export.Dim(f"{one.name}_{side}")
    return tuple(free.values())


def _model(generator: TrainedGenerator, module: nn.Module) -> bytes:
    """The model's bytes, without what the exporter records of this machine's paths."""
    inputs = _inputs(generator, 2)
    free = _free_sizes(generator, inputs)
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")  # about the exporter's own inner names
        program = torch.onnx.export(
            module,
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=["samples"],
            dynamic_shapes=(free,) if generator.inputs else free,  # `*given` is one parameter
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
    plugin = registry().variant(generator.variant.name)[1]
    header = describe(plugin, generator.variant, generator.spec, generator.step, generator.inputs)
    header |= {"sampling": options} if (options := generator.sampling.to_dict()) else {}
    model.metadata_props.add(key="ganzoo", value=json.dumps(header, sort_keys=True))
    return bytes(model.SerializeToString(deterministic=True))


@torch.inference_mode()
def _difference(model: bytes, module: nn.Module, inputs: dict[str, Tensor]) -> float:
    """The largest difference between the samples of model and module."""
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (found,) = session.run(["samples"], {name: tensor.numpy() for name, tensor in inputs.items()})
    return float((torch.from_numpy(found) - module(*inputs.values())).abs().max())
