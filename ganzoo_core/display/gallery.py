"""The samples in a run's picture, taken apart again, to be shown where there is little room."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from rich.console import Console, RenderableType

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.display import pixels
from ganzoo_core.drawing.gifs import read_picture
from ganzoo_core.drawing.pictures import bare_grid, drawn_size, layout_of, montage
from ganzoo_core.drawing.terminal import Blocks
from ganzoo_core.sampling.samples import default_count, default_labels

SMALLEST_CELL = 7  # pixels a side; in less, no digit can be told
WANTED = 10  # samples, before they are shown larger
_LARGEST = 20_000  # pixels a side of the picture: a hundred classes make it high
_ENLARGED = 84  # pixels a side at least, where the terminal has real ones


@dataclass(frozen=True, eq=False)
class Gallery:
    """Pictures of one size, the most telling first: the samples of a run, or the one plot of them."""

    images: list[Image.Image]

    def drawn(self, console: Console, width: int, rows: int) -> RenderableType | None:
        """As many as fit into `rows` lines of `width` characters; None where they would be too small to see."""
        first = self.images[0]
        side = _cell_width(first.size, len(self.images), width, 2 * rows)
        if side is None:
            return None
        columns, lines = _fitting(side, round(side * first.height / first.width), width, 2 * rows)
        columns = min(columns, len(self.images))
        chosen = self.images[: columns * lines]
        if pixels.protocol(console) == "kitty":  # a sixel would be sent anew each time the panel is
            return self._in_pixels(chosen, columns, width, rows)
        cell = (side, max(1, round(side * first.height / first.width)))
        return Blocks(_grid([image.resize(cell, Image.Resampling.HAMMING) for image in chosen], columns), width)

    def _in_pixels(self, chosen: list[Image.Image], columns: int, width: int, rows: int) -> RenderableType:
        factor = math.ceil(_ENLARGED / chosen[0].width)
        size = chosen[0].width * factor, chosen[0].height * factor
        grid = _grid([image.resize(size, Image.Resampling.NEAREST) for image in chosen], columns)
        return pixels.pixel_picture(grid, min(width, 2 * rows * grid.width // grid.height))


def read_gallery(path: Path, spec: DataSpec, conditional: bool) -> Gallery:
    """The samples in a picture that a run drew of its fixed latents; plots, and pictures of another make, are one.

    Of a conditional variant one of each class comes first. Raises `FileError` where the picture can't be read.
    """
    picture = read_picture(path, _LARGEST)
    if not spec.has_pixels:
        return Gallery([picture])
    n = default_count(spec, conditional)
    labels = default_labels(spec, n) if conditional else None
    grid = bare_grid(picture, spec, n, labels)
    if grid is None:
        return Gallery([picture])
    height, width = drawn_size(spec)
    places = layout_of(spec, n, labels).places()
    if conditional:
        places.sort(key=lambda place: place[2])
    corners = [(j * (width + 1), i * (height + 1)) for i, j, _ in places]
    return Gallery([grid.crop((x, y, x + width, y + height)).convert("RGB") for x, y in corners])


def _cell_width(size: tuple[int, int], n: int, width: int, height: int) -> int | None:
    """How wide each of n pictures is shown within so many pixels: as wide as lets `WANTED` of them fit, or all."""
    for side in range(min(size[0], width), SMALLEST_CELL - 1, -1):
        columns, lines = _fitting(side, round(side * size[1] / size[0]), width, height)
        if columns * lines >= (1 if side == SMALLEST_CELL else min(n, WANTED)):
            return side
    return None


def _fitting(cell_width: int, cell_height: int, width: int, height: int) -> tuple[int, int]:
    """How many cells, a pixel apart, fit beside and below each other."""
    return (width + 1) // (cell_width + 1), (height + 1) // (max(1, cell_height) + 1)


def _grid(images: list[Image.Image], columns: int) -> Image.Image:
    return montage([images[i : i + columns] for i in range(0, len(images), columns)], 1, "black")
