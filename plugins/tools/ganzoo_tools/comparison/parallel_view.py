"""A sweep in parallel coordinates: a pole for each setting and one for the figure, a line for each trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ganzoo_core.drawing.charts import Axis, axis
from ganzoo_core.drawing.words import number, typed
from ganzoo_tools.comparison.page import log_axis
from ganzoo_tools.comparison.sweep_result import Sweep, TrialResult
from ganzoo_tools.evaluation.results import better, title

MOST_TICKS = 8  # values of a setting that are all named
SIZE = 1000  # of the view in its own units, both ways; the page stretches it
_LARGE_RATIO = 10  # from here on numbers are placed by their logarithm


@dataclass(frozen=True)
class Pole:
    """A vertical axis at `x`, with its ticks: where each stands from the top, and its words."""

    name: str
    x: float
    ticks: list[tuple[float, str]]


@dataclass(frozen=True)
class TrialLine:
    """A trial as an SVG path, and in words. `share`: 1 for the best, 0 for the worst; `ended`: before the others."""

    path: str
    words: str
    share: float
    ended: bool


@dataclass(frozen=True)
class ParallelView:
    """The poles from left to right, and the lines from the worst to the best, which is then drawn above the others."""

    poles: list[Pole]
    lines: list[TrialLine]
    summary: str


@dataclass(frozen=True)
class _Scale:
    """Where the values of one pole stand: numbers by size, others one below the other."""

    axis: Axis | None
    values: list[Any]
    is_up: bool  # small numbers stand at the bottom

    def top(self, value: Any) -> float:
        """The place of a value, from the top."""
        if self.axis is None:
            return SIZE * (self.values.index(value) + 0.5) / len(self.values)
        place = self.axis.place(value)
        return SIZE - place if self.is_up else place


def parallel_view(sweep: Sweep) -> ParallelView:
    """The view of all trials that were judged."""
    results = [result for result in sweep.results if result.failed is None]
    by = sweep.ranked_by
    scales = [_setting_scale([result.trial.settings[name] for result in results]) for name in sweep.names]
    figures = [result.figures[by].mean for result in results]
    scales.append(_Scale(_numbers(figures), [], is_up=better(by) == "higher"))
    gap = SIZE / (len(scales) - 1)
    names = [*sweep.names, title(by)]
    poles = [Pole(names[i], i * gap, _ticks(scale)) for i, scale in enumerate(scales)]
    lines = [
        _line(result, scales, gap, sweep, 1 - place / max(1, len(results) - 1)) for place, result in enumerate(results)
    ]
    best = results[0]
    summary = f"{len(results)} trials; the best, {best.trial.name}, has {title(by)} {number(best.figures[by].mean)}"
    return ParallelView(poles, lines[::-1], summary)


def _line(result: TrialResult, scales: Sequence[_Scale], gap: float, sweep: Sweep, share: float) -> TrialLine:
    values = [*(result.trial.settings[name] for name in sweep.names), result.figures[sweep.ranked_by].mean]
    points = [f"{i * gap:.1f} {scale.top(v):.1f}" for i, (scale, v) in enumerate(zip(scales, values, strict=True))]
    words = f"{result.trial.name}: {title(sweep.ranked_by)} {number(values[-1])}"
    ended = result.rank is None
    if ended:
        words += f", ended early after {sweep.in_words(result.until)}"
    return TrialLine("M" + "L".join(points), words, share, ended)


def _setting_scale(values: Sequence[Any]) -> _Scale:
    different = list(dict.fromkeys(values))
    if any(type(value) not in (int, float) for value in different) or len(different) == 1:
        return _Scale(None, different, is_up=False)
    return _Scale(_numbers(different), sorted(different), is_up=True)


def _numbers(values: Sequence[float]) -> Axis:
    """An axis for numbers: they end at its ends, or a little before."""
    low, high = min(values), max(values)
    if low > 0 and high / low >= _LARGE_RATIO:
        return log_axis(low, high)
    room = 0.05 * (high - low) or 0.5 * abs(high) or 1.0
    return axis(low - room, high + room)


def _ticks(scale: _Scale) -> list[tuple[float, str]]:
    if scale.values and len(scale.values) <= MOST_TICKS:
        return [(scale.top(value), typed(value)) for value in scale.values]
    if scale.axis is None:
        return [(scale.top(value), typed(value)) for value in (scale.values[0], scale.values[-1])]
    return [(scale.top(tick), number(tick)) for tick in scale.axis.ticks]
