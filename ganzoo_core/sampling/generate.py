"""The latents of a seed, and the samples of latents."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_core.interfaces import Generator
from ganzoo_core.sampling.surroundings import undisturbed
from ganzoo_core.seeds import alone, derive_seed

# Latents are drawn, and images made, in pieces of this many: sample i of a seed is the same however many are asked for.
_PIECE = 64


def generate(
    module: Generator, n: int, labels: Tensor | None, seed: int, device: torch.device, first: int = 0
) -> Tensor:
    """n samples (n, *shape) float32 in [-1, 1] on the CPU, from latents that depend only on the seed."""
    return decode(module, latents(module, n, seed, first), labels, device)


@undisturbed()
@torch.no_grad()
def latents(module: Generator, n: int, seed: int, first: int = 0) -> Tensor:
    """n latents (n, latent_dim) of a seed, on the CPU, from number `first` on, which is a multiple of `_PIECE`."""
    pieces = []
    for start in range(first, first + n, _PIECE):
        rng = torch.Generator().manual_seed(derive_seed(seed, "sample", start))
        pieces.append(module.latent(_PIECE, rng))
    return torch.cat(pieces)[:n]


@undisturbed()
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
        with alone:
            made = module(z[rows].to(device), wanted)
        pieces.append(made.float().cpu()[: len(z) - start])
    module.train(was_training)
    return torch.cat(pieces)
