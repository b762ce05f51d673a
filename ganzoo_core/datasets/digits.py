"""scikit-learn's 8x8 digits, enlarged smoothly so that they look handwritten; and each beside its outline."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor

from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec, Split

_HELD_OUT = 6  # of so many digits one


def load(spec: DataSpec) -> Dataset:
    """All digits: samples (1797, 1, 28, 28) uint8, white on black."""
    return Dataset(spec, *_all())


def load_pairs(spec: DataSpec, split: Split) -> Dataset:
    """Digits (N, 1, 28, 28) uint8, and of each as `source` its outline: what its strokes gain when they grow a pixel.

    Every sixth is held out: N is 1498 for training, 299 of the split "test".
    """
    filled, labels = _all()
    is_held_out = torch.arange(len(filled)) % _HELD_OUT == _HELD_OUT - 1
    rows = is_held_out if split == "test" else ~is_held_out
    filled = filled[rows]
    grown = F.max_pool2d(filled.float(), kernel_size=3, stride=1, padding=1)
    return Dataset(spec, filled, labels[rows], extra={"source": (grown - filled).to(torch.uint8)})


def _all() -> tuple[Tensor, Tensor]:
    digits = load_digits()
    samples = torch.from_numpy(np.stack([_enlarged(image) for image in digits.images])).unsqueeze(1)
    return samples, torch.from_numpy(digits.target.astype(np.int64))


def _enlarged(image: np.ndarray) -> np.ndarray:
    """(8, 8) of 0..16 to (28, 28) uint8.

    Strokes run to the edge of the 8x8 picture, so a border of one pixel lets them end instead of being cut off. The
    Lanczos filter's ringing and its soft edges lie in the lowest and highest sixth of the range, which are cut away.
    """
    bordered = np.pad(image / 16, 1).astype(np.float32)
    large = np.asarray(Image.fromarray(bordered).resize((28, 28), Image.Resampling.LANCZOS))
    return (np.clip((large - 1 / 6) * 1.5, 0, 1) * 255).round().astype(np.uint8)
