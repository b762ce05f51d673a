"""`loss.png`: how the game went."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganzoo_core.drawing.pictures import png_bytes
from ganzoo_core.drawing.plots import BLUE, INK, MUTED, ORANGE, PALETTE, entry, letter, new_figure, rendered, style
from ganzoo_core.storage.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Record = Mapping[str, Any]
Series = tuple[np.ndarray, np.ndarray]

PLAYERS = {"discriminator": BLUE, "generator": ORANGE}
MOST_POINTS = 2_000  # more can't be told apart on paper


def loss_picture(records: list[dict[str, Any]], path: Path) -> None:
    """Draw lines of metrics.jsonl to a PNG: each player's loss above, how well D tells real from fake below.

    Whatever a record lacks is left out; so is what is not finite. Raises `FileError` where `path` can't be written.
    """
    from matplotlib.ticker import MaxNLocator

    balanced = any(record.get(key) is not None for record in records for key in _BALANCE)
    figure, upper = new_figure(8, 6.4 if balanced else 3.8)
    if balanced:
        upper.set_subplotspec(figure.add_gridspec(2, 1)[0])
        lower = figure.add_subplot(2, 1, 2, sharex=upper)
        style(lower)
        upper.tick_params(labelbottom=False)
        _draw_balance(lower, records)
    _draw_losses(upper, records)
    figure.axes[-1].set_xlabel("step", color=MUTED, fontsize=9)
    figure.axes[-1].xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    write_atomically(path, png_bytes(rendered(figure)))


def _draw_losses(axes: Axes, records: list[dict[str, Any]]) -> None:
    players = sorted({key.split("/")[0] for record in records for key in record if "/" in key})
    others = iter(PALETTE[2:])
    for player in players:
        series = _series(records, (_player_loss(record, player) for record in records))
        _draw(axes, series, PLAYERS.get(player) or next(others, INK), player)
    _finish(axes, "loss", players)


def _player_loss(record: Record, player: str) -> float | None:
    """The sum of a player's terms; None where it passed, or where a term was not finite."""
    terms = [value for key, value in record.items() if key.startswith(f"{player}/")]
    return None if not terms or None in terms else math.fsum(terms)


# What each key of a record is called, its colour and its line.
_BALANCE = {
    "d_real": ("D(x)", BLUE, "-"),
    "d_fake": ("D(G(z))", ORANGE, "-"),
    "accuracy_real": ("accuracy on real", BLUE, ":"),
    "accuracy_fake": ("accuracy on fake", ORANGE, ":"),
}


def _draw_balance(axes: Axes, records: list[dict[str, Any]]) -> None:
    from matplotlib.patheffects import withStroke

    for key, (name, colour, line) in _BALANCE.items():
        _draw(axes, _series(records, (record.get(key) for record in records)), colour, name, line)
    axes.axhline(0.5, color=MUTED, linewidth=1, linestyle="--")
    note = axes.annotate(
        "where a perfect generator would leave it", (0, 0.5), (4, 3), xycoords=("axes fraction", "data"),
        textcoords="offset points", fontsize=8, color=MUTED, zorder=5,
    )  # fmt: skip
    note.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
    axes.set_ylim(-0.03, 1.03)
    _finish(axes, "discriminator's balance", list(_BALANCE))


def _finish(axes: Axes, title: str, names: list[str]) -> None:
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    if names:
        entries = axes.legend(
            loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2, ncols=4, frameon=False, fontsize=9,
            labelcolor=INK, handlelength=1.6,
        )  # fmt: skip
        for text in entries.get_texts():
            letter(text, 9)


def _series(records: list[dict[str, Any]], values: Iterable[float | None]) -> Series:
    """Steps and values of the records that have a finite one."""
    pairs = [(r["step"], v) for r, v in zip(records, values, strict=True) if v is not None and math.isfinite(v)]
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _draw(axes: Axes, series: Series, colour: str, name: str, line: str = "-") -> None:
    """A smoothed line, and the raw one faintly behind it; a lone point as a dot."""
    steps, values = series
    if len(steps) == 0:
        return
    thin = math.ceil(len(steps) / MOST_POINTS)
    marker = "o" if len(steps) == 1 else ""
    axes.plot(steps[::thin], values[::thin], color=colour, linewidth=0.8, alpha=0.25 if line == "-" else 0.1)
    axes.plot(
        steps[::thin], smoothed(values)[::thin], line, color=colour, linewidth=1.8, label=entry(name), marker=marker
    )


def smoothed(values: np.ndarray) -> np.ndarray:
    """The centred moving average (N,) of values (N,) over a fiftieth of them; the window shrinks at the ends."""
    reach = len(values) // 100
    total = np.concatenate([[0.0], np.cumsum(values)])
    here = np.arange(len(values))
    first, last = np.maximum(here - reach, 0), np.minimum(here + reach + 1, len(values))
    return (total[last] - total[first]) / (last - first)
