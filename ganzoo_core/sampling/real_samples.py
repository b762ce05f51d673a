"""A few samples of a data set, to be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganzoo_core.data import Dataset
from ganzoo_core.drawing.translations import ACROSS, translations_picture
from ganzoo_core.sampling.samples import Samples, default_count

if TYPE_CHECKING:
    from PIL.Image import Image


class RealSamples(Samples):
    """Samples of a data set; `inputs`: its columns, which are drawn above them."""

    def picture(self, columns: int | None = None) -> Image:
        """As a generator's samples are drawn."""
        if self.inputs and self.spec.kind == "images":
            return translations_picture(self.values, self.spec, self.inputs, self.labels, made="real")
        return super().picture(columns)


def few_of(dataset: Dataset) -> RealSamples:
    """Samples from all over a data set, as many as make a good picture: equal ones for equal data."""
    spec, labels = dataset.spec, dataset.labels
    has_rows = labels is not None and not spec.columns
    n = 2 * ACROSS if spec.columns else default_count(spec, has_rows)
    if labels is None or not has_rows:
        indices = _spread(len(dataset), n)
    else:
        present = labels.unique().tolist()[:n]
        members = [(labels == label).nonzero().flatten() for label in present]
        indices = torch.cat([one[_spread(len(one), max(1, n // len(present)))] for one in members])
    batch = dataset.batch(indices)
    inputs = tuple((column, batch[column.name]) for column in spec.columns)
    return RealSamples(batch["real"], spec, batch.get("labels"), inputs=inputs)


def _spread(size: int, n: int) -> Tensor:
    """At most n of the numbers below `size`, evenly spaced."""
    n = min(n, size)
    return torch.arange(n, device="cpu") * size // max(1, n)
