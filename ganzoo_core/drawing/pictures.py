"""Samples as one picture: a grid of images, projections of voxels, points in the plane, curves."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.drawing.fonts import drawable, fitted
from ganzoo_core.drawing.plots import INK, class_name, curves_picture, points_picture

PAPER = "white"
MARGIN = 12
GUTTER = 2
CELL = 56  # small images are enlarged to at least this, in pixels
WIDEST = 2_400  # but not beyond this width of the whole grid
NAME_WIDTH = 110
NAME_SIZE, TITLE_SIZE = 14, 18


def picture(
    values: Tensor,
    spec: DataSpec,
    labels: Tensor | None = None,
    *,
    columns: int | None = None,
    real: Tensor | None = None,
    title: str | None = None,
) -> Image.Image:
    """Samples (N, *shape) in [-1, 1] as one RGB picture; equal samples give equal pixels.

    Images and voxels: a grid, `columns` wide; with `labels` (N,) each class begins a new row that bears its name.
    Points and curves: a plot in natural units, with `real` samples (M, *shape) for comparison.
    """
    if spec.kind == "points":
        return points_picture(values, spec, labels, real, title)
    if spec.kind == "curves":
        return curves_picture(values, spec, real, title)
    groups = grouped(len(values), labels)
    columns = _columns(len(values), groups, columns)
    images = cells(values, enlargement(spec, columns))
    named_rows = [
        (label if start == 0 else None, [images[i] for i in members[start : start + columns]])
        for label, members in groups
        for start in range(0, len(members), columns)
    ]
    grid = montage([row for _, row in named_rows], GUTTER, PAPER)
    names = [None if k is None else drawable(class_name(spec, k), f"class {k}")[0] for k, _ in named_rows]
    named = lettered(grid, names)
    return named if title is None else captioned(named, title)


def _columns(n: int, groups: Sequence[tuple[int | None, list[int]]], wanted: int | None = None) -> int:
    """How many of n images stand side by side."""
    most = max((len(members) for _, members in groups), default=0)
    return max(1, min(wanted or max(8, math.ceil(math.sqrt(n))), most))


def bare_grid(
    image: Image.Image, spec: DataSpec, n: int, labels: Tensor | None = None, columns: int | None = None
) -> Image.Image | None:
    """The n images or voxels in what `picture` drew of them: at their own size, on no paper, without names.

    None where `image` is no such picture.
    """
    columns = _columns(n, grouped(n, labels), columns)
    height, width = spec.shape[-2:]
    factor = enlargement(spec, columns)
    across, down = width * factor + GUTTER, height * factor + GUTTER
    left = image.width - MARGIN - columns * across + GUTTER
    rows, rest = divmod(image.height - 2 * MARGIN + GUTTER, down)
    if left < MARGIN or rest or not rows:
        return None
    grid = Image.new("RGBA", (columns * (width + 1) - 1, rows * (height + 1) - 1))
    for i, j in itertools.product(range(rows), range(columns)):
        x, y = left + j * across, MARGIN + i * down
        cell = image.crop((x, y, x + width * factor, y + height * factor)).reduce(factor)
        grid.paste(cell, (j * (width + 1), i * (height + 1)))
    return grid


def png_bytes(image: Image.Image) -> bytes:
    """The picture as a PNG file: equal pictures give equal bytes, without date or origin."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def to_uint8(values: Tensor) -> Tensor:
    """Numbers in [-1, 1] as pixels 0..255 on the CPU, clamped and rounded; what is not a number becomes 0."""
    x = values.detach().to("cpu", torch.float32).nan_to_num(nan=-1.0)
    return x.clamp_(-1, 1).add_(1).mul_(127.5).round_().to(torch.uint8)  # in place: `nan_to_num` made a copy


def grouped(n: int, labels: Tensor | None) -> list[tuple[int | None, list[int]]]:
    """The indices 0..n-1 by class, in order; one nameless group without labels (N,)."""
    if labels is None:
        return [(None, list(range(n)))] if n else []
    return [(k, (labels == k).nonzero().flatten().tolist()) for k in sorted(set(labels.tolist()))]


def enlargement(spec: DataSpec, columns: int, least_cell: int = CELL) -> int:
    """The whole factor by which small images grow."""
    height, width = spec.shape[-2:]
    return max(1, min(math.ceil(least_cell / max(height, width)), WIDEST // (columns * width)))


def cells(values: Tensor, factor: int = 1) -> list[Image.Image]:
    """Images (N, C, H, W) or voxels (N, 1, D, H, W) in [-1, 1] as RGB pictures, enlarged without smoothing.

    Voxels are seen along D, far ones darker. Of four channels the last is opacity, on white paper. Images of other
    numbers than one, three and four show their mean.
    """
    if values.ndim == 5:
        near_to_far = torch.linspace(1, 0.3, values.shape[2], device=values.device)[:, None, None]
        values = ((values + 1) * near_to_far).amax(dim=2) - 1  # (N, 1, H, W)
    elif values.shape[1] == 4:
        colours, opacity = ((values.float().clamp(-1, 1) + 1) / 2).split([3, 1], dim=1)
        values = 2 * (1 - opacity * (1 - colours)) - 1  # (N, 3, H, W)
    if values.shape[1] != 3:
        values = values.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    pixels = to_uint8(values).permute(0, 2, 3, 1)  # (N, H, W, 3)
    pixels = pixels.repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2).contiguous()
    return [Image.fromarray(image) for image in pixels.numpy()]


def montage(rows: list[list[Image.Image]], gutter: int, background: str) -> Image.Image:
    """Pictures of one size side by side in rows, with gutters between them."""
    if not rows:
        return Image.new("RGB", (1, 1), background)
    width, height = rows[0][0].size
    across, down = max(len(row) for row in rows), len(rows)
    canvas_size = across * (width + gutter) - gutter, down * (height + gutter) - gutter
    canvas = Image.new("RGB", canvas_size, background)
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            canvas.paste(cell, (j * (width + gutter), i * (height + gutter)))
    return canvas


def captioned(image: Image.Image, caption: str) -> Image.Image:
    """The picture with a line of text above it."""
    canvas = Image.new("RGB", (image.width, image.height + 2 * TITLE_SIZE), PAPER)
    canvas.paste(image, (0, 2 * TITLE_SIZE))
    text, font = fitted(caption, TITLE_SIZE, canvas.width - 2 * MARGIN)
    ImageDraw.Draw(canvas).text((MARGIN, MARGIN + TITLE_SIZE / 2), text, fill=INK, font=font, anchor="lm")
    return canvas


def lettered(grid: Image.Image, rows: Sequence[str | None], columns: Sequence[str] = ()) -> Image.Image:
    """The grid with a margin, names at the left of its rows and above its columns."""
    names = [fitted(name, NAME_SIZE, NAME_WIDTH) if name else None for name in rows]
    name_width = max((math.ceil(font.getlength(name)) + MARGIN for name, font in filter(None, names)), default=0)
    left, top = MARGIN + name_width, MARGIN + (NAME_SIZE if any(columns) else 0)
    canvas = Image.new("RGB", (left + grid.width + MARGIN, top + grid.height + MARGIN), PAPER)
    canvas.paste(grid, (left, top))
    draw = ImageDraw.Draw(canvas)
    row_height = (grid.height + GUTTER) / max(1, len(names))
    for i, (name, font) in ((i, entry) for i, entry in enumerate(names) if entry):
        middle = top + i * row_height + (row_height - GUTTER) / 2
        draw.text((left - MARGIN, middle), name, fill=INK, font=font, anchor="rm")
    column_width = (grid.width + GUTTER) / max(1, len(columns))
    for j, column in enumerate(columns):
        text, font = fitted(column, NAME_SIZE, column_width)
        middle = left + j * column_width + (column_width - GUTTER) / 2
        draw.text((middle, top - NAME_SIZE / 2 - GUTTER), text, fill=INK, font=font, anchor="mm")
    return canvas
