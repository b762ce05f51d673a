"""Precision, recall, density and coverage of samples (arXiv:2002.09797)."""

from __future__ import annotations

import torch
from torch import Tensor


def nearest_distances(features: Tensor, k: int) -> Tensor:
    """Each sample's distance (N,) to its k-th nearest neighbour among the others."""
    pieces = [torch.cdist(piece, features).kthvalue(k + 1, dim=1).values for piece in features.split(1000)]
    return torch.cat(pieces)


def coverage(real: Tensor, fake: Tensor, k: int = 5) -> float:
    """The share of real samples whose k-nearest-neighbour ball holds a fake one (equation 4).

    `real`: (N, D), `fake`: (M, D) features. 1 is full coverage; a collapsed generator comes near 0.
    """
    radii = nearest_distances(real, k)
    pairs = zip(real.split(1000), radii.split(1000), strict=True)
    covered = [torch.cdist(piece, fake).min(dim=1).values < radius for piece, radius in pairs]
    return float(torch.cat(covered).float().mean())
