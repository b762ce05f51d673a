"""How far samples are from what they should have been, where the data says that: pairs of pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import Tensor

_SMALLEST_SIDE = 11  # of the window over which structural similarity is measured
_NEAREST = 1e-10  # a mean square below it counts as this: the ratio of a perfect copy would have no end
_PIECE = 64


def target_figures(made: Tensor, target: Tensor) -> dict[str, float]:
    """The mean absolute error of samples (N, *shape) in [-1, 1] against their targets (N, *shape).

    Of images also the peak signal-to-noise ratio of all of them, in decibels, and where they are large enough the mean
    structural similarity (Wang et al., IEEE TIP 13, 2004).
    """
    found = {"target_error": float((made - target).abs().mean())}
    if made.ndim != 4:
        return found
    square = float((made - target).square().mean())
    found["target_psnr"] = 10 * math.log10(4 / max(square, _NEAREST))
    if min(made.shape[2:]) >= _SMALLEST_SIDE:
        found["target_ssim"] = _similarity(made, target)
    return found


def copy_figures(inputs: Iterable[Tensor], target: Tensor) -> dict[str, float]:
    """The same of the first of some inputs (N, ...) that is shaped as the targets (N, *shape): of a mere copy of it."""
    for given in inputs:
        if given.shape == target.shape:
            found = target_figures(given, target)
            return {name.replace("target", "copy"): value for name, value in found.items()}
    return {}


def _similarity(made: Tensor, target: Tensor) -> float:
    from torchmetrics.functional.image import structural_similarity_index_measure

    total = 0.0
    for a, b in zip(made.split(_PIECE), target.split(_PIECE), strict=True):
        found = structural_similarity_index_measure(a, b, data_range=2.0, reduction="sum")
        assert isinstance(found, Tensor)  # no further image of it was asked for
        total += float(found)
    return total / len(made)
