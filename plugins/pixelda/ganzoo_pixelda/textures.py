"""Coloured textures made by code, and digits blended with them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_AT_ONCE = 4096
_WAVES = 3
_MOST_PERIODS = 3.0  # of a wave in a picture


def blended(digits: Tensor, seed: int) -> Tensor:
    """Digits (N, 1, H, W) uint8 on textures of their own, (N, 3, H, W) uint8: |texture - digit| (arXiv:1409.7495)."""
    rng = torch.Generator().manual_seed(seed)
    parts = []
    for some in digits.split(_AT_ONCE):
        textures = waves(len(some), some.shape[2], some.shape[3], rng)
        parts.append(((textures - some / 255).abs() * 255).round().to(torch.uint8))
    return torch.cat(parts)


def waves(n: int, height: int, width: int, rng: torch.Generator) -> Tensor:
    """Textures (N, 3, H, W) in [0, 1]: two colours, of which waves in three directions mix as much as they say."""
    y, x = torch.linspace(0, 1, height)[:, None], torch.linspace(0, 1, width)
    down, across, start = torch.rand(3, n, _WAVES, 1, 1, generator=rng)
    turns = _MOST_PERIODS * ((2 * down - 1) * y + (2 * across - 1) * x) + start  # (N, waves, H, W)
    mix = torch.sigmoid(2 * (2 * math.pi * turns).sin().sum(1, keepdim=True))  # (N, 1, H, W)
    first, second = torch.rand(2, n, 3, 1, 1, generator=rng)
    return first + (second - first) * mix
