"""Samples in rows and columns, named, as one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.drawing.pictures import GUTTER, PAPER, cells, enlargement, lettered, montage
from ganzoo_core.drawing.plots import (
    INK,
    PALETTE,
    colours_of,
    draw_sample,
    entry,
    legend,
    limits,
    natural_units,
    new_figure,
    rendered,
)

TABLE_CELL = 84  # wide enough for a caption
TABLE_COLUMNS = 10


def table_picture(
    values: Tensor,
    spec: DataSpec,
    rows: Sequence[str],
    columns: Sequence[str],
    untouched: Tensor,
    *,
    least_cell: int = TABLE_CELL,
) -> Image.Image:
    """Samples (R, C, *shape) as a table: `rows` names stand at its left, `columns` names above it.

    `untouched` (0 or 1, *shape) is a sample to compare with, at the left of each row. A wide table goes on below.
    Points and curves: a plot.
    """
    if not spec.has_pixels:
        return ways_picture(values, spec, rows, columns, untouched)
    across = math.ceil(len(columns) / math.ceil(len(columns) / TABLE_COLUMNS))
    factor = enlargement(spec, across + len(untouched), least_cell)
    blocks = []
    for start in range(0, len(columns), across):
        part = slice(start, start + across)
        images = [cells(torch.cat([untouched, row[part]]), factor) for row in values]
        captions = ["untouched"] * len(untouched) + list(columns[part])
        blocks.append([lettered(montage(images, GUTTER, PAPER), rows, captions)])
    return montage(blocks, 0, PAPER)


def ways_picture(
    values: Tensor, spec: DataSpec, rows: Sequence[str], columns: Sequence[str], untouched: Tensor
) -> Image.Image:
    """Points (R, C, 2) or curves (R, C, L) found on R ways of C steps, later steps drawn stronger.

    Each row has its colour and its name; where there is one row, each column. `untouched` (0 or 1, *shape) is dark.
    """
    figure, axes = new_figure(5, 5.2) if spec.kind == "points" else new_figure(6, 4.5)
    names = rows if len(rows) > 1 else columns
    colours = colours_of(len(names))
    table = natural_units(values, spec)
    for i, j in np.ndindex(table.shape[:2]):
        k, first = (i, j == 0) if len(rows) > 1 else (j, True)
        name = names[k] if first and len(names) <= len(PALETTE) else None
        strength = 0.4 + 0.6 * (j + 1) / len(columns)
        draw_sample(axes, table[i, j], spec, color=colours[k], alpha=strength, label=entry(name))
        if spec.kind == "points" and len(rows) > 1 and j > 0:
            axes.plot(*table[i, j - 1 : j + 1].T, color=colours[k], linewidth=1, alpha=strength)
    for sample in natural_units(untouched, spec):
        draw_sample(axes, sample, spec, color=INK, alpha=1.0, label="untouched")
    axes.set(ylim=limits(spec), xlim=limits(spec) if spec.kind == "points" else (-1, 1))
    axes.set_aspect("equal" if spec.kind == "points" else "auto")
    legend(figure, columns=3)
    return rendered(figure)
