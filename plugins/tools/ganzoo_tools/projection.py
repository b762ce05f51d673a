"""The latent behind a picture: what a generator would have to be given to make it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo_core.drawing.pictures import GUTTER, PAPER, cells, enlargement, lettered, montage, png_bytes
from ganzoo_core.errors import DataError, FileError, SettingError
from ganzoo_core.registry import registry
from ganzoo_core.sampling.generate import decode, latents
from ganzoo_core.sampling.surroundings import undisturbed
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_core.storage.files import write_atomically
from ganzoo_core.storage.names import visible
from ganzoo_tools.exploration.walks import first_latent

STEPS = 300
_TRIED = 512  # latents of a seed of which the nearest begin
_BEGINNINGS = 8
_RATE = 0.05  # of the deviation of a latent's coordinates
_CELL = 140  # pixels of a picture in the comparison


@dataclass(frozen=True)
class Projection:
    """The latent (latent_dim,) whose sample comes nearest to `target` (C, H, W), that sample, and how far it is off.

    `error`: the mean absolute difference on [0, 1]. `label`: the class it was made of, by index. `encoded`: the sample
    of what the generator's own encoder reads from the target, where it has one, and its error.
    """

    target: Tensor
    latent: Tensor
    sample: Tensor
    error: float
    label: int | None = None
    encoded: tuple[Tensor, float] | None = None

    def picture(self, generator: TrainedGenerator) -> bytes:
        """Target, what the encoder finds, and what was found, side by side, as a PNG."""
        columns = [("given", self.target), *([("encoded", self.encoded[0])] if self.encoded else [])]
        columns.append(("found", self.sample))
        factor = enlargement(generator.spec, len(columns), _CELL)
        images = cells(torch.stack([values for _, values in columns]), factor)
        return png_bytes(lettered(montage([images], GUTTER, PAPER), [None], [name for name, _ in columns]))

    def record(self, generator: TrainedGenerator) -> dict[str, Any]:
        """As JSON values, such as the explorer keeps a latent."""
        classes = generator.spec.classes
        return {
            "variant": generator.variant.name,
            "data": generator.spec.name,
            "step": generator.step,
            "label": None if self.label is None else classes[self.label],
            "error": self.error,
            "latent": self.latent.tolist(),
        }


def read_target(generator: TrainedGenerator, path: Path) -> Tensor:
    """A picture (C, H, W) in [-1, 1] of the generator's size: the middle of the file's.

    Raises `FileError` where there is none, `DataError` for what is no image, or a generator that makes none.
    """
    spec = generator.spec
    if spec.kind != "images":
        raise DataError(f"project needs a generator of images, but {generator.variant.name} here makes {spec.kind}")
    if not path.is_file():
        raise FileError(f"there is no file {visible(path)}")
    channels, height, width = spec.shape
    pixels = torch.tensor(registry().dataset("folder")[0].picture(path, channels, (height, width)))
    return pixels.float() / 127.5 - 1


@undisturbed()
def project(
    generator: TrainedGenerator,
    target: Tensor,
    *,
    labels: Sequence[str | int] | None = None,
    steps: int = STEPS,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Projection:
    """The latent behind a picture (C, H, W) in [-1, 1], by descent from the nearest of 512 latents of `seed`.

    Eight of them, and what the generator's own `encode` reads where it has one, go down the squared error of pixels by
    Adam, which is the hybrid method of arXiv:1609.03552, section 3.2, without its features. They are kept in the range
    of latents where the generator states one, by clipping (arXiv:1702.04782, section 2). The nearest at any step
    counts. A conditional generator does so under each of `labels`, all classes by default. Raises `DataError` for a
    target of another shape or a generator without latents, `SettingError` for one that takes inputs.
    """
    if generator.inputs:
        names = ", ".join(one.name for one in generator.inputs)
        raise SettingError(f"project finds latents, but {generator.variant.name} makes samples of {names}, too")
    if tuple(target.shape) != generator.spec.shape:
        raise DataError(f"the target must be of shape {generator.spec.shape}, but is {tuple(target.shape)}")
    first_latent(generator, seed)
    module, device = generator.module, generator.device
    target = target.to(device)
    classes: list[int | None] = [None]
    if generator.variant.conditional:
        classes = list(generator.label_numbers(labels or range(generator.spec.num_classes)))
    elif labels:
        generator.check_conditional()
    pool = latents(module, _TRIED, seed)
    encode = getattr(module, "encode", None)
    read = None
    if encode is not None:
        with torch.no_grad():
            read = encode(target[None]).float().cpu()
    best: tuple[float, Tensor, int | None] | None = None
    for number, label in enumerate(classes):
        made = decode(module, pool, _named(label, len(pool)), device)
        order = _distances(made, target.cpu()).argsort()[:_BEGINNINGS]
        begin = torch.cat([*([read] if read is not None else []), pool[order]])

        def told(step: int, base: int = number * steps) -> None:
            if progress is not None:
                progress(base + step, len(classes) * steps)

        error, z = _descended(generator, begin, _named(label, len(begin)), target, pool, steps, told)
        if best is None or error < best[0]:
            best = error, z, label
    assert best is not None
    _, z, label = best
    sample = decode(module, z[None], _named(label, 1), device, piece=1)[0]
    encoded = None
    if read is not None:
        rebuilt = decode(module, read, _named(label, 1), device, piece=1)[0]
        encoded = rebuilt, _error(rebuilt, target.cpu())
    return Projection(target.cpu(), z, sample, _error(sample, target.cpu()), label, encoded)


def _descended(
    generator: TrainedGenerator,
    begin: Tensor,
    labels: Tensor | None,
    target: Tensor,
    pool: Tensor,
    steps: int,
    told: Callable[[int], None],
) -> tuple[float, Tensor]:
    """The least squared error on the way down from latents (K, latent_dim), and its latent."""
    module, device = generator.module, generator.device
    span = getattr(module, "latent_range", None)
    z = begin.to(device, copy=True).requires_grad_()
    labels = None if labels is None else labels.to(device)
    optimizer = torch.optim.Adam([z], lr=_RATE * float(pool.std()))
    least, found = float("inf"), begin[0]
    for step in range(steps + 1):
        errors = (module(z, labels).float() - target).square().flatten(1).mean(1)
        value, k = errors.detach().min(0)
        if float(value) < least:
            least, found = float(value), z.detach()[int(k)].cpu().clone()
        optimizer.zero_grad()
        errors.sum().backward(inputs=[z])
        optimizer.step()
        if span is not None:
            with torch.no_grad():
                z.clamp_(*span)
        told(min(step, steps))
    return least, found


def _named(label: int | None, n: int) -> Tensor | None:
    return None if label is None else torch.full((n,), label)


def _distances(made: Tensor, target: Tensor) -> Tensor:
    return (made - target).square().flatten(1).mean(1)


def _error(sample: Tensor, target: Tensor) -> float:
    return float((sample - target).abs().mean()) / 2


def save(projection: Projection, generator: TrainedGenerator, path: Path) -> Path:
    """Write the picture to `path`, and the latent beside it as JSON; returns the latter's path."""
    latent = path.with_suffix(".json")
    write_atomically(path, projection.picture(generator))
    write_atomically(latent, (json.dumps(projection.record(generator), indent=1) + "\n").encode())
    return latent
