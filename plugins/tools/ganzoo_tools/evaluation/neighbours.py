"""The samples nearest to the training data, drawn beside what they are near to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganzoo_tools.evaluation.prdc import nearest
from ganzoo_tools.evaluation.reference import Reference
from ganzoo_tools.exploration.table import table_picture

if TYPE_CHECKING:
    from PIL.Image import Image

SHOWN, TRAINING = 10, 3


def neighbours_picture(reals: Reference, values: Tensor, features: Tensor) -> Image | None:
    """The samples (N, *shape) whose features (N, D) come nearest to training ones, if they are images; else None.

    A row a sample, each of another class while there are such: itself, the training samples nearest to it, and the
    nearest held-out one. If not even these are copies, none is.
    """
    if not reals.spec.has_pixels:
        return None
    distances, _ = nearest(features, reals.all.features)
    rows = _telling(distances, reals.read(values) if reals.labelled else None)
    near = torch.cdist(features[rows], reals.all.features).topk(TRAINING, largest=False).indices.cpu()
    columns = ["generated", "training", *(f"training {k}" for k in range(2, TRAINING + 1))]
    parts = [values[rows][:, None], reals.all.values[near]]
    if reals.held_out is not None:
        columns.append("held-out")
        parts.append(reals.held_out.values[nearest(features[rows], reals.held_out.features)[1].cpu()][:, None])
    names = [f"{distance:.2f}" for distance in distances.cpu()[rows].tolist()]
    return table_picture(torch.cat(parts, dim=1), reals.spec, names, columns, values[:0])


def _telling(distances: Tensor, read: Tensor | None) -> Tensor:
    """The indices of the least distances (N,): the nearest of each class read (N,) first, then the others."""
    order = distances.argsort().tolist()
    if read is not None:
        classes = read.tolist()
        firsts = {classes[index]: index for index in reversed(order)}.values()
        order = [*sorted(firsts, key=order.index), *(index for index in order if index not in firsts)]
    return torch.tensor(order[:SHOWN])
