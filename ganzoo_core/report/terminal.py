"""Pictures in a terminal: two pixels in a character, one above the other."""

from __future__ import annotations

from itertools import groupby, zip_longest

import numpy as np
from PIL import Image
from rich.cells import cell_len
from rich.color import Color
from rich.style import Style
from rich.table import Table
from rich.text import Text
from torch import Tensor

from ganzoo_core.report.pictures import cells, grouped, montage
from ganzoo_core.report.plots import class_name
from ganzoo_core.text import one_line
from ganzoo_core.variant import DataSpec

UPPER_HALF = "▀"
COLUMNS = 8  # samples side by side
ROWS = 8
NAME_WIDTH = 16


def half_blocks(image: Image.Image, width: int) -> Text:
    """The picture in at most `width` characters a line, made smaller where it must be, never larger."""
    pixels = np.asarray(_shrunk(image.convert("RGB"), width)).tolist()
    lines = []
    for upper, lower in zip_longest(pixels[::2], pixels[1::2], fillvalue=[None] * len(pixels[0])):
        pairs = groupby(zip(upper, lower, strict=True))
        lines.append(Text.assemble(*((UPPER_HALF * len(list(run)), _style(*pair)) for pair, run in pairs)))
    return Text("\n", no_wrap=True).join(lines)


def _shrunk(image: Image.Image, width: int) -> Image.Image:
    width = max(1, min(width, image.width))
    height = max(1, round(image.height * width / image.width))
    return image.resize((width, height), Image.Resampling.HAMMING)


def _style(upper: list[int], lower: list[int] | None) -> Style:
    return Style(color=Color.from_rgb(*upper), bgcolor=None if lower is None else Color.from_rgb(*lower))


def image_blocks(values: Tensor, spec: DataSpec, labels: Tensor | None, width: int) -> Table:
    """Some of the images (N, C, H, W) or voxels in [-1, 1]: eight rows, or with `labels` a row a class, named."""
    most = COLUMNS if labels is not None else COLUMNS * ROWS
    groups = grouped(len(values), labels)
    named = [("" if k is None else class_name(spec, k), values[members[:most]]) for k, members in groups]
    return named_blocks(named, width)


def named_blocks(named: list[tuple[str, Tensor]], width: int) -> Table:
    """Groups of images (N, C, H, W) or voxels in [-1, 1], each beside its name, in rows of at most eight."""
    named = [(one_line(name), values) for name, values in named]
    columns = min(COLUMNS, max((len(values) for _, values in named), default=1))
    name_width = min(NAME_WIDTH, max((cell_len(name) for name, _ in named), default=0))
    cell_width = (width - name_width - 1) // columns - 1
    table = Table.grid(padding=(0, 1))
    table.add_column(width=name_width, no_wrap=True, overflow="ellipsis", vertical="middle", justify="right")
    table.add_column()
    for name, values in named:
        images = [_shrunk(image, cell_width) for image in cells(values)]
        rows = [images[i : i + columns] for i in range(0, len(images), columns)]
        table.add_row(Text(name), half_blocks(montage(rows, 1, "black"), width))
    return table
