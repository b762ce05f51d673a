"""One piece of a sweep: a run trained up to a rung and judged there. It does not matter which process does it."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import ganzoo_core as ganzoo
from ganzoo_core.callbacks import Callback
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.errors import DataError, Interrupted, SettingError, TrainingError
from ganzoo_core.report.run_page import write_report
from ganzoo_core.runs.plan import Plan, resolve
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.storage.files import as_file_error, refuse_link
from ganzoo_core.testing import Training, train_steps
from ganzoo_tools.comparison.candidates import Evaluator, trained_steps
from ganzoo_tools.evaluation.results import Evaluation, evaluation_file

SAMPLING_SEEDS = 1  # of samples from each run: it is between trainings that figures differ


@dataclass(frozen=True)
class Job:
    """A run to train up to `until`, of a whole `budget`, both in `unit`, and to judge there by `n` samples.

    `variant`: its name, or the file of the user's that it is in; `settings`: all but the steps, as JSON values;
    `of_inputs`: whether the generator takes inputs, as for `Evaluator`.
    """

    variant: str
    settings: Mapping[str, Any]
    folder: str
    until: float
    budget: float
    unit: Literal["steps", "seconds"]
    n: int
    data_dir: str | None
    of_inputs: bool

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The job that `to_json` wrote."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """The job as one line of JSON."""
        return json.dumps(asdict(self))

    @property
    def stage(self) -> str:
        """The name of the folder inside the run's that its evaluation at `until` is in."""
        return f"{self.until:g}s" if self.unit == "seconds" else f"{self.until:.0f}steps"

    def evaluation(self) -> Evaluation | None:
        """The run's evaluation at `until`; None before it was made."""
        path = Path(self.folder) / "stages" / self.stage / evaluation_file(None)
        return Evaluation.read(path) if path.exists() else None

    def check(self) -> None:
        """Raise `SettingError` where the run was trained beyond `until` without being judged there."""
        if not (Path(self.folder) / "run.json").exists() or self.evaluation() is not None:
            return
        folder = RunFolder.open(Path(self.folder))
        spent = stands(folder, self.unit)
        if spent > self.until:
            raise SettingError(
                f"{self.folder} was trained for {spent:g} {self.unit} and was not judged after {self.until:g}, where "
                f"this sweep asks how good it was; give another --out"
            )


class _StopAt(Callback):
    """Ends a run at a step that is not its last, so that what it does by its length stays as it is."""

    def __init__(self, step: float) -> None:
        self.step, self.is_reached = step, False

    def on_step(self, step: int, look: Any) -> Literal["stop"] | None:
        """Stop at the step."""
        self.is_reached = step >= self.step
        return "stop" if self.is_reached else None


def attempted(job: Job) -> str | None:
    """Do a job; returns why its training failed, None where it did not. Raises as `do` for what ends the sweep."""
    try:
        with _quietly():
            do(job)
    except (TrainingError, DataError) as error:
        return str(error)
    return None


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Let the core say no more than warnings: a sweep tells what it does in a line a job."""
    logger = logging.getLogger("ganzoo")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def do(job: Job) -> None:
    """Do a job, or what is left of it. Raises `Interrupted` once all is saved, and other `GanzooError`s."""
    if job.evaluation() is not None:
        return
    folder = Path(job.folder)
    refuse_link(folder)
    plan = resolve(job.variant, job.settings)
    _train(job, plan, folder)
    _evaluator(plan, job).stage(RunFolder.open(folder), job.stage)
    write_report(folder)


_evaluators: dict[str, Evaluator] = {}  # of this process: its real side takes seconds to make


def _evaluator(plan: Plan, job: Job) -> Evaluator:
    source, device = plan.source, plan.run.device
    alike = [source.name, str(source.path), source.options.to_dict(), job.n, job.data_dir, device, job.of_inputs]
    key = json.dumps(alike)
    if key not in _evaluators:
        data_dir = None if job.data_dir is None else Path(job.data_dir)
        _evaluators[key] = Evaluator(
            source, n=job.n, seeds=SAMPLING_SEEDS, data_dir=data_dir, device=device, of_inputs=job.of_inputs
        )
    return _evaluators[key]


_warmed_up: set[str] = set()


def _warm_up(plan: Plan, job: Job) -> None:
    """Keep torch's start-up in this process out of the measured time."""
    if plan.variant.name not in _warmed_up:
        _warmed_up.add(plan.variant.name)
        try_step(plan, plan.source.load(data_folder(None if job.data_dir is None else Path(job.data_dir))))


def try_step(plan: Plan, dataset: Dataset) -> Training:
    """Take one step in memory: checks that a variant fits the data."""
    run = plan.run
    return train_steps(plan.variant, dataset, 1, seed=run.seed, device=run.device, precision=run.precision)


def _train(job: Job, plan: Plan, folder: Path) -> None:
    settings, is_timed = dict(job.settings), job.unit == "seconds"
    if is_timed:
        _warm_up(plan, job)
    else:
        settings["steps"] = int(job.budget)
    begun = (folder / "run.json").exists()
    if begun and stands(RunFolder.open(folder), job.unit) >= job.until:
        return
    with as_file_error(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    stop = _StopAt(job.until)
    try:
        ganzoo.train(
            job.variant, data_dir=job.data_dir, seconds=job.until if is_timed else None,
            out=None if begun else folder, resume=folder if begun else None,
            callbacks=() if is_timed or job.until >= job.budget else (stop,), **settings,
        )  # fmt: skip
    except Interrupted:
        if not stop.is_reached:
            raise


def stands(folder: RunFolder, unit: str) -> float:
    """How far a run is: its steps, or the seconds that it was to be trained for and was, or that it has spent yet."""
    step = trained_steps(folder) if folder.checkpoint.exists() else 0
    if unit == "steps":
        return step
    info = folder.metadata()
    return (info.seconds or 0.0) if info.settings["steps"] == step else folder.trained_seconds(step)
