"""Two domains made of scikit-learn's digits: filled, and as outlines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor

from ganzoo_core import Dataset, DataSpec

if TYPE_CHECKING:
    from ganzoo_cyclegan import OutlinedDigits


def load(source: OutlinedDigits) -> Dataset:
    """Samples (1797, 1, 28, 28) uint8, white on black; label 0 is filled, 1 outlined, in turn."""
    filled = _enlarged(torch.from_numpy(load_digits().images).float() / 16)
    labels = torch.arange(len(filled)) % 2
    images = torch.where(labels.bool()[:, None, None, None], outline(filled), filled)
    spec = DataSpec(source.name, source.shape, source.classes)
    return Dataset(spec, (images * 255).round().to(torch.uint8), labels)


def outline(images: Tensor) -> Tensor:
    """The lines around strokes in images (N, 1, H, W) in [0, 1]: what strokes gain when they grow by a pixel."""
    return F.max_pool2d(images, 3, stride=1, padding=1) - images


def _enlarged(images: Tensor) -> Tensor:
    """(N, 8, 8) to (N, 1, 28, 28), both in [0, 1], with a border; soft edges are made steeper."""
    bordered = F.pad(images.unsqueeze(1), (1, 1, 1, 1))
    large = F.interpolate(bordered, size=(28, 28), mode="bicubic", align_corners=False)
    return ((large - 1 / 4) * 2).clamp(0, 1)
