"""The progress of a run as its observers show it: its current numbers and their history. Needs no torch."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

from ganzoo_core.callbacks import RunInfo
from ganzoo_core.drawing.words import figure, metric_title
from ganzoo_core.runs.records import METRIC_S, accuracy_of, losses_of

_LEVELS = "▁▂▃▄▅▆▇█"
_PLAIN_LEVELS = " .:-=+*#"  # for a terminal without Unicode


class MovingHistory:
    """A number's history over a whole run in bounded memory: means over equal intervals, which grow with the run."""

    most = 512

    def __init__(self) -> None:
        self.means: list[float] = []
        self._stretch = 1
        self._open: list[float] = []

    def add(self, value: float) -> None:
        """Add the next value."""
        self._open.append(value)
        if len(self._open) == self._stretch:
            self.means.append(sum(self._open) / self._stretch)
            self._open.clear()
        if len(self.means) == self.most:
            self.means = [(a + b) / 2 for a, b in zip(self.means[::2], self.means[1::2], strict=True)]
            self._stretch *= 2


class RunProgress:
    """The progress of a run. `record`: the last value of each number; `losses`, `accuracy`, `judged`: their history.

    `metric`: what the run is judged by as it trains, if by anything; `judged` is of that.
    """

    def __init__(self, run: RunInfo, clock: Callable[[], float] = time.monotonic) -> None:
        self.run = run
        self.record: dict[str, float] = {}
        self.losses: dict[str, MovingHistory] = {}
        self.accuracy = MovingHistory()
        self.metric: str | None = run.settings.get("metric")
        self.judged = MovingHistory()
        self._metric_s = 0.0
        self.step = run.first_step
        self._clock = clock
        self._started_s = self._record_s = clock()

    def add(self, record: dict[str, float]) -> None:
        """Add a line of metrics.jsonl."""
        for player, loss in losses_of(record).items():
            self.losses.setdefault(player, MovingHistory()).add(loss)
        if (share := accuracy_of(record)) is not None:
            self.accuracy.add(share)
        if self.metric is not None and (value := record.get(self.metric)) is not None:
            self.judged.add(value)
            self._metric_s += record.get(METRIC_S) or 0.0
        self.step, self._record_s = int(record["step"]), self._clock()
        self.record = self.record | record  # at last, since another thread may look on

    @property
    def elapsed_s(self) -> float:
        """How long this process has trained."""
        return self._clock() - self._started_s

    @property
    def judged_words(self) -> str | None:
        """The share of this process's time that the readings of the metric have taken; None without any."""
        if not self._metric_s:
            return None
        return f"{metric_title(self.metric or '')} takes {self._metric_s / max(self.elapsed_s, self._metric_s):.0%}"

    @property
    def share(self) -> float:
        """How much of the run is done, from 0 to 1."""
        if self.run.seconds_left is not None:
            return min(1.0, self.elapsed_s / max(self.run.seconds_left, 1e-9))
        return self.step / self.run.total_steps

    @property
    def reached(self) -> str:
        """The step, and of how many, where that is known."""
        return f"{self.step:,}" if self.run.seconds_left is not None else f"{self.step:,}/{self.run.total_steps:,}"

    @property
    def left_s(self) -> float | None:
        """The estimated remaining time; None before the first record and after the last."""
        if self.run.seconds_left is not None:
            return max(0.0, self.run.seconds_left - self.elapsed_s) or None
        done, left = self.step - self.run.first_step, self.run.total_steps - self.step
        if not (done and left):
            return None
        expected_s = (self._record_s - self._started_s) / done * left
        return max(0.0, expected_s - (self._clock() - self._record_s))


def figures(record: dict[str, float], metric: str | None = None) -> str:
    """Both losses, D's mean probability on real and fake, the metric and the speed, as far as the record has them."""
    losses = [f"{name[0].upper()} {figure(loss)}" for name, loss in losses_of(record).items()]
    parts = [f"loss {' '.join(losses)}"] if losses else []
    if record.get("d_real") is not None and record.get("d_fake") is not None:
        parts.append(f"D(real) {record['d_real']:.2f} D(fake) {record['d_fake']:.2f}")
    if metric is not None and record.get(metric) is not None:
        parts.append(f"{metric_title(metric)} {figure(record[metric])}")
    if record.get("samples_per_s") is not None:
        parts.append(f"{record['samples_per_s']:,.0f} samples/s")
    return "  ".join(parts)


def stretched(values: Sequence[float], n: int) -> list[float]:
    """The values as at most n of them: means over intervals as equal as possible."""
    if len(values) <= n:
        return list(values)
    edges = [round(i * len(values) / n) for i in range(n + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]


def sparkline(
    values: Sequence[float], width: int, span: tuple[float, float] | None = None, *, ascii_only: bool = False
) -> str:
    """A line of at most `width` characters, scaled to `span`, by default the values' own range."""
    levels = _PLAIN_LEVELS if ascii_only else _LEVELS
    points = stretched(values, width)
    low, high = span or (min(points, default=0.0), max(points, default=0.0))
    scale = (len(levels) - 1) / (high - low) if high > low else 0.0
    return "".join(levels[round((min(max(point, low), high) - low) * scale)] for point in points)
