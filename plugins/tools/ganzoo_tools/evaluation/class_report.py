"""A classifier's predictions per class: label accuracy, classes present, diversity within each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

PRESENT = 0.1  # a class is there if its share is at least this part of its share in the real data


def confusion_matrix(asked: Tensor, read: Tensor, num_classes: int) -> Tensor:
    """Counts (K, K) int64: a row per requested class, a column per predicted class."""
    return torch.bincount(asked * num_classes + read, minlength=num_classes**2).view(num_classes, num_classes)


def read_as_asked(matrix: Tensor) -> dict[str, float]:
    """The share of samples predicted as their requested class, over all and in the worst requested class."""
    totals = matrix.sum(dim=1)
    shares = matrix.diagonal()[totals > 0] / totals[totals > 0]
    return {"read_as_asked": float(matrix.diagonal().sum() / totals.sum()), "worst_class": float(shares.min())}


def classes_present(read: Tensor, real: Tensor) -> dict[str, float]:
    """How many classes are there, and the entropy of their shares in bits; `read`, `real`: counts (K,)."""
    shares, real_shares = read / read.sum(), real / real.sum()
    present = (shares >= PRESENT * real_shares) & (read > 0)
    return {"classes_present": float(present.sum()), "class_entropy": float(torch.special.entr(shares).sum() / _LN2)}


_LN2 = 0.6931471805599453


def spread(values: Tensor) -> float | None:
    """The mean over pixels of the standard deviation over samples (N, *shape); None for fewer than two."""
    return float(values.std(dim=0).mean()) if len(values) > 1 else None


def variety(values: Tensor, read: Tensor, real: Tensor, real_labels: Tensor, num_classes: int) -> list[float | None]:
    """Per class, the spread of the samples (N, *shape) predicted as it, divided by that of its real samples.

    None for a class with too few samples.
    """
    found: list[float | None] = []
    for k in range(num_classes):
        fakes, reals = spread(values[read == k]), spread(real[real_labels == k])
        found.append(fakes / reals if fakes is not None and reals else None)
    return found


@dataclass
class ClassReport:
    """What was read over all seeds. `confusion` holds counts (K, K) where the variant is asked for classes."""

    classes: tuple[str, ...]
    read: Tensor
    real: Tensor
    confusion: Tensor | None
    varieties: list[list[float | None]]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        by_seed = zip(*self.varieties, strict=True)
        return {
            "names": list(self.classes),
            "share": (self.read / self.read.sum()).tolist(),
            "real_share": (self.real / self.real.sum()).tolist(),
            "read_as_asked": None if self.confusion is None else _diagonal_shares(self.confusion),
            "variety": [_mean([v for v in seeds if v is not None]) for seeds in by_seed],
            "confusion": None if self.confusion is None else self.confusion.tolist(),
        }


def _diagonal_shares(matrix: Tensor) -> list[float | None]:
    rows = matrix.tolist()
    return [row[k] / sum(row) if sum(row) else None for k, row in enumerate(rows)]


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
