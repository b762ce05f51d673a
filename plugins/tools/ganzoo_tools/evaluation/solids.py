"""Whether solids are of one piece: the share of voxels that hang loose."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import label
from torch import Tensor


def loose_voxels(values: Tensor) -> float:
    """The share of all filled voxels, of solids (N, 1, D, H, W) in [-1, 1], outside the largest piece of their own.

    Filled is above 0; a piece is of voxels that touch by their faces. 0 where nothing is filled.
    """
    filled = loose = 0
    for solid in (values[:, 0] > 0).numpy():
        pieces, _ = label(solid)
        sizes = np.bincount(pieces.reshape(-1))[1:]
        filled += int(sizes.sum())
        loose += int(sizes.sum() - sizes.max(initial=0))
    return loose / filled if filled else 0.0
