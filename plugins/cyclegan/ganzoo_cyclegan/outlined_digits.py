"""Handwritten digits in two domains without pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec
from ganzoo_core.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor


class OutlinedDigits(ganzoo.DataSource):
    """Handwritten digits, every second one as its outline. No digit is there in both ways, so there are no pairs."""

    name, title = "outlined-digits", "Handwritten digits, half of them as outlines"
    origin = "made of scikit-learn's digits: UCI Optical Recognition of Handwritten Digits, CC BY 4.0"
    shape, classes, size = (1, 28, 28), ("filled", "outlined"), 1797

    def load(self, data_dir: Path, split: Literal["train", "test"] = "train") -> ganzoo.Dataset:
        """All 1,797. Raises `DataError` for split "test"."""
        if split == "test":
            raise DataError(f"{self.name} has no held-out part: its only split is 'train', but 'test' was asked for")
        import torch

        filled = filled_digits()
        labels = torch.arange(len(filled)) % 2
        images = torch.where(labels.bool()[:, None, None, None], outlines(filled), filled)
        return ganzoo.Dataset(
            DataSpec(self.name, self.shape, self.classes), images.mul(255).round().to(torch.uint8), labels
        )


def filled_digits() -> Tensor:
    """The 1,797 digits (N, 1, 28, 28) float32 in [0, 1], enlarged and with steeper edges."""
    import torch
    import torch.nn.functional as F
    from sklearn.datasets import load_digits

    small = F.pad(torch.from_numpy(load_digits().images)[:, None].float() / 16, (1, 1, 1, 1))
    large = F.interpolate(small, size=(28, 28), mode="bicubic")
    return ((large - 1 / 4) * 2).clamp(0, 1)


def outlines(filled: Tensor) -> Tensor:
    """What strokes (N, 1, H, W) in [0, 1] gain as they grow by a pixel."""
    import torch.nn.functional as F

    return F.max_pool2d(filled, 3, stride=1, padding=1) - filled
