"""A trained generator: made into a file, loaded from one, sampled."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo_core import bounds, checkpoint
from ganzoo_core.checkpoint import TensorFile
from ganzoo_core.data import derive_seed
from ganzoo_core.devices import pick_device, place
from ganzoo_core.errors import DataError, FileError, GanzooError, PluginError, SettingError, UnknownNameError, shorten
from ganzoo_core.interfaces import Generator
from ganzoo_core.registry import Plugin, registry
from ganzoo_core.run_folder import RunFolder
from ganzoo_core.run_settings import configured
from ganzoo_core.sample_files import is_picture, write_samples
from ganzoo_core.samples import Samples, default_count, label_indices
from ganzoo_core.variant import DataSpec, Variant

# Latents are drawn, and images made, in pieces of this many: sample i of a seed is the same however many are asked for.
_PIECE = 64

_FIELDS = {"variant": str, "package": str, "package_version": str, "config": dict, "data": dict, "step": int}
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")  # also a package's, by PEP 508
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,98}")
_MOST_NUMBERS = 2**26  # of one sample
_log = logging.getLogger("ganzoo")


def generate(
    module: Generator, n: int, labels: Tensor | None, seed: int, device: torch.device, first: int = 0
) -> Tensor:
    """n samples (n, *shape) float32 in [-1, 1] on the CPU, from latents that depend on the seed alone."""
    return decode(module, latents(module, n, seed, first), labels, device)


@torch.no_grad()
def latents(module: Generator, n: int, seed: int, first: int = 0) -> Tensor:
    """n latents (n, latent_dim) of a seed, on the CPU, from number `first` on, which is a multiple of `_PIECE`."""
    pieces = []
    for start in range(first, first + n, _PIECE):
        rng = torch.Generator().manual_seed(derive_seed(seed, "sample", start))
        pieces.append(module.latent(_PIECE, rng))
    return torch.cat(pieces)[:n]


@torch.inference_mode()
def decode(module: Generator, z: Tensor, labels: Tensor | None, device: torch.device, *, piece: int = _PIECE) -> Tensor:
    """What a generator makes of latents z (N, latent_dim) and labels (N,): (N, *shape) float32 in [-1, 1] on the CPU.

    It runs in eval mode: BatchNorm uses its running statistics, so a sample does not depend on the others. It makes
    `piece` samples at a time, and the last bit of a number may depend on how many.
    """
    was_training = module.training
    module.eval()
    pieces = []
    for start in range(0, len(z), piece):
        rows = torch.arange(start, start + piece).clamp(max=len(z) - 1)  # the last piece is filled up
        wanted = None if labels is None else labels[rows].to(device)
        pieces.append(module(z[rows].to(device), wanted).float().cpu()[: len(z) - start])
    module.train(was_training)
    return torch.cat(pieces)


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
        n, cycle = self._wanted(n, labels)
        return self._made(0, n, cycle, seed)

    def batches(
        self, n: int | None = None, *, labels: Sequence[str | int] | None = None, seed: int = 0
    ) -> Iterator[Samples]:
        """The samples of `sample`, at most 64 at a time, made as they are asked for: memory does not grow with n."""
        n, cycle = self._wanted(n, labels)
        return self._pieces(n, cycle, seed)

    def save_samples(
        self,
        path: Path | str,
        n: int | None = None,
        *,
        labels: Sequence[str | int] | None = None,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Save what `sample` makes as `Samples.save` does, but without holding it in memory, except for a picture.

        `progress` is called with the number of samples made and n, again and again. Raises as both.
        """
        if is_picture(path):
            self.sample(n, labels=labels, seed=seed).save(path)
            return
        n, cycle = self._wanted(n, labels)
        write_samples(path, self._pieces(n, cycle, seed, progress), n)

    def _wanted(self, n: int | None, labels: Sequence[str | int] | None) -> tuple[int, Tensor | None]:
        """How many samples, and the labels that they take in turn."""
        if n is not None and n < 1:
            raise SettingError(f"n must be at least 1, but is {n}")
        if labels:
            self.check_conditional()
            cycle = label_indices(self.spec, labels)
            return n or 8 * len(cycle), torch.tensor(cycle)
        n = n or default_count(self.spec, self.variant.conditional)
        return n, torch.arange(self.spec.num_classes) if self.variant.conditional else None

    def _pieces(
        self, n: int, cycle: Tensor | None, seed: int, progress: Callable[[int, int], None] | None = None
    ) -> Iterator[Samples]:
        for first in range(0, n, _PIECE):
            piece = self._made(first, min(_PIECE, n - first), cycle, seed)
            yield piece
            if progress is not None:
                progress(first + len(piece), n)

    def _made(self, first: int, n: int, cycle: Tensor | None, seed: int) -> Samples:
        """n samples from number `first` on."""
        labels = None if cycle is None else cycle[torch.arange(first, first + n) % len(cycle)]
        return Samples(generate(self.module, n, labels, seed, self.device, first), self.spec, labels)

    def check_conditional(self) -> None:
        """Raise `SettingError` for a variant that takes no labels."""
        if not self.variant.conditional:
            raise SettingError(
                f"{self.variant.name} is not conditional and can't be asked for a label; "
                f"`ganzoo list` shows the variants that can"
            )


def describe(plugin: Plugin, variant: Variant, spec: DataSpec, step: int) -> dict[str, Any]:
    """All that is needed to use a generator's weights, as JSON values; no clock and no path among it."""
    return {
        "variant": variant.name,
        "package": plugin.package,
        "package_version": plugin.version,
        "config": variant.config.to_dict(),
        "data": spec.to_dict(),
        "step": step,
    }


def export(path: Path, module: Generator, plugin: Plugin, variant: Variant, spec: DataSpec, step: int) -> None:
    """Write a generator's weights with all that is needed to use them."""
    checkpoint.save(path, "generator", describe(plugin, variant, spec, step), module.state_dict())


def load(source: str | Path, device: str = "cpu") -> TrainedGenerator:
    """Load a generator from a run folder, a generator.safetensors, or a variant that ships trained weights.

    Only installed plugins are ever imported. Raises `FileError` where the file is missing, damaged or does not fit,
    `PluginError` where the variant's package is not installed.
    """
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(resources.as_file(_find(source)))
        file = stack.enter_context(checkpoint.opened(path, "generator"))
        variant, plugin, spec = _described(file)
        module = _filled(file, variant, plugin, spec)
        where = pick_device(device)
        place(module, where)
        return TrainedGenerator(module.eval(), variant, spec, file.header["step"], where)


def _find(source: str | Path) -> Path | Traversable:
    """The file of weights that a source stands for: what is on the disk goes before a variant of that name."""
    path = Path(os.path.expanduser(source))
    if path.is_dir():
        folder = RunFolder.open(path)
        if not folder.generator.exists():
            raise FileError(f"{path} has no generator.safetensors yet; train it: ganzoo run --resume {path}")
        return folder.generator
    if path.exists():
        return path
    try:
        _, plugin = registry().variant(str(source))
    except UnknownNameError as error:
        raise FileError(
            f"there is no run folder, weights file or variant {str(source)!r}; runs are in runs/"
        ) from error
    weights = plugin.weights(str(source))
    if weights is None:
        raise FileError(f"{source} ships no weights; train it first: ganzoo run {source}")
    with resources.as_file(weights) as file:
        name = checkpoint.read_header(file, "generator")[0].get("variant")
    if name != source:
        raise FileError(f"the weights that {plugin.source} ships for {source} are of the variant {shorten(name)!r}")
    return weights


def _described(file: TensorFile) -> tuple[Variant, Plugin, DataSpec]:
    """The variant and the data that a file's header speaks of. What it names is looked up, never imported."""
    path, header = file.path, file.header
    checkpoint.check_fields(path, header, _FIELDS)
    name, package = header["variant"], header["package"]
    patterns = {"variant": _NAME, "package": _NAME, "package_version": _VERSION}  # which become part of messages
    for field, pattern in patterns.items():
        if not pattern.fullmatch(header[field]):
            raise FileError(f"{path} is damaged: its header lacks or garbles {field}")
    variant_class, plugin = installed(name, package, f"{path} holds weights")
    if _canonical(package) != _canonical(plugin.package):
        raise FileError(f"{path} holds weights of the {name} of {package}, but the {name} here is of {plugin.package}")
    try:
        spec = DataSpec.from_dict(header["data"])
        _check_size(spec)
        variant = configured(variant_class, plugin, variant_class.Config.effective(header["config"]))
        variant.check_data(spec)
    except GanzooError as error:
        raise FileError(
            f"{path} does not fit the installed {name}: {shorten(error)}; {origin(header, plugin)}"
        ) from error
    except TypeError as error:
        raise FileError(f"{path} is damaged: its header lacks or garbles data ({shorten(error)})") from error
    return variant, plugin, spec


def installed(name: str, package: str, what: str) -> tuple[type[Variant], Plugin]:
    """The variant that a file speaks of, and its plugin. Raises `PluginError` where the package is to be installed."""
    try:
        return registry().variant(name)
    except UnknownNameError as error:
        raise PluginError(
            f"{what} of the variant {name!r}, whose package is not installed: pip install {package}"
        ) from error


def _check_size(spec: DataSpec) -> None:
    """Raise `DataError` for samples so large that making one would use up the memory."""
    if len(spec.shape) > 8 or math.prod(spec.shape) > _MOST_NUMBERS:
        raise DataError(f"a sample may hold {_MOST_NUMBERS:,} numbers in 8 dimensions, but has shape {spec.shape}")


def _filled(file: TensorFile, variant: Variant, plugin: Plugin, spec: DataSpec) -> Generator:
    """The generator with the file's weights in it; nothing of their size is allocated before they are known to fit."""
    try:
        module = bounds.build(lambda: variant.generator(spec), file)
    except FileError as error:
        raise FileError(f"{error}; {origin(file.header, plugin)}") from error
    tensors = {f"generator.{name}": tensor for name, tensor in file.tensors().items()}
    checkpoint.load_into(module, tensors, "generator", file.path)
    if _series(file.header["package_version"]) != _series(plugin.version):
        _log.warning("%s: %s; its samples may be others than there", file.path, origin(file.header, plugin))
    return module


def origin(header: dict[str, Any], plugin: Plugin) -> str:
    """Which versions of a variant's package meet: the one that wrote a file, and the one that reads it."""
    return f"it was written by {header['package']} {header['package_version']}, and {plugin.version} is installed"


def _series(version: str) -> list[str]:
    """The part of a version that changes when what a package does may change: 1.2 of 1.2.3."""
    return version.split(".")[:2]


def _canonical(package: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", package).lower()
