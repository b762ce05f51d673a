"""A run's metric, read now and then as it trains: what it was, when it was best, and whether the run may end."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.drawing.words import figure
from ganzoo_core.errors import FileError, MissingPluginError, PluginError, UnknownNameError
from ganzoo_core.guards.faults import is_ctrl_c, said
from ganzoo_core.hookspecs import MOVED, Metric
from ganzoo_core.registry import registry
from ganzoo_core.runs.records import METRIC_S
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_core.storage import tensor_files
from ganzoo_core.training.engine import Engine

FIRST_S = 10.0  # of training, before the first reading where metric_every is not given: it shows what one takes
SPARED = 12  # times as long as a reading takes, training goes on until the next: first and last come on top

Judge = Callable[[TrainedGenerator], float]


def find_metric(name: str) -> Metric:
    """The metric of that name. Raises `UnknownNameError`, which says what to install where there is none at all."""
    known = {metric.name: metric for metric in registry().metrics()}
    if not known:
        raise MissingPluginError("metric", name, MOVED["evaluate"])
    if name not in known:
        raise UnknownNameError("metric", name, known)
    return known[name]


def prepared(engine: Engine, dataset: Dataset, run: RunSettings, data_dir: str | Path | None) -> Judge | None:
    """What reads the run's metric, its real data made ready; None for a run without. Raises `GanzooError`."""
    if run.metric is None:
        return None
    where = data_folder(None if data_dir is None else Path(data_dir))
    found: Judge = find_metric(run.metric).prepare(engine.variant, dataset, where, engine.device)
    return found


class Measuring:
    """The readings of a run's metric in its folder, those of earlier processes included.

    `best`: the step and the value of the best one, whose weights the folder keeps; `done`: why the run may end.
    """

    def __init__(self, judge: Judge, run: RunSettings, folder: RunFolder, first_step: int) -> None:
        assert run.metric is not None
        self.metric = find_metric(run.metric)
        self.every = run.metric_every
        self.done: str | None = None
        self._judge, self._run, self._first_step = judge, run, first_step
        self._earlier_s = folder.trained_seconds()
        records = folder.records()
        self.best = best_of(folder, run.metric)
        after = -1 if self.best is None else self.best[0]
        self._waited = sum(run.metric in record and record["step"] > after for record in records)
        self._seconds = math.fsum(record.get(METRIC_S) or 0.0 for record in records)

    def is_due(self, step: int, trained_s: float) -> bool:
        """Whether to read it after `step` steps, of which this process made some in so many seconds."""
        return trained_s >= FIRST_S if self.every is None else step % self.every == 0

    def read(self, step: int, generator: TrainedGenerator) -> float:
        """The generator's number, finite or not; `best` is set where it is that. Raises `PluginError`."""
        try:
            value = float(self._judge(generator))
        except Exception as error:
            if is_ctrl_c(error):
                raise
            raise PluginError(f"the metric {self.metric.name} failed at step {step}: {said(error)}") from error
        self._waited += 1
        if math.isfinite(value) and (self.best is None or self._is_better(value, self.best[1])):
            self.best, self._waited = (step, value), 0
        self.done = self._reached(step, value)
        return value

    def note(self, step: int, value: float, seconds: float, trained_s: float) -> dict[str, Any]:
        """Count a reading that took so many seconds, after as many of training; returns what run.json holds of it."""
        self._seconds += seconds
        if self.every is None and trained_s >= FIRST_S:
            self.every = interval(seconds, trained_s / (step - self._first_step))
        assert self.best is not None
        share = self._seconds / max(self._earlier_s + trained_s + self._seconds, 1e-9)
        return {
            "metric": self.metric.name,
            "step": step,
            "value": value,
            "best_step": self.best[0],
            "best": self.best[1],
            "share": round(share, 3),
        }

    def tell_end(self) -> None:
        """Say why a run has ended before all its steps, or that it has not become as good as it was to."""
        log, goal = logging.getLogger("ganzoo"), self._run.goal()
        if self.done is not None:
            log.info("%s: the run ends there", self.done)
        elif goal is not None and self.best is not None and not self._is_good(self.best[1]):
            step, value = self.best
            log.warning("until=%s was not reached: the best was %s, at step %d", self._run.until, figure(value), step)

    def _reached(self, step: int, value: float) -> str | None:
        name, patience = self.metric.name, self._run.patience
        if math.isfinite(value) and self._is_good(value):
            return f"{name} is {figure(value)} at step {step}, as good as until={self._run.until} asks"
        if patience is not None and self._waited >= patience:
            since = "" if self.best is None else f" since step {self.best[0]}, when it was {figure(self.best[1])}"
            return f"{name} has not been better in {self._waited} readings{since}"
        return None

    def _is_good(self, value: float) -> bool:
        goal = self._run.goal()
        return goal is not None and not self._is_better(goal[1], value)

    def _is_better(self, value: float, other: float) -> bool:
        return value > other if self.metric.higher_is_better else value < other


def best_of(folder: RunFolder, metric: str) -> tuple[int, float] | None:
    """The step and the value of that metric of the weights in best.safetensors; None where there are none."""
    with contextlib.suppress(FileError):
        header, _ = tensor_files.read_header(folder.best, "generator")
        step, judged = header.get("step"), header.get("judged")
        if type(step) is int and isinstance(judged, dict) and isinstance(judged.get(metric), float):
            return step, judged[metric]
    return None


def interval(reading_s: float, step_s: float) -> int:
    """Steps from one reading to the next, so that readings take less than a tenth of the time; two digits, then 0."""
    least = max(1, math.ceil(SPARED * reading_s / max(step_s, 1e-9)))
    unit = 10 ** max(0, len(str(least)) - 2)
    return -(-least // unit) * unit
