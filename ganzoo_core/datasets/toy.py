"""Distributions with a known formula, for which mode coverage and fidelity can be computed exactly."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec

RING8_STD = 0.02
GRID25_STD = 0.05
_SIZE = 50_000
_SEEDS = {"train": 20140610, "test": 20141222}


def ring8_modes() -> np.ndarray:
    """The centres (8, 2) float64 of ring8 in natural units, counter-clockwise from (2, 0)."""
    angles = np.arange(8) * (2 * np.pi / 8)
    return 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def grid25_modes() -> np.ndarray:
    """The centres (25, 2) float64 of grid25 in natural units, column by column from (-4, -4)."""
    ticks = np.arange(-4.0, 5.0, 2.0)
    return np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(25, 2)


def sine_bounds() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x, lower, upper), each (15,) float64 in natural units: every curve lies between x^2 and 2 x^2 + 1."""
    x = np.linspace(-1, 1, 15)
    return x, x**2, 2 * x**2 + 1


def gaussians(
    name: str, classes: tuple[str, ...], modes: np.ndarray, std: float, *, scale: float, split: str
) -> Dataset:
    """Points (50000, 2) float32 about `modes` (M, 2), each mode as likely, divided by `scale` into [-1, 1]."""
    rng = np.random.default_rng(_SEEDS[split])
    labels = rng.integers(len(modes), size=_SIZE)
    points = modes[labels] + std * rng.standard_normal((_SIZE, 2))
    spec = DataSpec(name, (2,), classes, "points", scale=scale)
    exact_metrics = partial(_modes_covered, modes=_tensor(modes), std=std)
    return Dataset(spec, _tensor(points / scale), torch.from_numpy(labels), exact_metrics=exact_metrics)


def parabolas(name: str, split: str) -> Dataset:
    """Curves (50000, 15) float32 in [-1, 1], unlabelled: y = a x^2 + (a - 1) with a uniform in [1, 2]."""
    _, lower, upper = sine_bounds()
    weight = np.random.default_rng(_SEEDS[split]).random((_SIZE, 1))  # a - 1
    curves = lower + weight * (upper - lower)
    spec = DataSpec(name, (15,), kind="curves", scale=1.5, offset=1.5)
    return Dataset(spec, _tensor((curves - 1.5) / 1.5), exact_metrics=_inside_bounds)


def _modes_covered(samples: Tensor, modes: Tensor, std: float) -> dict[str, float]:
    covered, good = mode_coverage(samples, modes, std)
    return {"modes_covered": covered, "good_share": good}


def _inside_bounds(curves: Tensor) -> dict[str, float]:
    """The share of curves (N, 15) that stay between the parabolas, a twentieth of their range to spare."""
    _, lower, upper = (_tensor(bound) for bound in sine_bounds())
    inside = ((curves >= lower - 0.15) & (curves <= upper + 0.15)).all(dim=1)
    return {"inside_share": float(inside.float().mean())}


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))


def mode_coverage(samples: Tensor, modes: Tensor, std: float) -> tuple[int, float]:
    """The number of modes covered and the share of good samples (arXiv:1705.07761, section 4.1).

    `samples`: (N, D), `modes`: (M, D), both in natural units; `std`: the modes' own. A sample is good if it lies within
    three standard deviations of the mode nearest to it; a mode is covered if a single good sample is nearest to it.
    The paper draws 2,500 samples. Of samples of a true Gaussian in two dimensions, 98.9% are good.
    """
    distances, nearest = torch.cdist(samples, modes.to(samples)).min(dim=1)  # both (N,)
    good = distances <= 3 * std
    return len(nearest[good].unique()), float(good.float().mean())
