"""Two domains made of scikit-learn's digits: filled, and as outlines."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor

from ganzoo_core import Dataset, DataSpec


def load(spec: DataSpec) -> Dataset:
    """Samples (1797, 1, 28, 28) uint8, white on black; label 0 is filled, 1 outlined, in turn."""
    small = F.pad(torch.from_numpy(load_digits().images)[:, None].float() / 16, (1, 1, 1, 1))
    large = F.interpolate(small, size=(28, 28), mode="bicubic", align_corners=False)
    filled = ((large - 1 / 4) * 2).clamp(0, 1)  # soft edges are made steeper
    labels = torch.arange(len(filled)) % 2
    images = torch.where(labels.bool()[:, None, None, None], outline(filled), filled)
    return Dataset(spec, (images * 255).round().to(torch.uint8), labels)


def outline(images: Tensor) -> Tensor:
    """The lines around strokes in images (N, 1, H, W) in [0, 1]: what strokes gain when they grow by a pixel."""
    return F.max_pool2d(images, 3, stride=1, padding=1) - images
