"""What a generator was given, what it made of it, what it should have made: a row each."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw
from torch import Tensor

from ganzoo_core.dataspec import DataSpec, Input
from ganzoo_core.drawing.fonts import drawable, fitted
from ganzoo_core.drawing.pictures import CELL, GUTTER, MARGIN, NAME_SIZE, NAME_WIDTH, PAPER, cells, montage
from ganzoo_core.drawing.plots import INK, class_name

ACROSS = 8  # examples side by side; more begin a new block of rows
TEXT_SIZE = 11


def translations_picture(
    values: Tensor,
    spec: DataSpec,
    inputs: Sequence[tuple[Input, Tensor]],
    labels: Tensor | None = None,
    target: Tensor | None = None,
    made: str = "generated",
) -> Image.Image:
    """Samples (N, C, H, W) in [-1, 1] below what they were made of, and above their `target` (N, C, H, W).

    `inputs`: a column (N, ...) for each. Pictures of another size are made as large as the samples. `labels` (N,) are
    written out. `made`: what the samples' row is called.
    """
    height, width = values.shape[-2:]
    factor = max(1, -(-CELL // max(height, width)))
    size = width * factor, height * factor
    rows: list[tuple[str, list[Image.Image]]] = [(one.name, _shown(one, column, size)) for one, column in inputs]
    if labels is not None:
        line = size[0], TEXT_SIZE + 2 * GUTTER
        rows.append(("", [_written(class_name(spec, label), line) for label in labels.tolist()]))
    rows.append((made, cells(values, factor)))
    if target is not None:
        rows.append(("target", cells(target, factor)))
    starts = range(0, len(values), ACROSS)
    return _stacked([(name, images[start : start + ACROSS]) for start in starts for name, images in rows])


def _stacked(rows: Sequence[tuple[str, list[Image.Image]]]) -> Image.Image:
    """Rows of pictures, each as high as its own, with their names at the left."""
    names = [fitted(name, NAME_SIZE, NAME_WIDTH) for name, _ in rows]
    left = 2 * MARGIN + max(math.ceil(font.getlength(name)) for name, font in names)
    strips = [montage([images], GUTTER, PAPER) for _, images in rows]
    size = max(strip.width for strip in strips), sum(strip.height + GUTTER for strip in strips) - GUTTER
    canvas, top = Image.new("RGB", (left + size[0] + MARGIN, size[1] + 2 * MARGIN), PAPER), MARGIN
    draw = ImageDraw.Draw(canvas)
    for (name, font), strip in zip(names, strips, strict=True):
        canvas.paste(strip, (left, top))
        draw.text((left - MARGIN, top + strip.height / 2), name, fill=INK, font=font, anchor="rm")
        top += strip.height + GUTTER
    return canvas


def _shown(one: Input, column: Tensor, size: tuple[int, int]) -> list[Image.Image]:
    """A column's rows as pictures of one size."""
    if one.kind == "image":
        nearest = all(side % own == 0 for side, own in zip(size, reversed(column.shape[-2:]), strict=True))
        how = Image.Resampling.NEAREST if nearest else Image.Resampling.BICUBIC
        return [image.resize(size, how) for image in cells(column)]
    return [_written(words_in(one, row), size) for row in column]


def words_in(one: Input, row: Tensor) -> str:
    """A row (L,) of a text or (D,) of numbers as people read it."""
    if one.kind == "text":
        return " ".join(
            one.names[number - 1] if 0 < number <= len(one.names) else "?" for number in row[row != 0].tolist()
        )
    names = one.names or tuple(str(k) for k in range(len(row)))
    return ", ".join(f"{name} {value:.3g}" for name, value in zip(names, row.tolist(), strict=True))


def _written(text: str, size: tuple[int, int]) -> Image.Image:
    """A text on paper, in as many lines as fit."""
    image = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(image)
    line = TEXT_SIZE + GUTTER
    letters = max(4, 2 * size[0] // TEXT_SIZE)
    lines = textwrap.wrap(drawable(text)[0], letters)[: max(1, size[1] // line)]
    for k, words in enumerate(lines):
        shown, font = fitted(words, TEXT_SIZE, size[0])
        draw.text((0, k * line), shown, fill=INK, font=font)
    return image
