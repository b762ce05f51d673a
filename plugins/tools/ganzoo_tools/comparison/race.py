"""Training candidates for the same time each, with resume after an interruption."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ganzoo_core as ganzoo
from ganzoo_core.datasets import data_folder
from ganzoo_core.drawing.words import duration, number
from ganzoo_core.errors import DataError, SettingError, TrainingError
from ganzoo_core.interfaces import column_names
from ganzoo_core.registry import registry
from ganzoo_core.runs.metadata import RunMetadata
from ganzoo_core.runs.plan import Plan, resolve
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.storage.files import as_file_error, refuse_link
from ganzoo_core.storage.names import shell_word
from ganzoo_tools.comparison.candidates import Evaluator, source_of, takes_inputs
from ganzoo_tools.comparison.job import SAMPLING_SEEDS, stands, try_step
from ganzoo_tools.comparison.ranking import Comparison, rank_candidates

STAGES = (1 / 8, 1 / 4, 1 / 2, 1)  # of the time: how far all are trained before they are judged, and go on
_LONGEST_NAME = 50  # in characters, of four bytes each at most: file systems allow 255 bytes
_log = logging.getLogger("ganzoo")


def compare(
    runs: Sequence[str | Path], *, n: int | None = None, data_dir: str | Path | None = None, device: str = "auto"
) -> Comparison:
    """Compare runs. Runs without a stored evaluation are evaluated first, on `n` samples.

    Raises `DataError` if they were trained on different data or evaluated differently, `SettingError` for a run given
    twice, and other `GanzooError`s.
    """
    folders = [RunFolder.open(Path(run).expanduser()) for run in runs]
    if not folders:
        raise SettingError("name the runs to compare, or the variants to train")
    infos = [folder.metadata() for folder in folders]
    _check_same_data(folders, infos)
    evaluator = Evaluator(
        source_of(infos[0]),
        n=n,
        seeds=None,
        data_dir=None if data_dir is None else Path(data_dir),
        device=device,
        of_inputs=any(map(takes_inputs, folders)),
    )
    evaluator.fit(folders)
    return rank_candidates(
        [evaluator.candidate(f) for f in folders], " ".join(map(shell_word, ["ganzoo", "compare", *runs]))
    )


def _check_same_data(folders: Sequence[RunFolder], infos: Sequence[RunMetadata]) -> None:
    for folder, info in zip(folders, infos, strict=True):
        if info.data != infos[0].data:
            raise DataError(
                f"{folders[0].path} and {folder.path} can't be compared: they were trained on different data, "
                f"{infos[0].data.name} and {info.data.name}"
            )


def race(
    variants: Sequence[str] | None,
    *,
    data: str,
    minutes: float,
    seeds: int = 1,
    out: str | Path | None = None,
    n: int = 10_000,
    data_dir: str | Path | None = None,
    device: str = "auto",
    texts: Mapping[str, str] | None = None,
) -> Comparison:
    """Train variants, or all that can use the data, for the same number of minutes each, and compare them.

    Time is wall time of training. All are trained in stages, in turn, so that other load on the machine affects all
    alike. Work already in the folder `out` is not repeated. Raises `Interrupted` after a signal, once all is saved, and
    other `GanzooError`s; a variant whose training fails is left out.
    """
    seconds = 60 * minutes
    _check(seconds, seeds, texts or {})
    where = None if data_dir is None else Path(data_dir)
    home = Path(out) if out is not None else default_folder(data, minutes)
    plans, left_out, of_inputs = _plans(variants, {"data": data, "device": device}, texts or {}, where)
    racing = {(name, seed): home / f"{name}-seed{seed}" for seed in range(seeds) for name in plans}
    source = next(iter(plans.values())).source
    evaluator = Evaluator(source, n=n, seeds=SAMPLING_SEEDS, data_dir=where, device=device, of_inputs=of_inputs)
    turns = [(share * seconds, key) for share in STAGES for key in racing]
    for turn, (until_s, (name, seed)) in enumerate(turns, 1):
        if (name, seed) not in racing:
            continue
        folder = racing[name, seed]
        _log.info("%d/%d %s, seed %d: training up to %s s", turn, len(turns), name, seed, number(until_s, 4))
        try:
            _train(plans[name], seed, folder, until_s, seconds, where)
            if RunFolder.open(folder).metadata().seconds == until_s:  # else it stands at a later stage
                evaluator.stage(RunFolder.open(folder), f"{until_s:g}s")
        except (TrainingError, DataError) as error:
            _log.warning("%s, seed %d is left out: %s", name, seed, error)
            left_out[f"{name}, seed {seed}"] = str(error)
            del racing[name, seed]
    if not racing:
        raise TrainingError(f"nothing could be trained: {'; '.join(f'{k}: {v}' for k, v in left_out.items())}")
    command = _command(variants, data, minutes, seeds, texts or {})
    candidates = [evaluator.candidate(RunFolder.open(folder)) for folder in racing.values()]
    return rank_candidates(candidates, command, left_out)


def default_folder(data: str, minutes: float) -> Path:
    """Where a race is stored: the same call gives the same folder, so that it resumes there."""
    return named_folder("compare", f"{data}-{minutes:g}min")


def named_folder(kind: str, words: str) -> Path:
    """A folder in `runs`, called by its kind and these words as far as a file system takes them."""
    words = "".join(c if c.isalnum() else "-" for c in words)
    if len(words) > _LONGEST_NAME:  # a path may be longer than a name, and its end tells more than its begin
        words = f"{hashlib.sha256(words.encode()).hexdigest()[:8]}-{words[-_LONGEST_NAME:]}"
    return Path("runs") / f"{kind}-{words}"


def _check(seconds: float, seeds: int, texts: Mapping[str, str]) -> None:
    if not 0 < seconds < float("inf"):
        raise SettingError(f"minutes must be above 0 and finite, but is {seconds / 60:g}")
    if seeds < 1:
        raise SettingError(f"seeds must be at least 1, but is {seeds}")
    for name in ("steps", "seed"):
        if name in texts:
            raise SettingError(f"{name} can't be set in a comparison: the minutes decide the steps, --seeds the seeds")


def _plans(
    names: Sequence[str] | None, values: dict[str, Any], texts: Mapping[str, str], data_dir: Path | None
) -> tuple[dict[str, Plan], dict[str, str], bool]:
    """The variants with their settings, what is left out and why, and whether any of the generators takes inputs.

    Only if all are requested those are left out that can't use the data.
    """
    plans = {name: resolve(name, values, texts) for name in names or registry().variants()}
    if not plans:
        raise SettingError("there is no variant to compare; `ganzoo plugins` shows what is installed")
    dataset = next(iter(plans.values())).source.load(data_folder(data_dir))
    left_out, of_inputs = {}, False
    for name, plan in list(plans.items()):
        try:
            of_inputs |= bool(column_names(try_step(plan, dataset).networks.generator))
        except DataError as error:
            if names is not None:
                raise
            left_out[name] = str(error)
            del plans[name]
    if not plans:
        raise DataError(f"no variant can use {dataset.spec.name}: {'; '.join(left_out.values())}")
    return plans, left_out, of_inputs


def _train(plan: Plan, seed: int, folder: Path, until_s: float, seconds: float, data_dir: Path | None) -> None:
    """Train a run until it has used its seconds, unless it already has."""
    settings = plan.settings() | {"seed": seed}
    del settings["steps"]
    refuse_link(folder)
    begun = (folder / "run.json").exists()
    if begun:
        stands_s = stands(RunFolder.open(folder), "seconds")
        if stands_s > seconds:
            raise SettingError(
                f"{folder} was trained for {duration(stands_s)}, but the minutes are {seconds / 60:g}; "
                f"give more minutes or another --out"
            )
        if stands_s >= until_s:
            return
    with as_file_error(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    out, resume = (None, folder) if begun else (folder, None)
    ganzoo.train(plan.variant.name, data_dir=data_dir, seconds=until_s, out=out, resume=resume, **settings)


def exact(value: float) -> str:
    """A number as a command takes it, with all of its digits."""
    return str(int(value) if value == int(value) else value)


def _command(names: Sequence[str] | None, data: str, minutes: float, seeds: int, texts: Mapping[str, str]) -> str:
    words = ["ganzoo", "compare", "--variants", ",".join(names) if names else "all", "--data", data]
    words += ["--minutes", exact(minutes), "--seeds", f"{seeds}"]
    words += [word for pair in texts.items() for word in ("--set", "=".join(pair))]
    return " ".join(map(shell_word, words))
