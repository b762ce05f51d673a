"""Handwritten digits in three colours."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec
from ganzoo_core.errors import DataError

COLOURS = {"red": (255, 64, 32), "green": (48, 224, 64), "blue": (64, 96, 255)}


class ColouredDigits(ganzoo.DataSource):
    """Handwritten digits, each in one of three colours. No digit is there in two, so there are no pairs."""

    name, title = "coloured-digits", "Handwritten digits in three colours"
    origin = "made of scikit-learn's digits: UCI Optical Recognition of Handwritten Digits, CC BY 4.0"
    shape, classes, size = (3, 28, 28), tuple(COLOURS), 1797

    def load(self, data_dir: Path, split: Literal["train", "test"] = "train") -> ganzoo.Dataset:
        """All 1,797. Raises `DataError` for split "test"."""
        if split == "test":
            raise DataError(f"{self.name} has no held-out part: its only split is 'train', but 'test' was asked for")
        import torch
        import torch.nn.functional as F
        from sklearn.datasets import load_digits

        small = F.pad(torch.from_numpy(load_digits().images)[:, None].float() / 16, (1, 1, 1, 1))
        ink = F.interpolate(small, size=(28, 28), mode="bicubic").clamp(0, 1)  # (N, 1, 28, 28)
        labels = torch.arange(len(ink)) % len(COLOURS)
        colours = torch.tensor(list(COLOURS.values()), dtype=torch.float32)[labels]  # (N, 3)
        images = (ink * colours[:, :, None, None]).round().to(torch.uint8)
        return ganzoo.Dataset(DataSpec(self.name, self.shape, self.classes), images, labels)
