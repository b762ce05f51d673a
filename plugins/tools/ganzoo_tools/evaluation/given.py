"""What networks with inputs are given in an evaluation: rows of the real data, as the variant makes batches of them."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from ganzoo_core.data import BatchOrder, Dataset
from ganzoo_core.sampling.inputs import derived
from ganzoo_core.seeds import derive_seed
from ganzoo_core.variant import Variant

_BATCH = 64


def given_rows(variant: Variant, data: Dataset, rows: Tensor, names: Collection[str]) -> dict[str, Tensor]:
    """The columns of these `names`, as far as there are such, of rows (N,) of a data set: (N, ...), on the CPU.

    Of a balanced variant the batches are balanced too, as `derive` may rely on that: then the rows are others, and may
    be a few less.
    """
    rng = torch.Generator().manual_seed(derive_seed(0, "evaluate"))
    kept: dict[str, list[Tensor]] = {}
    for some in _balanced(data, len(rows)) if variant.balanced else rows.split(_BATCH):
        for name, column in derived(variant, data.batch(some), rng).items():
            if name in names:
                kept.setdefault(name, []).append(column)
    return {name: torch.cat(pieces) for name, pieces in kept.items()}


def _balanced(data: Dataset, n: int) -> list[Tensor]:
    """The rows of batches with equally many of each class, in class order: n rows in all, or a few less."""
    classes = data.spec.num_classes
    size = max(1, min(_BATCH, n) // classes) * classes
    order = BatchOrder(data, size, derive_seed(0, "evaluate"), torch.device("cpu"), by_class=True)
    return [order.indices(number) for number in range(max(1, n // size))]
