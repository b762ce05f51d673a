"""Points and curves, drawn with matplotlib in natural units; and the look that all our plots share.

matplotlib is imported when something is drawn, and without pyplot: no windows, no global state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.drawing.fonts import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

INK, MUTED, RULE = "#2b2f36", "#69707a", "#e7e9ec"
BLUE, ORANGE = "#2c6fb3", "#d8692a"
PALETTE = (BLUE, ORANGE, "#3b9173", "#b5436b", "#7a62b3", "#b08a1e", "#3aa0b5", "#8a5a44", "#6b7a2f", "#5d6673")
REAL = "#c3c8cf"
DPI = 120
MOST_REAL_POINTS = 2_000
MOST_CURVES = 64


def natural_units(values: Tensor, spec: DataSpec) -> np.ndarray:
    """Samples (N, *shape) in [-1, 1] as float32 in the data's own units: `values * scale + offset`."""
    return (values.detach().to("cpu", torch.float32) * spec.scale + spec.offset).numpy()


def points_picture(
    values: Tensor, spec: DataSpec, labels: Tensor | None = None, real: Tensor | None = None, title: str | None = None
) -> Image.Image:
    """Points (N, 2), by class where there are labels, above at most 2,000 real ones. The axes depend on `spec`."""
    figure, axes = new_figure(5, 5.2, title)
    if real is not None:
        # Chosen at random, but always the same: every k-th could miss whole classes of data in order.
        rng = torch.Generator().manual_seed(0)
        chosen = torch.randperm(len(real), generator=rng, device="cpu")[:MOST_REAL_POINTS]
        x, y = natural_units(real[chosen], spec).T
        axes.scatter(x, y, s=7, color=REAL, linewidths=0, label="real")
    for name, colour, mask in _by_class(len(values), spec, labels):
        x, y = natural_units(values[mask], spec).T
        axes.scatter(x, y, s=9, color=colour, linewidths=0, alpha=0.8, label=entry(name))
    axes.set(xlim=limits(spec), ylim=limits(spec), aspect="equal")
    legend(figure)
    return rendered(figure)


def _by_class(n: int, spec: DataSpec, labels: Tensor | None) -> list[tuple[str | None, str, Tensor]]:
    if labels is None:
        return [("generated", BLUE, torch.ones(n, dtype=torch.bool, device="cpu"))]
    present = sorted(set(labels.tolist()))
    # A legend of more than ten colours can't be read: then only the colours tell.
    names = [class_name(spec, k) if len(present) <= len(PALETTE) else None for k in present]
    return [(name, PALETTE[k % len(PALETTE)], labels == k) for name, k in zip(names, present, strict=True)]


def class_name(spec: DataSpec, label: int) -> str:
    """The name of a class, or its number where it has none."""
    return spec.classes[label] if 0 <= label < spec.num_classes else str(label)


def curves_picture(values: Tensor, spec: DataSpec, real: Tensor | None = None, title: str | None = None) -> Image.Image:
    """The first 64 of curves (N, L) over x in [-1, 1], and the bounds that all real ones keep. Axes as for points."""
    figure, axes = new_figure(6, 4.5, title)
    curves = natural_units(values[:MOST_CURVES], spec)
    x = np.linspace(-1, 1, spec.shape[0])
    for i, curve in enumerate(curves):
        axes.plot(x, curve, color=BLUE, linewidth=1, alpha=0.5, label="_" if i else "generated")
    if real is not None:
        bounds = natural_units(torch.stack([real.amin(dim=0), real.amax(dim=0)]), spec)
        for i, bound in enumerate(bounds):
            axes.plot(x, bound, "--", color=ORANGE, linewidth=1.6, label="_" if i else "bounds of the real ones")
    axes.set(xlim=(-1, 1), ylim=limits(spec))
    legend(figure)
    return rendered(figure)


def colours_of(n: int) -> list[str]:
    """n colours: the palette's, or where it has too few a blend that shows the order."""
    if n <= len(PALETTE):
        return list(PALETTE[:n])
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    blend = LinearSegmentedColormap.from_list("blend", [BLUE, ORANGE])
    return [to_hex(blend(k / (n - 1))) for k in range(n)]


def draw_sample(axes: Axes, sample: np.ndarray, spec: DataSpec, *, color: str, alpha: float, label: str) -> None:
    if spec.kind == "points":
        axes.plot(*sample[:, None], "o", markersize=5, markeredgewidth=0, color=color, alpha=alpha, label=label)
    else:
        axes.plot(np.linspace(-1, 1, len(sample)), sample, linewidth=1.2, color=color, alpha=alpha, label=label)


def limits(spec: DataSpec) -> tuple[float, float]:
    return spec.offset - 1.05 * spec.scale, spec.offset + 1.05 * spec.scale


def new_figure(width_in: float, height_in: float, title: str | None = None) -> tuple[Figure, Axes]:
    """A figure with one pair of axes in our look."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    figure = Figure(figsize=(width_in, height_in), dpi=DPI, layout=layout, facecolor="white")
    if title is not None:
        letter(figure.suptitle(title, x=0.03, ha="left", color=INK), 12)
    axes = figure.add_subplot()
    style(axes)
    return figure, axes


def style(axes: Axes) -> None:
    """Light rules behind the drawing, no box around it."""
    axes.set_axisbelow(True)
    axes.grid(color=RULE, linewidth=0.8)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, colors=MUTED, labelsize=9)


def entry(name: str | None) -> str:
    """A label that puts the name into the legend: matplotlib leaves out those that begin with "_". None stays out."""
    if name is None:
        return "_"
    return f" {name}" if name.startswith("_") else name  # `letter` drops the space


def legend(figure: Figure, columns: int = 5) -> None:
    """What the colours mean, below the axes."""
    if not figure.axes[0].get_legend_handles_labels()[0]:
        return
    entries = figure.legend(
        loc="outside lower center", ncols=columns, frameon=False, labelcolor=INK, handlelength=1.4, markerscale=2,
        borderaxespad=0.2,
    )  # fmt: skip
    for mark, text in zip(entries.legend_handles, entries.get_texts(), strict=True):
        if mark is not None:
            mark.set_alpha(1)
        letter(text, 9)


def letter(text: Text, size: int) -> None:
    """Write the text as it is, in a font that has its characters; matplotlib takes dollar signs for formulas."""
    from matplotlib.font_manager import FontProperties

    line, file = drawable(text.get_text())
    text.set(text=line, fontproperties=FontProperties(fname=file, size=size), parse_math=False)


def rendered(figure: Figure) -> Image.Image:
    """The figure as an RGB picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
