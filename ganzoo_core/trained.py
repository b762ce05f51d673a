"""A trained generator: made into a file, loaded from one, sampled."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo_core import checkpoint
from ganzoo_core.data import derive_seed
from ganzoo_core.devices import pick_device, place
from ganzoo_core.errors import FileError, GanzooError, PluginError, SettingError, UnknownNameError
from ganzoo_core.interfaces import Generator
from ganzoo_core.registry import Plugin, registry
from ganzoo_core.run_folder import RunFolder
from ganzoo_core.samples import Samples
from ganzoo_core.variant import DataSpec, Variant

# Latents are drawn, and images made, in pieces of this many: sample i of a seed is the same however many are asked for.
_PIECE = 64


def generate(module: Generator, n: int, labels: Tensor | None, seed: int, device: torch.device) -> Tensor:
    """n samples (n, *shape) float32 in [-1, 1] on the CPU, from latents that depend on the seed alone."""
    return decode(module, latents(module, n, seed), labels, device)


@torch.no_grad()
def latents(module: Generator, n: int, seed: int) -> Tensor:
    """The first n latents (n, latent_dim) of a seed, on the CPU."""
    pieces = []
    for start in range(0, n, _PIECE):
        rng = torch.Generator().manual_seed(derive_seed(seed, "sample", start))
        pieces.append(module.latent(_PIECE, rng))
    return torch.cat(pieces)[:n]


@torch.inference_mode()
def decode(module: Generator, z: Tensor, labels: Tensor | None, device: torch.device) -> Tensor:
    """What a generator makes of latents z (N, latent_dim) and labels (N,): (N, *shape) float32 in [-1, 1] on the CPU.

    It runs in eval mode: BatchNorm uses its running statistics, so a sample does not depend on the others.
    """
    was_training = module.training
    module.eval()
    pieces = []
    for start in range(0, len(z), _PIECE):
        rows = torch.arange(start, start + _PIECE).clamp(max=len(z) - 1)  # the last piece is filled up
        wanted = None if labels is None else labels[rows].to(device)
        pieces.append(module(z[rows].to(device), wanted).float().cpu()[: len(z) - start])
    module.train(was_training)
    return torch.cat(pieces)


def default_count(spec: DataSpec, conditional: bool) -> int:
    """How many samples make a good picture: 8 a class, 64 images or curves, 1,000 points."""
    if spec.kind == "points":
        return 1000
    return 8 * min(spec.num_classes, 20) if conditional else 64


def label_indices(spec: DataSpec, labels: Sequence[str | int]) -> list[int]:
    """Turn class names or indices into indices. Raises `UnknownNameError` for one that is neither."""
    found = []
    for label in labels:
        if str(label) in spec.classes:
            found.append(spec.classes.index(str(label)))
        elif str(label).isdecimal() and int(label) < spec.num_classes:
            found.append(int(label))
        else:
            raise UnknownNameError("label", str(label), spec.classes)
    return found


@dataclass(frozen=True)
class TrainedGenerator:
    """A generator with what is needed to use it. `step`: how long it was trained."""

    module: Generator
    variant: Variant
    spec: DataSpec
    step: int
    device: torch.device

    def sample(self, n: int | None = None, *, labels: Sequence[str | int] | None = None, seed: int = 0) -> Samples:
        """Make n samples. The same seed gives the same samples; the first k do not depend on n.

        `labels`, names or indices, are repeated in turn until there are n; without them a conditional variant goes
        through all classes. Raises `SettingError` where labels can't be asked for, `UnknownNameError` for a wrong one.
        """
        if n is not None and n < 1:
            raise SettingError(f"n must be at least 1, but is {n}")
        if labels:
            self.check_conditional()
            cycle = label_indices(self.spec, labels)
            n = n or 8 * len(cycle)
        else:
            cycle = list(range(self.spec.num_classes))
            n = n or default_count(self.spec, self.variant.conditional)
        wanted = None
        if self.variant.conditional:
            wanted = torch.tensor(cycle)[torch.arange(n) % len(cycle)]
        return Samples(generate(self.module, n, wanted, seed, self.device), self.spec, wanted)

    def check_conditional(self) -> None:
        """Raise `SettingError` for a variant that takes no labels."""
        if not self.variant.conditional:
            raise SettingError(
                f"{self.variant.name} is not conditional and can't be asked for a label; "
                f"`ganzoo list` shows the variants that can"
            )


def export(path: Path, module: Generator, plugin: Plugin, variant: Variant, spec: DataSpec, step: int) -> None:
    """Write a generator's weights with all that is needed to use them; no clock and no path among it."""
    header = {
        "variant": variant.name,
        "package": plugin.package,
        "package_version": plugin.version,
        "config": variant.config.to_dict(),
        "data": spec.to_dict(),
        "step": step,
    }
    checkpoint.save(path, "generator", header, module.state_dict())


def load(source: str | Path, device: str = "cpu") -> TrainedGenerator:
    """Load a generator from a run folder or a generator.safetensors.

    Only installed plugins are ever imported. Raises `FileError` where the file is missing, damaged or does not fit,
    `PluginError` where the variant's package is not installed.
    """
    path = _find(source)
    header, shapes = checkpoint.read_header(path, "generator")
    variant, spec = _described(path, header)
    with torch.device("meta"):  # shapes are compared before anything of their size is allocated
        expected = variant.generator(spec).state_dict()
    try:
        checkpoint.check_shapes(path, "generator", expected, shapes)
    except FileError as error:
        raise FileError(f"{error}; it was written by {header['package']} {header['package_version']}") from error
    _, tensors = checkpoint.load(path, "generator")
    module = variant.generator(spec)
    checkpoint.load_into(module, {f"generator.{name}": t for name, t in tensors.items()}, "generator", path)
    where = pick_device(device)
    place(module, where)
    return TrainedGenerator(module.eval(), variant, spec, int(header["step"]), where)


def _find(source: str | Path) -> Path:
    path = Path(os.path.expanduser(source))
    if path.is_dir():
        folder = RunFolder.open(path)
        if not folder.generator.exists():
            raise FileError(f"{path} has no generator.safetensors yet; train it: ganzoo run --resume {path}")
        return folder.generator
    if path.exists():
        return path
    if str(source) in registry().variants():
        raise FileError(f"{source} ships no weights; train it first: ganzoo run {source}")
    raise FileError(f"there is no run folder, weights file or variant {str(source)!r}; runs are in runs/")


def _described(path: Path, header: dict[str, Any]) -> tuple[Variant, DataSpec]:
    """The variant and the data that a generator's header speaks of."""
    try:
        name, package, config = str(header["variant"]), str(header["package"]), dict(header["config"])
        spec = DataSpec.from_dict(dict(header["data"]))
        int(header["step"]), str(header["package_version"])
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} is damaged: its header lacks or garbles {error}") from error
    try:
        variant_class, _ = registry().variant(name)
    except UnknownNameError as error:
        raise PluginError(
            f"{path} holds weights of the variant {name!r}, whose package is not installed: pip install {package}"
        ) from error
    try:
        return variant_class(variant_class.Config.from_dict(config)), spec
    except GanzooError as error:
        raise FileError(f"{path} does not fit the installed {name}: {error}") from error
