"""`loss.png`: losses and D's accuracy through training."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo_core.drawing.charts import Line, Records, thinned
from ganzoo_core.drawing.pictures import png_bytes
from ganzoo_core.drawing.plots import BLUE, INK, MUTED, ORANGE, PALETTE, entry, letter, new_figure, rendered, style
from ganzoo_core.runs.records import losses_of
from ganzoo_core.storage.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PLAYERS = {"discriminator": BLUE, "generator": ORANGE}
# What each key of a record is called, its colour and its line.
_BALANCE = {
    "d_real": ("D(x)", BLUE, "-"),
    "d_fake": ("D(G(z))", ORANGE, "-"),
    "accuracy_real": ("accuracy on real", BLUE, ":"),
    "accuracy_fake": ("accuracy on fake", ORANGE, ":"),
}


def loss_picture(records: Records, path: Path) -> None:
    """Draw lines of metrics.jsonl to a PNG: each player's loss above, how well D tells real from fake below.

    Missing and non-finite values are left out. Raises `FileError` if `path` can't be written.
    """
    from matplotlib.ticker import MaxNLocator

    balance = [(thinned(records, key, name), colour, kind) for key, (name, colour, kind) in _BALANCE.items()]
    balanced = any(line for line, *_ in balance)
    figure, upper = new_figure(8, 6.4 if balanced else 3.8)
    if balanced:
        upper.set_subplotspec(figure.add_gridspec(2, 1)[0])
        lower = figure.add_subplot(2, 1, 2, sharex=upper)
        style(lower)
        upper.tick_params(labelbottom=False)
        _draw_balance(lower, balance)
    _draw(upper, "loss", _losses(records))
    figure.axes[-1].set_xlabel("step", color=MUTED, fontsize=9)
    figure.axes[-1].xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    write_atomically(path, png_bytes(rendered(figure)))


def _losses(records: Records) -> Iterable[tuple[Line | None, str, str]]:
    """A line for each player, with its colour."""
    losses = [losses_of(record) | {"step": record["step"]} for record in records]
    others = iter(PALETTE[2:])
    for player in sorted({player for loss in losses for player in loss} - {"step"}):
        yield thinned(losses, player, player), _PLAYERS.get(player) or next(others, INK), "-"


def _draw_balance(axes: Axes, lines: Iterable[tuple[Line | None, str, str]]) -> None:
    from matplotlib.patheffects import withStroke

    axes.axhline(0.5, color=MUTED, linewidth=1, linestyle="--")
    note = axes.annotate(
        "where a perfect generator would leave it", (0, 0.5), (4, 3), xycoords=("axes fraction", "data"),
        textcoords="offset points", fontsize=8, color=MUTED, zorder=5,
    )  # fmt: skip
    note.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
    axes.set_ylim(-0.03, 1.03)
    _draw(axes, "discriminator's balance", lines)


def _draw(axes: Axes, title: str, lines: Iterable[tuple[Line | None, str, str]]) -> None:
    """Lines, the range that each point stands for faintly behind them; a lone point as a dot."""
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    for line, colour, kind in lines:
        if line is not None:
            marker = "o" if len(line.steps) == 1 else ""
            axes.fill_between(line.steps, line.low, line.high, color=colour, alpha=0.12 if kind == "-" else 0.05, lw=0)
            axes.plot(line.steps, line.values, kind, color=colour, linewidth=1.8, label=entry(line.name), marker=marker)
    if axes.get_legend_handles_labels()[0]:
        entries = axes.legend(
            loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2, ncols=4, frameon=False, fontsize=9,
            labelcolor=INK, handlelength=1.6,
        )  # fmt: skip
        for text in entries.get_texts():
            letter(text, 9)
