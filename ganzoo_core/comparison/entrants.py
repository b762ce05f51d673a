"""Who is compared: a run with how it was judged, in the end and while it was trained."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ganzoo_core import checkpoint
from ganzoo_core.datasets import data_folder
from ganzoo_core.devices import pick_device
from ganzoo_core.metrics.evaluation import evaluate
from ganzoo_core.metrics.reals import Reals, load_reals
from ganzoo_core.metrics.results import Evaluation, differing, evaluation_file
from ganzoo_core.run_folder import RunFolder
from ganzoo_core.run_report import elapsed_s, write_report
from ganzoo_core.run_settings import resolve, stored_settings
from ganzoo_core.variant import DataSource

_log = logging.getLogger("ganzoo")


@dataclass(frozen=True)
class Standing:
    """How a run stood at the stage `until_s`: after so many steps, which took so many seconds of training."""

    until_s: float
    step: int
    seconds: float
    figures: dict[str, float]


@dataclass(frozen=True, eq=False)
class Entrant:
    """A run and its evaluation. `course`: how it stood at its stages, the last one included; empty without stages."""

    folder: RunFolder
    info: dict[str, Any]
    evaluation: Evaluation
    course: tuple[Standing, ...]

    @property
    def seed(self) -> int:
        """What the run was drawn from."""
        return int(self.info["settings"]["seed"])

    @cached_property
    def seconds(self) -> float:
        """How long it was trained."""
        return spent_s(self.folder, self.info, self.evaluation.step)


class Judge:
    """Evaluates the runs of one data set, all alike. What a run's folder keeps of an earlier evaluation is used.

    `n` samples of each of `draws` sampling seeds; None: however they are kept, and who keeps none is judged as the
    others were, or else as by `ganzoo evaluate`.
    """

    def __init__(
        self, source: DataSource, *, n: int | None, draws: int | None, data_dir: Path | None, device: str
    ) -> None:
        self.source, self.n, self.draws = source, n, draws
        self.n_else, self.draws_else = n or 10_000, draws or 3
        self.data_dir, self.device = data_dir, device

    @cached_property
    def reals(self) -> Reals:
        """The real side, made when the first run needs it."""
        return load_reals(self.source, data_folder(self.data_dir), self.n_else, None, pick_device(self.device))

    def fit(self, folders: list[RunFolder]) -> None:
        """What is not asked for, take as in the first kept evaluation of these runs."""
        for kept in filter(None, map(_kept, folders)):
            self.n_else = self.n or kept.conditions["samples"]
            self.draws_else = self.draws or len(kept.conditions["seeds"])
            return

    def entrant(self, folder: RunFolder) -> Entrant:
        """The run, judged."""
        info = folder.read_info()
        found = self.evaluation(folder)
        if not (page := folder.path / "report.html").exists() or page.stat().st_mtime < _kept_at(folder):
            write_report(folder.path)
        stages = {path: Evaluation.read(path / evaluation_file(None)) for path in folder.path.glob("stages/*s")}
        course = [
            Standing(
                float(path.name.removesuffix("s")),
                evaluation.step,
                spent_s(folder, info, evaluation.step),
                {name: figure.mean for name, figure in evaluation.figures.items()},
            )
            for path, evaluation in stages.items()
            if not differing(evaluation, found) and evaluation.step <= found.step
        ]
        return Entrant(folder, info, found, tuple(sorted(course, key=lambda standing: standing.until_s)))

    def evaluation(self, folder: RunFolder) -> Evaluation:
        """How good the run is, from its folder or made now and kept there."""
        kept = _kept(folder)
        if kept is not None and kept.step == trained_steps(folder) and self._is_asked_for(kept):
            return kept
        _log.info("judging %s", folder.path)
        found = evaluate(folder.path, n=self.n_else, seeds=self.draws_else, device=self.device, reals=self.reals)
        found.save(folder.path)
        return found

    def stage(self, folder: RunFolder, until_s: float) -> None:
        """Judge a run as it stands, and keep that beside later ones."""
        path = folder.path / "stages" / f"{until_s:g}s"
        if not (path / evaluation_file(None)).exists():
            path.mkdir(parents=True, exist_ok=True)
            replace(self.evaluation(folder), neighbours=None).save(path)

    def _is_asked_for(self, kept: Evaluation) -> bool:
        """Whether a kept evaluation was made with the samples asked for, or with as many as there are."""
        samples, draws = kept.conditions["samples"], len(kept.conditions["seeds"])
        most = min(self.n or samples, kept.conditions["real_neighbours"])
        return bool(samples == most) and draws == (self.draws or draws)


def source_of(info: dict[str, Any]) -> DataSource:
    """The data that a run was trained on."""
    return resolve(info["variant"], stored_settings(info)).source


def trained_steps(folder: RunFolder) -> int:
    """How long the weights in a run's folder were trained."""
    header, _ = checkpoint.read_header(folder.generator, "generator")
    checkpoint.check_fields(folder.generator, header, {"step": int})
    return int(header["step"])


def _kept_at(folder: RunFolder) -> float:
    return (folder.path / evaluation_file(None)).stat().st_mtime


def _kept(folder: RunFolder) -> Evaluation | None:
    path = folder.path / evaluation_file(None)
    return Evaluation.read(path) if path.exists() else None


def spent_s(folder: RunFolder, info: dict[str, Any], step: int) -> float:
    """How many seconds of training a run's first steps took."""
    return elapsed_s([r for r in folder.records() if r["step"] <= step], info["settings"]["batch_size"])
