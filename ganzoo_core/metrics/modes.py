"""Modes covered and good samples, for mixtures whose modes are known."""

from __future__ import annotations

import torch
from torch import Tensor


def mode_coverage(samples: Tensor, modes: Tensor, std: float) -> tuple[int, float]:
    """The number of modes covered and the share of good samples (arXiv:1705.07761, section 4.1).

    `samples`: (N, D), `modes`: (M, D), both in natural units; `std`: the modes' own. A sample is good if it lies within
    three standard deviations of the mode nearest to it; a mode is covered if a single good sample is nearest to it.
    The paper draws 2,500 samples. Of samples of a true Gaussian in two dimensions, 98.9% are good.
    """
    distances, nearest = torch.cdist(samples, modes.to(samples)).min(dim=1)  # both (N,)
    good = distances <= 3 * std
    return len(nearest[good].unique()), float(good.float().mean())
