"""The latents of a seed, and the samples of latents."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ganzoo_core.interfaces import Generator, columns_of
from ganzoo_core.sampling.devices import default_generator
from ganzoo_core.sampling.surroundings import undisturbed
from ganzoo_core.seeds import alone, derive_seed

# Latents are drawn, and images made, in pieces of this many: sample i of a seed is the same however many are asked for.
_PIECE = 64


def generate(
    module: Generator,
    n: int,
    labels: Tensor | None,
    seed: int,
    device: torch.device,
    first: int = 0,
    columns: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """n samples (n, *shape) float32 in [-1, 1] on the CPU, from latents that depend only on the seed.

    `columns`: what the generator takes besides, n rows of each.
    """
    return decode(module, latents(module, n, seed, first), labels, device, columns=columns, seed=seed, first=first)


@undisturbed()
@torch.no_grad()
def latents(module: Generator, n: int, seed: int, first: int = 0) -> Tensor:
    """n latents (n, latent_dim) of a seed, on the CPU, from number `first` on."""
    pieces = []
    for start in range(first - first % _PIECE, first + n, _PIECE):
        rng = torch.Generator().manual_seed(derive_seed(seed, "sample", start))
        pieces.append(module.latent(_PIECE, rng))
    return torch.cat(pieces)[first % _PIECE :][:n]


@undisturbed()
@torch.inference_mode()
def decode(
    module: Generator,
    z: Tensor,
    labels: Tensor | None,
    device: torch.device,
    *,
    piece: int = _PIECE,
    columns: Mapping[str, Tensor] | None = None,
    seed: int = 0,
    first: int = 0,
) -> Tensor:
    """What a generator makes of latents z (N, latent_dim), labels (N,) and columns: (N, *shape) float32 in [-1, 1].

    It runs in eval mode: BatchNorm uses its running statistics, so a sample does not depend on the others. It makes
    `piece` samples at a time, and the last bit of a number may depend on how many. Noise that a network draws itself,
    such as dropout that stays on (arXiv:1611.07004, section 3.2), comes from the seed and the samples' numbers, which
    begin at `first`. The result is on the CPU.
    """
    was_training = module.training
    module.eval()
    pieces = []
    for start in range(0, len(z), piece):
        rows = torch.arange(start, start + piece).clamp(max=len(z) - 1)  # the last piece is filled up
        wanted = None if labels is None else labels[rows].to(device)
        given = {name: column[rows].to(device) for name, column in columns_of(module, columns or {}).items()}
        with alone:
            default_generator(device).manual_seed(derive_seed(seed, "noise", first + start))
            made = module(z[rows].to(device), wanted, **given)
        pieces.append(made.float().cpu()[: len(z) - start])
    module.train(was_training)
    return torch.cat(pieces)
