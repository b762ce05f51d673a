"""Pictures in a terminal: two pixels per character, one above the other; in shades if there are no colours."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, zip_longest

import numpy as np
from PIL import Image
from rich.cells import cell_len
from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.style import Style
from rich.table import Table
from rich.text import Text
from torch import Tensor

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.drawing.pictures import NAMED_ROWS, cells, grouped, montage
from ganzoo_core.drawing.plots import class_name
from ganzoo_core.storage.names import one_line

UPPER_HALF = "▀"
COLUMNS = 8  # samples side by side
ROWS = 8
NAME_WIDTH = 16
_SHADES, _PLAIN_SHADES = " ░▒▓█", " .:+#"


@dataclass(frozen=True)
class Blocks:
    """A picture for a rich console, in at most `width` characters a line: in half blocks, or without colours in shades.

    It is made smaller where it must be, never larger.
    """

    image: Image.Image
    width: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(self.width, options.max_width)
        if console.no_color or console.color_system is None:
            yield shades(self.image, width, ascii_only=options.ascii_only)
        else:
            yield half_blocks(self.image, width)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        width = max(1, min(self.width, self.image.width, options.max_width))
        return Measurement(width, width)


def half_blocks(image: Image.Image, width: int) -> Text:
    """The picture in at most `width` characters a line, made smaller where it must be, never larger."""
    pixels = np.asarray(_shrunk(image.convert("RGB"), width)).tolist()
    lines = []
    for upper, lower in zip_longest(pixels[::2], pixels[1::2], fillvalue=[None] * len(pixels[0])):
        pairs = groupby(zip(upper, lower, strict=True))
        lines.append(Text.assemble(*((UPPER_HALF * len(list(run)), _style(*pair)) for pair, run in pairs)))
    return Text("\n", no_wrap=True).join(lines)


def shades(image: Image.Image, width: int, *, ascii_only: bool = False) -> Text:
    """The picture without colours: a character for two pixels, the denser the brighter they are."""
    grey = _shrunk(image.convert("L"), width)
    ramp = _PLAIN_SHADES if ascii_only else _SHADES
    levels = np.asarray(grey.resize((grey.width, -(-grey.height // 2)), Image.Resampling.BOX)).tolist()
    lines = ["".join(ramp[level * len(ramp) // 256] for level in row) for row in levels]
    return Text("\n".join(lines), no_wrap=True)


def _shrunk(image: Image.Image, width: int) -> Image.Image:
    width = max(1, min(width, image.width))
    height = max(1, round(image.height * width / image.width))
    return image.resize((width, height), Image.Resampling.HAMMING)


def _style(upper: list[int], lower: list[int] | None) -> Style:
    return Style(color=Color.from_rgb(*upper), bgcolor=None if lower is None else Color.from_rgb(*lower))


def image_blocks(values: Tensor, spec: DataSpec, labels: Tensor | None, width: int) -> Table:
    """Some of the images (N, C, H, W) or voxels in [-1, 1]: eight rows, or with `labels` a row a class, named.

    Of more than 20 classes one of each, in eight rows without names.
    """
    most = COLUMNS if labels is not None else COLUMNS * ROWS
    groups = grouped(len(values), labels)
    if len(groups) > NAMED_ROWS:
        most, groups = COLUMNS * ROWS, [(None, [members[0] for _, members in groups])]
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
        table.add_row(Text(name), Blocks(montage(rows, 1, "black"), width))
    return table
