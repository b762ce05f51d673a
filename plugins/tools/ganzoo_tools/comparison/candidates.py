"""The candidates of a comparison: runs with their evaluations, at the end and during training."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ganzoo_core.datasets import data_folder
from ganzoo_core.report.run_page import write_report
from ganzoo_core.runs.metadata import RunMetadata
from ganzoo_core.runs.plan import resolve
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.sampling.devices import pick_device
from ganzoo_core.storage import tensor_files
from ganzoo_core.storage.files import own_folder
from ganzoo_core.variant import DataSource
from ganzoo_tools.evaluation.evaluation import evaluate
from ganzoo_tools.evaluation.few import LEAST
from ganzoo_tools.evaluation.reference import Reference, load_reals
from ganzoo_tools.evaluation.results import Evaluation, differing, evaluation_file

_log = logging.getLogger("ganzoo")
_STAGE = re.compile(r"[0-9]{1,9}([.][0-9]{1,9})?(e[+-][0-9]{2})?s")  # `stage` makes the names of such folders


@dataclass(frozen=True)
class StageResult:
    """The result of a run at the stage `until_s`, after `step` steps and `seconds` of training."""

    until_s: float
    step: int
    seconds: float
    figures: dict[str, float]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A run and its evaluation. `stages`: its results at each stage, the last included; empty without stages."""

    folder: RunFolder
    info: RunMetadata
    evaluation: Evaluation
    stages: tuple[StageResult, ...]

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return int(self.info.settings["seed"])

    @cached_property
    def seconds(self) -> float:
        """How long it was trained."""
        return self.folder.trained_seconds(self.evaluation.step)


class Evaluator:
    """Evaluates the runs of one data set, all alike. Stored evaluations in run folders are reused.

    `n` samples for each of `seeds` sampling seeds; None: as in the stored evaluations, or by default as `ganzoo
    evaluate`. `of_inputs`: whether one of the generators takes inputs, so that none makes more samples than the data
    has inputs for.
    """

    def __init__(
        self,
        source: DataSource,
        *,
        n: int | None,
        seeds: int | None,
        data_dir: Path | None,
        device: str,
        of_inputs: bool = False,
    ) -> None:
        self.source, self.n, self.seeds, self.of_inputs = source, n, seeds, of_inputs
        self.n_else, self.seeds_else = n or 10_000, seeds or 3
        self.data_dir, self.device = data_dir, device

    @cached_property
    def reals(self) -> Reference:
        """The real side, made when the first run needs it."""
        return load_reals(self.source, data_folder(self.data_dir), self.n_else, None, pick_device(self.device))

    def fit(self, folders: list[RunFolder]) -> None:
        """Take what was not requested from the first stored evaluation of these runs."""
        for kept in filter(None, map(_kept, folders)):
            self.n_else = self.n or kept.conditions["real"]
            self.seeds_else = self.seeds or len(kept.conditions["seeds"])
            return

    def candidate(self, folder: RunFolder) -> Candidate:
        """The run, judged."""
        info = folder.metadata()
        found = self.evaluation(folder)
        if not (page := folder.path / "report.html").exists() or page.stat().st_mtime < _kept_at(folder):
            write_report(folder.path)
        stages = [path for path in folder.path.glob("stages/*s") if _STAGE.fullmatch(path.name)]
        kept = [path for path in stages if (path / evaluation_file(None)).exists()]  # one that was killed has none
        evaluations = {path: Evaluation.read(path / evaluation_file(None)) for path in kept}
        results = [
            StageResult(
                float(path.name.removesuffix("s")),
                evaluation.step,
                folder.trained_seconds(evaluation.step),
                {name: figure.mean for name, figure in evaluation.figures.items()},
            )
            for path, evaluation in evaluations.items()
            if not differing(evaluation, found) and evaluation.step <= found.step
        ]
        return Candidate(folder, info, found, tuple(sorted(results, key=lambda result: result.until_s)))

    def evaluation(self, folder: RunFolder) -> Evaluation:
        """The run's evaluation: read from its folder, or made now and saved there."""
        kept = _kept(folder)
        if kept is not None and kept.step == trained_steps(folder) and self._is_asked_for(kept):
            return kept
        _log.info("evaluating %s", folder.path)
        n = min(self.n_else, len(self.reals.given[1])) if self.of_inputs else self.n_else
        found = evaluate(folder.path, n=n, seeds=self.seeds_else, device=self.device, reals=self.reals)
        found.save(folder.path)
        return found

    def stage(self, folder: RunFolder, name: str) -> None:
        """Evaluate a run at its current step, and save that under this name beside later results."""
        path = folder.path / "stages" / name
        if not (path / evaluation_file(None)).exists():
            found = replace(self.evaluation(folder), neighbours=None)
            own_folder(path.parent)
            own_folder(path)
            found.save(path)

    def _is_asked_for(self, kept: Evaluation) -> bool:
        """Whether a kept evaluation was made with the samples asked for, or with as many as there are."""
        made, seeds = kept.conditions, len(kept.conditions["seeds"])
        most = min(self.n or made["real"], made["real_neighbours"])
        held_out = made.get("held_out") or 0
        fewer = self.of_inputs and held_out >= (made.get("draw") or LEAST)  # as `Reference.given` has it
        samples = min(most, held_out) if fewer else most
        return (made["samples"], made["real"]) == (samples, most) and seeds == (self.seeds or seeds)


def source_of(info: RunMetadata) -> DataSource:
    """The data that a run was trained on."""
    return resolve(info.variant, info.settings).source


def trained_steps(folder: RunFolder) -> int:
    """How long the weights in a run's folder were trained."""
    header, _ = tensor_files.read_header(folder.generator, "generator")
    tensor_files.check_fields(folder.generator, header, {"step": int})
    return int(header["step"])


def takes_inputs(folder: RunFolder) -> bool:
    """Whether the generator in a run's folder takes something besides noise and labels."""
    header, _ = tensor_files.read_header(folder.generator, "generator")
    return bool(header.get("inputs"))


def _kept_at(folder: RunFolder) -> float:
    return (folder.path / evaluation_file(None)).stat().st_mtime


def _kept(folder: RunFolder) -> Evaluation | None:
    path = folder.path / evaluation_file(None)
    return Evaluation.read(path) if path.exists() else None
