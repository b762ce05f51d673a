"""A sweep: trials of one variant with different settings, trained with the same budget, and ranked."""

from __future__ import annotations

import hashlib
import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ganzoo_core.datasets import data_folder
from ganzoo_core.drawing.words import number
from ganzoo_core.errors import DataError, SettingError, TrainingError, shorten
from ganzoo_core.interfaces import column_names
from ganzoo_core.registry import registry
from ganzoo_core.report.command import command, run_settings
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.storage.names import file_name, shell_word
from ganzoo_tools.comparison.candidates import Evaluator
from ganzoo_tools.comparison.halving import promoted, rungs
from ganzoo_tools.comparison.job import SAMPLING_SEEDS, Job, try_step
from ganzoo_tools.comparison.race import exact, named_folder
from ganzoo_tools.comparison.ranking import Comparison, figures_of, rank_candidates, ranking_metric
from ganzoo_tools.comparison.space import Trial, trials_of
from ganzoo_tools.comparison.sweep_result import Sweep, TrialResult, Unit, by_figure, in_words, with_ranks
from ganzoo_tools.comparison.workers import Workers, workers_at
from ganzoo_tools.evaluation.results import Evaluation, check_comparable, title

_NO_TEXTS = {  # settings that are the sweep's own
    "steps": "its budget is --steps or --minutes",
    "seed": "--seeds trains each trial with several",
    "until": "all trials have the same budget",
    "patience": "all trials have the same budget",
}
MOST_STEPS = 10**9
SHOWN = 8  # of the best, with samples on the page
_log = logging.getLogger("ganzoo")


def sweep(
    variant: str,
    sweeps: Mapping[str, str],
    *,
    data: str | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    trials: int | None = None,
    halving: int | None = None,
    seeds: int = 1,
    out: str | Path | None = None,
    n: int = 10_000,
    data_dir: str | Path | None = None,
    device: str = "auto",
    texts: Mapping[str, str] | None = None,
    workers: str | None = None,
) -> Sweep:
    """Train a variant with all settings that `sweeps` names, each by the text of its values, and rank them.

    The grid of all values, or `trials` draws from it. With `halving` only the best 1/halving of the trials go on at
    each rung. `workers`: how many processes, or the address of a Dask scheduler. Work already in the folder `out` is
    not repeated. Raises `Interrupted` after a signal, once all is saved, and other `GanzooError`s; a trial whose
    training fails is left out.
    """
    texts = dict(texts or {})
    unit, budget = _budget(steps, minutes)
    _check(variant, sweeps, texts, seeds, workers)
    values = {"device": device} | ({} if data is None else {"data": data})
    found = trials_of(variant, sweeps, values, texts, trials)
    plan, where = found[0].plan, None if data_dir is None else Path(data_dir)
    of_inputs = bool(column_names(try_step(plan, plan.source.load(data_folder(where))).networks.generator))
    evaluator = Evaluator(plan.source, n=n, seeds=SAMPLING_SEEDS, data_dir=where, device=device, of_inputs=of_inputs)
    levels = rungs(len(found), halving, budget, whole=unit == "steps")
    home = Path(out) if out is not None else default_folder(variant, plan.run.data, steps, minutes)
    course = _Course(unit, budget, seeds, home, n, where, of_inputs)
    with workers_at(workers) as crew:
        ranked, ended = course.run(found, levels, halving or 1, crew)
    if not ranked:
        reasons = "; ".join(f"{result.trial.name}: {result.failed}" for result in ended)
        raise TrainingError(f"nothing could be trained: {reasons}")
    options: dict[str, float | None] = {"trials": trials, "halving": halving, "seeds": seeds, "steps": steps}
    options |= {"minutes": (minutes or 1.0) if unit == "seconds" else None}
    again = _command(variant, sweeps, texts, plan.run.data, options)
    best = _compared(ranked[:SHOWN], evaluator, again)
    info = RunFolder.open(ranked[0].folders[0]).metadata()
    return Sweep(
        variant, (*ranked, *ended), best, unit, tuple(levels), seeds, command(variant, run_settings(info)), again
    )  # fmt: skip


def _compared(results: Sequence[TrialResult], evaluator: Evaluator, again: str) -> Comparison:
    """Trials as a comparison of recipes, which are called by their settings."""
    names = {folder: result.trial.name for result in results for folder in result.folders}
    found = rank_candidates([evaluator.candidate(RunFolder.open(folder)) for folder in names], again)
    recipes = [replace(recipe, name=names[recipe.candidates[0].folder.path]) for recipe in found.recipes]
    return replace(found, recipes=tuple(recipes))


@dataclass(frozen=True)
class _Course:
    """How the trials of a sweep are trained: what is alike for all of them."""

    unit: Unit
    budget: float
    seeds: int
    home: Path
    n: int
    data_dir: Path | None
    of_inputs: bool

    def run(
        self, trials: Sequence[Trial], levels: Sequence[float], eta: int, workers: Workers
    ) -> tuple[list[TrialResult], list[TrialResult]]:
        """Those that had the whole budget, ranked; and the others, those first that had most of it."""
        going, ended = list(trials), list[TrialResult]()
        for rung, until in enumerate(levels, 1):
            if len(levels) > 1:
                some = f"{len(going)} trial{'s' * (len(going) > 1)}"
                _log.info("rung %d of %d: %s up to %s", rung, len(levels), some, in_words(until, self.unit))
            results = self._rung(going, until, workers)
            ranked = by_figure([result for result in results if result.failed is None])
            kept = ranked if until == levels[-1] else promoted(ranked, eta)
            ended = [*ranked[len(kept) :], *ended, *(result for result in results if result.failed is not None)]
            going = [trial for trial in going if trial in [result.trial for result in kept]]
        ended.sort(key=lambda result: result.failed is not None)
        return with_ranks(kept), ended

    def _rung(self, trials: Sequence[Trial], until: float, workers: Workers) -> list[TrialResult]:
        """The trials after `until` steps or seconds, in their order."""
        jobs = {trial.number: [self._job(trial, seed, until) for seed in range(self.seeds)] for trial in trials}
        names = {job.folder: f"{t.name}, seed {k}" for t in trials for k, job in enumerate(jobs[t.number])}
        listed = [job for each in jobs.values() for job in each]
        for job in listed:
            job.check()
        failed: dict[str, str] = {}
        todo = [job for job in listed if job.evaluation() is None]
        for count, (job, reason) in enumerate(workers.outcomes(todo), 1):
            if reason is not None:
                failed[job.folder] = reason
            _tell(f"{count}/{len(todo)} {names[job.folder]}", job, reason)
        return [self._result(trial, jobs[trial.number], until, failed) for trial in trials]

    def _job(self, trial: Trial, seed: int, until: float) -> Job:
        settings = trial.plan.stored_settings() | {"seed": seed}
        del settings["steps"]
        folder = self.home / f"{folder_name(trial)}-seed{seed}"
        return Job(
            trial.plan.variant.name, settings, str(folder), until, self.budget, self.unit, self.n,
            None if self.data_dir is None else str(self.data_dir.absolute()), self.of_inputs,
        )  # fmt: skip

    def _result(self, trial: Trial, jobs: Sequence[Job], until: float, failed: Mapping[str, str]) -> TrialResult:
        folders = tuple(Path(job.folder) for job in jobs)
        for seed, job in enumerate(jobs):
            if job.folder in failed:
                return TrialResult(trial, folders, failed=f"seed {seed}: {failed[job.folder]}")
        found = [evaluation for job in jobs if (evaluation := job.evaluation()) is not None]
        check_comparable({job.folder: evaluation for job, evaluation in zip(jobs, found, strict=True)})
        by = ranking_metric(found[0])
        return TrialResult(trial, folders, until, figures_of(found), by, tuple(each.step for each in found))


def folder_name(trial: Trial) -> str:
    """What the folders of a trial's runs are called: by its settings, whatever sweep it is of."""
    words = trial.name.replace(" ", ",")
    if re.fullmatch(r"[\w.=,+-]{1,100}", words, re.ASCII):
        return words
    digest = hashlib.sha256(words.encode()).hexdigest()[:8]  # another trial may have the same name, cut or cleaned
    return f"{file_name(words, 'trial')}-{digest}"


def default_folder(variant: str, data: str | None, steps: int | None, minutes: float | None) -> Path:
    """Where a sweep is stored: the same call gives the same folder, so that it resumes there."""
    data = data or registry().variant(variant)[0].default_data
    unit, budget = _budget(steps, minutes)
    words = f"{budget:.0f}steps" if unit == "steps" else f"{budget / 60:g}min"
    return named_folder("sweep", f"{variant}-{data}-{words}")


def _budget(steps: int | None, minutes: float | None) -> tuple[Unit, float]:
    if steps is not None and minutes is not None:
        raise SettingError("steps and minutes exclude each other; give one of them")
    if steps is not None:
        if steps < 1:
            raise SettingError(f"steps must be at least 1, but is {shorten(steps, 20)}")
        if steps > MOST_STEPS:
            raise SettingError(f"steps must be at most {MOST_STEPS:,}, but is {shorten(steps, 20)}")
        return "steps", steps
    minutes = 1.0 if minutes is None else minutes
    if not 0 < minutes < math.inf:
        raise SettingError(f"minutes must be above 0 and finite, but is {minutes:g}")
    return "seconds", 60 * minutes


def _check(variant: str, sweeps: Mapping[str, str], texts: Mapping[str, str], seeds: int, workers: str | None) -> None:
    if not sweeps:
        raise SettingError("name the settings to sweep, each with its values: --sweep generator_lr=1e-4,2e-4")
    if seeds < 1:
        raise SettingError(f"seeds must be at least 1, but is {seeds}")
    for name in texts:
        if name in _NO_TEXTS:
            raise SettingError(f"{name} can't be set in a sweep: {_NO_TEXTS[name]}")
        if name in sweeps:
            raise SettingError(f"{name} is both set and swept; give one of --set and --sweep")
    if workers is not None and registry().typed(variant):
        raise SettingError(f"{variant} is a variant of a file of yours, which workers do not know; leave out --workers")


def _command(
    variant: str,
    sweeps: Mapping[str, str],
    texts: Mapping[str, str],
    data: str,
    options: Mapping[str, float | None],
) -> str:
    words = ["ganzoo", "compare", variant, "--data", data]
    words += [word for pair in sweeps.items() for word in ("--sweep", "=".join(pair))]
    words += [word for name, value in options.items() if value is not None for word in (f"--{name}", exact(value))]
    words += [word for pair in texts.items() for word in ("--set", "=".join(pair))]
    return " ".join(map(shell_word, words))


def _tell(words: str, job: Job, reason: str | None) -> None:
    if reason is not None:
        _log.warning("%s is left out: %s", words, reason)
        return
    found = job.evaluation()
    assert found is not None
    by = ranking_metric(found)
    _log.info("%s: %s %s after %d steps", words, title(by), number(_figure(found, by, job)), found.step)


def _figure(found: Evaluation, by: str, job: Job) -> float:
    if by not in found.figures:
        raise DataError(f"{job.folder} can't be ranked: its evaluation must hold {by}, but does not")
    return found.figures[by].mean
