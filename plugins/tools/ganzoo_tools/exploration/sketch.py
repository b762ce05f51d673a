"""A point or a curve drawn within a few milliseconds, for a page that draws while a slider moves."""

from __future__ import annotations

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ganzoo_core.drawing.plots import BLUE, RULE

_SIDE, _FINER = 480, 2  # pixels; and how much finer it is drawn first, so that edges are smooth
_REACH = 1.05  # the axes end a little beyond the data, as those of the plots do


def sketch(sample: Tensor) -> Image.Image:
    """One point (2,) or curve (L,) in [-1, 1] between light rules at -1, -0.5, ..., 1, without numbers at the axes."""
    side = _SIDE * _FINER
    canvas = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(canvas)
    for share in torch.linspace(-1, 1, 5).tolist():
        across, down = _place(share, share, side)
        draw.line([(across, 0), (across, side)], fill=RULE, width=_FINER)
        draw.line([(0, down), (side, down)], fill=RULE, width=_FINER)
    values = sample.tolist()
    if len(values) == 2:
        x, y = _place(values[0], values[1], side)
        radius = 6 * _FINER
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=BLUE)
    else:
        ways = torch.linspace(-1, 1, len(values)).tolist()
        draw.line([_place(x, y, side) for x, y in zip(ways, values, strict=True)], BLUE, 2 * _FINER, joint="curve")
    return canvas.reduce(_FINER)


def _place(x: float, y: float, side: int) -> tuple[float, float]:
    return (x / _REACH + 1) / 2 * side, (1 - y / _REACH) / 2 * side
