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

    Of a balanced variant the batches are balanced too, as `derive` may rely on that: then the rows are others.
    """
    rng = torch.Generator().manual_seed(derive_seed(0, "evaluate"))
    batches = _balanced(data, len(rows)) if variant.balanced else [(some, slice(None)) for some in rows.split(_BATCH)]
    kept: dict[str, list[Tensor]] = {}
    for some, of_these in batches:
        for name, column in derived(variant, data.batch(some), rng).items():
            if name in names:
                kept.setdefault(name, []).append(column[of_these])
    return {name: torch.cat(pieces) for name, pieces in kept.items()}


def _balanced(data: Dataset, n: int) -> list[tuple[Tensor, Tensor]]:
    """The rows of batches with equally many of each class, in class order, and what to keep of each: n rows in all."""
    assert data.labels is not None
    classes = len(data.labels.unique())
    size = max(1, min(_BATCH, n) // classes) * classes
    order = BatchOrder(data, size, derive_seed(0, "evaluate"), torch.device("cpu"), by_class=True)
    one_of_each = torch.arange(size).view(classes, -1).T.flatten()  # and so on: the last batch is cut fairly
    return [(order.indices(k), one_of_each[: n - k * size].sort().values) for k in range(-(-n // size))]
