"""Precision, recall, density and coverage of samples (arXiv:2002.09797), and who their nearest neighbours are."""

from __future__ import annotations

import torch
from torch import Tensor

ENTRIES = 4_000_000  # of a distance matrix in memory at once: 16 MB, which the allocator keeps for the next piece


def pieces(rows: Tensor, columns: int) -> tuple[Tensor, ...]:
    """The rows (N, ...) of a distance matrix in parts of at most ENTRIES numbers, or one row."""
    return rows.split(max(1, ENTRIES // columns))


def nearest_distances(features: Tensor, k: int) -> Tensor:
    """Each sample's distance (N,) to its k-th nearest neighbour among the others."""
    parts = pieces(features, len(features))
    return torch.cat([torch.cdist(part, features).topk(k + 1, largest=False).values[:, -1] for part in parts])


def nearest(queries: Tensor, among: Tensor) -> tuple[Tensor, Tensor]:
    """The distance (N,) from each of `queries` (N, D) to the nearest of `among` (M, D), and its index (N,)."""
    found = [torch.cdist(part, among).min(dim=1) for part in pieces(queries, len(among))]
    return torch.cat([f.values for f in found]), torch.cat([f.indices for f in found])


def prdc(real: Tensor, fake: Tensor, k: int = 5) -> dict[str, float]:
    """Precision, recall, density and coverage of `fake` (M, D) against `real` (N, D) features: equations 1 to 4.

    A sample's ball reaches to its k-th nearest neighbour among its own. Precision: the share of fakes in a real one's
    ball; recall: of reals in a fake one's; density: the real balls a fake lies in, by k; coverage: the share of real
    balls that hold a fake.
    """
    real_radii, fake_radii = nearest_distances(real, k), nearest_distances(fake, k)
    balls_around = torch.zeros(len(fake), device=fake.device)
    recalled, covered = [], []
    for part, radii in zip(pieces(real, len(fake)), pieces(real_radii, len(fake)), strict=True):
        distances = torch.cdist(part, fake)  # (part, M)
        inside = distances < radii[:, None]
        balls_around += inside.sum(dim=0)
        covered.append(inside.any(dim=1))
        recalled.append((distances < fake_radii).any(dim=1))
    return {
        "precision": float((balls_around > 0).float().mean()),
        "recall": float(torch.cat(recalled).float().mean()),
        "density": float(balls_around.mean() / k),
        "coverage": float(torch.cat(covered).float().mean()),
    }


def coverage(real: Tensor, fake: Tensor, k: int = 5) -> float:
    """The share of real samples whose k-nearest-neighbour ball holds a fake one (equation 4).

    `real`: (N, D), `fake`: (M, D) features. 1 is full coverage; a collapsed generator comes near 0.
    """
    return prdc(real, fake, k)["coverage"]
