"""Charts of a run for an HTML page: lines with a few hundred points, their axes and their ranges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ganzoo_core.drawing.words import metric_title, number
from ganzoo_core.runs.records import METRIC_S
from ganzoo_core.storage.names import visible

Records = Sequence[dict[str, Any]]

MOST_POINTS = 120
HUES = 8  # colours in page.css
SIZE = 1_000  # of a chart in its own units; the page stretches it
_BALANCE = ("d_real", "d_fake", "accuracy_real", "accuracy_fake")


@dataclass(frozen=True)
class Line:
    """One number through training, at `steps`, or at seconds where the chart's unit is. A point may be the mean of
    several numbers, such as a long run's records since the last one, which span `low` to `high`. `hue` says which of
    the colours it has where it stands in several charts; None: that of its place.
    """

    name: str
    steps: list[float]
    values: list[float]
    low: list[float]
    high: list[float]
    hue: int | None = None

    @property
    def is_thinned(self) -> bool:
        """Whether a point stands for several numbers."""
        return self.low != self.high


@dataclass(frozen=True)
class Axis:
    """What an axis spans, and the round numbers on it."""

    low: float
    high: float
    ticks: list[float]
    is_log: bool = False

    def place(self, value: float) -> float:
        """Where a value stands, from 0 at `low` to SIZE at `high`."""
        if self.is_log:
            return SIZE * math.log(value / self.low) / math.log(self.high / self.low)
        return SIZE * (value - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Chart:
    """Lines over steps, or over what `unit` says, in one pair of axes. `level`: a value with a meaning of its own,
    and that meaning.
    """

    title: str
    lines: list[Line]
    x_axis: Axis
    y_axis: Axis
    level: tuple[float, str] | None = None
    unit: str = "step"

    @property
    def is_thinned(self) -> bool:
        """Whether it shows means and ranges."""
        return any(line.is_thinned for line in self.lines)

    def point(self, step: float, value: float) -> str:
        """A point as SVG has it, down from the top."""
        return f"{self.x_axis.place(step):.1f} {SIZE - self.y_axis.place(value):.1f}"

    def path(self, line: Line) -> str:
        """The line as an SVG path; a lone point as a line without length, which round caps make a dot."""
        points = [self.point(*pair) for pair in zip(line.steps, line.values, strict=True)]
        return "M" + "L".join(points * (2 if len(points) == 1 else 1))

    def band(self, line: Line) -> str:
        """The area from `low` to `high` as an SVG path."""
        there = [self.point(*pair) for pair in zip(line.steps, line.high, strict=True)]
        back = [self.point(*pair) for pair in zip(line.steps, line.low, strict=True)]
        return "M" + "L".join(there + back[::-1]) + "Z"

    def summary(self) -> str:
        """The chart in words."""
        ends = [
            f"{line.name} from {number(line.values[0])} at {self.at(line.steps[0])} "
            f"to {number(line.values[-1])} at {self.at(line.steps[-1])}"
            for line in self.lines
        ]
        return f"{self.title}: {'; '.join(ends)}."

    def hues(self) -> list[int]:
        """The number of each line's colour."""
        return [(place if line.hue is None else line.hue) % HUES for place, line in enumerate(self.lines)]

    def x_text(self, x: float) -> str:
        """A place on the x axis: steps are whole."""
        return f"{x:,.0f}" if self.unit == "step" else number(x)

    @property
    def last_x(self) -> float:
        """Where the last point stands."""
        return max(line.steps[-1] for line in self.lines)

    def at(self, x: float) -> str:
        """A place on the x axis with its unit."""
        return f"{self.unit} {self.x_text(x)}"

    def data(self) -> dict[str, Any]:
        """What the page's script needs to read values off."""
        lines = [
            {
                "name": visible(line.name),
                "x": [self._rounded(s) for s in line.steps],
                "y": [_short(v) for v in line.values],
            }
            for line in self.lines
        ]
        x, y = self.x_axis, self.y_axis
        axes = {"x": [x.low, x.high], "y": [y.low, y.high], "log": y.is_log, "unit": self.unit}
        return axes | {"hues": self.hues(), "lines": lines}

    def _rounded(self, x: float) -> float:
        return round(x) if self.unit == "step" else _short(x)


def _short(value: float) -> float:
    return float(f"{value:.6g}")


_SHARES = Axis(-0.02, 1.02, [0.0, 0.5, 1.0])  # a line along an end keeps its width


def run_charts(records: Records, *, is_critic: bool) -> list[Chart]:
    """Charts of all that the lines of metrics.jsonl hold: losses, balance, what a variant or its data add, speed.

    A critic's scores are no probabilities: of its balance only the shares told right are shown.
    """
    keys = list(dict.fromkeys(key for record in records for key in record if key != "step"))
    players = list(dict.fromkeys(key.split("/")[0] for key in keys if "/" in key))
    name = "critic" if is_critic else "discriminator"
    named = {player: name if player == "discriminator" else player for player in players}
    charts = [
        _chart(records, f"Loss of the {named[player]}", {key: key.split("/", 1)[1] for key in keys if _of(player, key)})
        for player in players
    ]
    if not is_critic:
        level = 0.5, "0.5: where a perfect generator would leave it"
        names = {"d_real": "D(x), on real", "d_fake": "D(G(z)), on fake"}
        charts.append(_chart(records, "Balance: what the discriminator believes", names, _SHARES, level))
    names = {"accuracy_real": "real", "accuracy_fake": "fake"}
    title = f"Told right by the {name}"
    level = 0.5, "0.5: real and fake look alike to it"
    charts.append(_chart(records, title, names, _SHARES, level))
    others = [key for key in keys if "/" not in key and key not in (*_BALANCE, "samples_per_s", METRIC_S)]
    charts += [
        _chart(records, _words(key), {key: _words(key)}, _SHARES if key.endswith("_share") else None) for key in others
    ]
    rates = [record["samples_per_s"] for record in records if record.get("samples_per_s")]
    charts.append(_chart(records, "Speed", {"samples_per_s": "samples/s"}, axis(0, 1.05 * max(rates, default=1))))
    return [chart for chart in charts if chart is not None]


def _of(player: str, key: str) -> bool:
    return key.startswith(f"{player}/")


def _words(key: str) -> str:
    words = metric_title(key)
    return words[:1].upper() + words[1:]


def _chart(
    records: Records,
    title: str,
    names: dict[str, str],
    y_axis: Axis | None = None,
    level: tuple[float, str] | None = None,
) -> Chart | None:
    """The numbers under these keys, called by these names; None where the records have none of them."""
    lines = [line for key, name in names.items() if (line := thinned(records, key, name)) is not None]
    if not lines:
        return None
    shown = [value for line in lines for value in line.values]
    last_step = max(step for line in lines for step in line.steps)
    return Chart(title, lines, axis(0, last_step, whole=True), y_axis or _around(min(shown), max(shown)), level)


def thinned(records: Records, key: str, name: str) -> Line | None:
    """The finite numbers under `key`: at most MOST_POINTS, each the mean of as many records; None without any."""
    found = [(r["step"], r[key]) for r in records if r.get(key) is not None and math.isfinite(r[key])]
    if not found:
        return None
    size = math.ceil(len(found) / MOST_POINTS)
    buckets = [found[start : start + size] for start in range(0, len(found), size)]
    columns = [tuple(zip(*bucket, strict=True)) for bucket in buckets]
    return Line(
        name,
        [steps[-1] for steps, _ in columns],
        [math.fsum(values) / len(values) for _, values in columns],
        [min(values) for _, values in columns],
        [max(values) for _, values in columns],
    )


def _around(low: float, high: float) -> Axis:
    """An axis from `low` to `high` with some room beyond; one for equal ends too."""
    room = 0.05 * (high - low) or 0.5 * abs(high) or 1.0
    return axis(low - room, high + room)


def axis(low: float, high: float, *, whole: bool = False) -> Axis:
    """An axis from `low` to `high`, with up to five round numbers on it, whole ones where they count something."""
    from matplotlib.ticker import MaxNLocator

    high = high if high != low else low + 1  # a run of no step yet, or of no time
    locator = MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10], integer=whole)
    ticks = [float(tick) + 0.0 for tick in locator.tick_values(low, high)]  # + 0.0: no tick reads -0
    return Axis(low, high, [tick for tick in ticks if low <= tick <= high])
