"""Training from Python and from the command line: a plan, an engine, a folder, observers."""

from __future__ import annotations

import contextlib
import itertools
import math
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ganzoo_core import __version__, checkpoint
from ganzoo_core.callbacks import Callback
from ganzoo_core.data import Dataset
from ganzoo_core.engine import Engine
from ganzoo_core.errors import FileError, GanzooError, SettingError, UnknownNameError, shorten
from ganzoo_core.launch import begun_run
from ganzoo_core.notebook import NotebookProgress, in_notebook, page_html, run_html
from ganzoo_core.parallel import Alone, Together, join
from ganzoo_core.run_folder import RunFolder
from ganzoo_core.run_report import write_report
from ganzoo_core.run_settings import Plan, resolve, stored_settings
from ganzoo_core.samples import Samples
from ganzoo_core.session import Session, parameter_counts
from ganzoo_core.shared_run import follow, lead, lead_nowhere, load_data
from ganzoo_core.trained import TrainedGenerator, installed, load, origin

_MOST_LEFT_OUT = 10_000  # names of files: a folder may hold a text beside each of a million images

NO_END = 1_000_000_000  # steps of a run that its seconds end


@dataclass(frozen=True)
class Run:
    """A run on disk, begun or done."""

    folder: Path

    @property
    def info(self) -> dict[str, Any]:
        """run.json: variant, versions, settings, data, environment."""
        return RunFolder.open(self.folder).read_info()

    def records(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        return RunFolder.open(self.folder).records()

    def generator(self, device: str = "cpu") -> TrainedGenerator:
        """The trained generator."""
        return load(self.folder, device)

    def sample(self, n: int | None = None, *, labels: Sequence[str | int] | None = None, seed: int = 0) -> Samples:
        """Samples of the trained generator: see `TrainedGenerator.sample`."""
        return self.generator().sample(n, labels=labels, seed=seed)

    def report(self) -> Report:
        """Write the run's page again. In a notebook it shows itself."""
        return Report(write_report(self.folder))

    def _repr_html_(self) -> str | None:
        try:
            return run_html(RunFolder.open(self.folder))
        except (GanzooError, OSError):  # it is gone: its name is shown
            return None


@dataclass(frozen=True)
class Report:
    """A run on one page, report.html."""

    path: Path

    def _repr_html_(self) -> str:
        return page_html(self.path.read_text(encoding="utf-8"))


def train(
    variant: str | None = None,
    *,
    data_dir: str | Path | None = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    epochs: int | None = None,
    seconds: float | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    texts: dict[str, str] | None = None,
    **settings: Any,
) -> Run:
    """Train a variant to the end, or go on with the run in the folder `resume`.

    `settings` are any of the run's, the variant's or the data set's: `data="mnist", steps=20_000, generator_lr=1e-4`.
    `texts` are the same unparsed, as `--set` gives them; on a resume only they may change what a run was begun with,
    `steps` aside. With `seconds` the run ends after so much wall time of training, that of earlier processes included,
    and at `steps` only where they are given. In a notebook the `progress` is shown. Raises `Interrupted` after a
    signal, when all is saved, and other `GanzooError`s.
    """
    ranks = join()
    if isinstance(ranks, Together) and ranks.rank:
        return Run(follow(ranks, data_dir))
    texts = texts or {}
    if resume is None and (begun := begun_run()):
        resume, out = begun, None
    if seconds is not None:
        _check_seconds(seconds, epochs)
        settings = settings if "steps" in texts else {"steps": NO_END} | settings
    if progress and in_notebook():
        callbacks = [*callbacks, NotebookProgress()]
    if resume is not None:
        return _resume(Path(resume), variant, out, data_dir, settings, texts, seconds, callbacks, ranks)
    if variant is None:
        raise SettingError("name a variant to run (`ganzoo list` shows them), or a run to go on with (--resume)")
    plan = resolve(variant, settings, texts)
    dataset = load_data(plan, data_dir, ranks)
    if epochs is not None:
        plan = _with_epochs(plan, epochs, len(dataset))
    with _global_random_state_kept():
        engine = Engine(plan.variant, dataset, plan.run, ranks)
        with RunFolder.create(None if out is None else Path(out), f"{plan.variant.name}-{dataset.spec.name}") as folder:
            folder.write_info(_info(plan, dataset, engine, seconds))
            lead(plan, _settings(plan), dataset, engine, folder.path, seconds=seconds)
            Session(plan, dataset, engine, folder, callbacks, seconds).run()
            return Run(folder.path)


def _resume(
    path: Path,
    variant: str | None,
    out: str | Path | None,
    data_dir: str | Path | None,
    values: dict[str, Any],
    texts: dict[str, str],
    seconds: float | None,
    callbacks: Sequence[Callback],
    ranks: Alone,
) -> Run:
    if out is not None:
        raise SettingError("--out and --resume exclude each other: a resumed run stays in its folder")
    with RunFolder.resume(path) as folder, _global_random_state_kept():
        info = folder.read_info()
        if variant not in (None, info["variant"]):
            raise SettingError(f"{path} is a run of {info['variant']}, not of {variant}")
        info |= {"settings": stored_settings(info)}
        plan = _resumed_plan(path, info, values, texts)
        step, tensors = _last_state(folder)
        steps = plan.variant.config.steps
        if steps < step:
            raise SettingError(f"steps must be at least {step}, where {path} stands, but is {steps}")
        if steps == step or (info["settings"]["steps"] == step and (seconds or math.inf) <= info.get("seconds", 0)):
            lead_nowhere(ranks, path)
            return Run(path)
        if seconds is None and not {"steps"} & (values.keys() | texts.keys()):
            seconds = info.get("seconds")
        dataset = load_data(plan, data_dir, ranks)
        _check_same_data(path, info, dataset, texts)
        engine = Engine(plan.variant, dataset, plan.run, ranks)
        if step:
            engine.restore(step, tensors, folder.checkpoint)
        folder.truncate_records(step)
        _note_changes(folder, info, _info(plan, dataset, engine, seconds), step)
        lead(plan, _settings(plan), dataset, engine, folder.path, seconds=seconds)
        Session(plan, dataset, engine, folder, callbacks, seconds).run()
        return Run(folder.path)


def _check_seconds(seconds: float, epochs: int | None) -> None:
    if epochs is not None:
        raise SettingError("epochs and seconds exclude each other; give one of them")
    if not 0 < seconds < math.inf:
        raise SettingError(f"seconds must be above 0 and finite, but is {seconds}")


def _resumed_plan(path: Path, info: dict[str, Any], values: dict[str, Any], texts: dict[str, str]) -> Plan:
    """What the run was begun with, steps and what `texts` name aside. Raises `SettingError` for other differences."""
    stored = info["settings"]
    _check_fits(path, info)
    asked = _settings(resolve(info["variant"], stored | values))
    if shown := _shown(stored, {key: asked[key] for key in values if key != "steps"}):
        raise SettingError(f"{path} was begun with other settings: {shown}; to change one knowingly, name it in --set")
    return resolve(info["variant"], stored | values, texts)


def _check_fits(path: Path, info: dict[str, Any]) -> None:
    """Raise `PluginError` without the run's variant, `FileError` where the one installed here has other settings."""
    name = info["variant"]
    _, plugin = installed(name, info["package"], f"{path} is a run")
    try:
        resolve(name, info["settings"])
    except (UnknownNameError, SettingError) as error:
        raise FileError(f"{path} does not fit the installed {name}: {error}; {origin(info, plugin)}") from error


def _check_same_data(path: Path, info: dict[str, Any], dataset: Dataset, texts: dict[str, str]) -> None:
    """Raise `SettingError` where a run would go on with other samples, unless `texts` name the data anew."""
    if shown := _shown(info["data"], dataset.spec.to_dict()):
        raise SettingError(f"{path} was begun on other data: {shown}; bring back what was there, or begin a new run")
    now = {"data_size": len(dataset), "data_digest": dataset.digest}
    then = {key: info.get(key, value) for key, value in now.items()}  # ganzoo has not always written the digest
    shown = _shown(then, now)
    if shown and "data" not in texts:
        raise SettingError(
            f"{path} was begun on other samples of {dataset.spec.name}: {shown}; bring back what was there, or name "
            f"the data in --set to go on with other samples knowingly"
        )


def _shown(old: dict[str, Any], new: dict[str, Any]) -> str:
    """What differs, in words; nothing where nothing does."""
    pairs = [(key, old.get(key), value) for key, value in new.items() if old.get(key) != value]
    return ", ".join(f"{key} was {shorten(repr(a))} and would be {shorten(repr(b))}" for key, a, b in pairs)


def _last_state(folder: RunFolder) -> tuple[int, dict[str, torch.Tensor]]:
    """The last checkpoint's step and tensors; step 0 and nothing for a run that was killed before its first one."""
    if not folder.checkpoint.exists() and not folder.records():
        return 0, {}
    header, tensors = checkpoint.load(folder.checkpoint, "checkpoint")
    checkpoint.check_fields(folder.checkpoint, header, {"step": int})
    return header["step"], tensors


def _note_changes(folder: RunFolder, old: dict[str, Any], new: dict[str, Any], step: int) -> None:
    """Let run.json tell of the run as it goes on, and from which step on what differs: settings, versions, machine."""
    change = {key: _difference(old.get(key), new[key]) for key in new if old.get(key) != new[key]}
    if change:
        folder.write_info(new | {"changes": [*old.get("changes", []), {"step": step, **change}]})


def _difference(old: Any, new: Any) -> Any:
    """What is new: of two dictionaries the entries that differ."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {key: value for key, value in new.items() if old.get(key) != value}


def _with_epochs(plan: Plan, epochs: int, size: int) -> Plan:
    """The plan with as many steps as pass the real data through the discriminator `epochs` times."""
    config = plan.variant.config
    return plan.with_steps(math.ceil(epochs * size / (config.batch_size * config.n_critic)))


def _info(plan: Plan, dataset: Dataset, engine: Engine, seconds: float | None) -> dict[str, Any]:
    limit = {} if seconds is None else {"seconds": seconds}
    return limit | {
        "ganzoo": __version__,
        "variant": plan.variant.name,
        "package": plan.plugin.package,
        "package_version": plan.plugin.version,
        "settings": _settings(plan),
        "data": dataset.spec.to_dict(),
        "data_size": len(dataset),
        "data_digest": dataset.digest,
        "data_left_out": dict(itertools.islice(dataset.left_out.items(), _MOST_LEFT_OUT)),
        "data_left_out_count": len(dataset.left_out),
        "parameters": parameter_counts(engine),
        "environment": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "platform": platform.platform(),
            "device": str(engine.device),
            "precision": engine.precision,
            "threads": torch.get_num_threads(),
            "processes": engine.ranks.size,
        },
    }


def _settings(plan: Plan) -> dict[str, Any]:
    """All settings by name; the data set by a name that also a resume from another folder understands."""
    data = plan.run.data if plan.source.path is None else f"{plan.source.name}:{plan.source.path}"
    return plan.settings() | {"data": data}


@contextlib.contextmanager
def _global_random_state_kept() -> Iterator[None]:
    """Training reseeds torch's global generators at each step; give the caller's back at the end."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        yield
