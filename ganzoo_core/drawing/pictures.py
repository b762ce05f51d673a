"""Samples as one picture: a grid of images or of solids, points in the plane, curves."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.drawing.fonts import drawable, fitted
from ganzoo_core.drawing.plots import INK, class_name, curves_picture, points_picture
from ganzoo_core.drawing.solids import TURN, solid_images, solid_side

PAPER = "white"
MARGIN = 12
GUTTER = 2
CELL = 56  # small images are enlarged to at least this, in pixels
WIDEST = 2_400  # but not beyond this width of the whole grid
NAME_WIDTH = 110
NAME_SIZE, TITLE_SIZE = 14, 18
NAMED_ROWS = 20  # classes that get a row each; of more the rows are no picture for a screen
SMALL_NAME = 12
SCREEN = 1_600  # pixels a side for the samples of many classes


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

    Images and voxels: a grid, `columns` wide; with `labels` (N,) each class begins a new row that bears its name. More
    than 20 classes flow on instead, each with its name above it, so that they fit on a screen.
    Points and curves: a plot in natural units, with `real` samples (M, *shape) for comparison.
    """
    if spec.kind == "points":
        return points_picture(values, spec, labels, real, title)
    if spec.kind == "curves":
        return curves_picture(values, spec, real, title)
    layout = layout_of(spec, len(values), labels, columns)
    grid = lettered(*layout.rows(cells(values, layout.factor), spec))
    return grid if title is None else captioned(grid, title)


@dataclass(frozen=True)
class Layout:
    """Where the samples of a picture stand: `columns` side by side, each pixel `factor` times as large, by `groups`.

    Few classes begin a row each, with their name at its left. Many flow on, with a name above the first of each:
    `names_above`.
    """

    groups: list[tuple[int | None, list[int]]]
    columns: int
    factor: int
    names_above: bool

    @property
    def head(self) -> int:
        """The height of the names above a sample."""
        return SMALL_NAME + GUTTER if self.names_above else 0

    def places(self) -> list[tuple[int, int, int]]:
        """Each sample's row and column, and its number within its class, in the order of `groups`."""
        numbers = [j for _, members in self.groups for j in range(len(members))]
        if self.names_above:
            return [(*divmod(i, self.columns), j) for i, j in enumerate(numbers)]
        heights = [math.ceil(len(members) / self.columns) for _, members in self.groups]
        starts = [sum(heights[:k]) for k, (_, members) in enumerate(self.groups) for _ in members]
        return [(start + j // self.columns, j % self.columns, j) for start, j in zip(starts, numbers, strict=True)]

    def rows(self, images: list[Image.Image], spec: DataSpec) -> tuple[Image.Image, list[str | None]]:
        """The grid of the images, and the name of each row, if names are not above."""
        names = {k: None if k is None else drawable(class_name(spec, k), f"class {k}")[0] for k, _ in self.groups}
        ordered = [(k, images[i]) for k, members in self.groups for i in members]
        rows: list[list[Image.Image]] = []
        labels: list[str | None] = []
        for (k, image), (row, _, number) in zip(ordered, self.places(), strict=True):
            if row == len(rows):
                rows.append([])
                labels.append(names[k] if number == 0 and not self.names_above else None)
            rows[row].append(_headed(image, self.head, names[k] if number == 0 else None))
        return montage(rows, GUTTER, PAPER), labels


def _headed(image: Image.Image, head: int, name: str | None) -> Image.Image:
    """The image below a strip of paper with a name on it."""
    if not head:
        return image
    canvas = Image.new("RGB", (image.width, head + image.height), PAPER)
    canvas.paste(image, (0, head))
    if name is not None:
        text, font = fitted(name, SMALL_NAME, image.width)
        ImageDraw.Draw(canvas).text((0, head / 2), text, fill=INK, font=font, anchor="lm")
    return canvas


def layout_of(spec: DataSpec, n: int, labels: Tensor | None = None, columns: int | None = None) -> Layout:
    """Where n images or voxels stand, by class with `labels` (N,); `columns` as wished, else what suits a screen."""
    groups = grouped(n, labels)
    if len(groups) <= NAMED_ROWS:
        most = max((len(members) for _, members in groups), default=0)
        columns = max(1, min(columns or max(8, math.ceil(math.sqrt(n))), most))
        return Layout(groups, columns, enlargement(spec, columns), names_above=False)
    height, width = drawn_size(spec)
    for factor in range(enlargement(spec, 1), 0, -1):
        across, down = width * factor + GUTTER, height * factor + 2 * GUTTER + SMALL_NAME
        most = columns or max(1, min(SCREEN // across, n))
        if math.ceil(n / most) * down <= SCREEN:
            break
    else:
        most = columns or math.ceil(math.sqrt(n * down / across))  # too many for a screen
    level = columns or max(1, min(most, math.ceil(math.sqrt(n * down / across))))  # as high as wide, if that will do
    each = max(len(members) for _, members in groups)
    if columns is None and each < level:
        level -= level % each  # so that no class of usual size is broken
    return Layout(groups, level, factor, names_above=True)


def most_named(spec: DataSpec) -> int:
    """How many images or voxels, each of another class, fit on a screen."""
    height, width = drawn_size(spec)
    factor = enlargement(spec, 1)
    return (SCREEN // (width * factor + GUTTER)) * (SCREEN // (height * factor + 2 * GUTTER + SMALL_NAME))


def bare_grid(
    image: Image.Image, spec: DataSpec, n: int, labels: Tensor | None = None, columns: int | None = None
) -> Image.Image | None:
    """The n images or voxels in what `picture` drew of them: at their own size, on no paper, without names.

    None where `image` is no such picture.
    """
    layout = layout_of(spec, n, labels, columns)
    columns, factor, head = layout.columns, layout.factor, layout.head
    height, width = drawn_size(spec)
    across, down = width * factor + GUTTER, head + height * factor + GUTTER
    left = image.width - MARGIN - columns * across + GUTTER
    rows, rest = divmod(image.height - 2 * MARGIN + GUTTER, down)
    if left < MARGIN or rest or not rows:
        return None
    grid = Image.new("RGBA", (columns * (width + 1) - 1, rows * (height + 1) - 1))
    for i, j in itertools.product(range(rows), range(columns)):
        x, y = left + j * across, MARGIN + i * down + head
        cell = image.crop((x, y, x + width * factor, y + height * factor)).reduce(factor)
        grid.paste(cell, (j * (width + 1), i * (height + 1)))
    return grid


def png_bytes(image: Image.Image) -> bytes:
    """The picture as a PNG file: equal pictures give equal bytes, without date or origin."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def image_of(values: Tensor) -> Image.Image:
    """One image (C, H, W) in [-1, 1] at its own size. Raises `ValueError` unless it has 1, 3 or 4 channels."""
    pixels = to_uint8(values).numpy()
    if len(pixels) not in (1, 3, 4):
        raise ValueError(f"an image must have 1, 3 or 4 channels, but has {len(pixels)}")
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def to_uint8(values: Tensor) -> Tensor:
    """Numbers in [-1, 1] as pixels 0..255 on the CPU, clamped and rounded; what is not a number becomes 0."""
    x = values.detach().to("cpu", torch.float32).nan_to_num(nan=-1.0)
    return x.clamp_(-1, 1).add_(1).mul_(127.5).round_().to(torch.uint8)  # in place: `nan_to_num` made a copy


def grouped(n: int, labels: Tensor | None) -> list[tuple[int | None, list[int]]]:
    """The indices 0..n-1 by class, in order; one nameless group without labels (N,)."""
    if labels is None:
        return [(None, list(range(n)))] if n else []
    return [(k, (labels == k).nonzero().flatten().tolist()) for k in sorted(set(labels.tolist()))]


def drawn_size(spec: DataSpec) -> tuple[int, int]:
    """The height and width of one image, or of the picture of voxels, in its own size."""
    if spec.kind == "voxels":
        return (solid_side(spec.shape),) * 2
    height, width = spec.shape[-2:]
    return height, width


def enlargement(spec: DataSpec, columns: int, least_cell: int = CELL) -> int:
    """The whole factor by which small images grow."""
    height, width = drawn_size(spec)
    return max(1, min(math.ceil(least_cell / max(height, width)), WIDEST // (columns * width)))


def cells(values: Tensor, factor: int = 1, *, turn: float = TURN) -> list[Image.Image]:
    """Images (N, C, H, W) or voxels (N, 1, D, H, W) in [-1, 1] as RGB pictures, enlarged without smoothing.

    Voxels are solids, seen from where `turn` says: see `solid_images`. Of four channels the last is opacity, on white
    paper. Images of other numbers than one, three and four show their mean.
    """
    if values.ndim == 5:
        solids = solid_images(values, factor * solid_side(tuple(values.shape[1:])), turn)
        return [Image.fromarray(solid).convert("RGB") for solid in solids]
    if values.shape[1] == 4:
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
