"""Training from Python and from the command line: a plan, an engine, a folder, observers."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import platform
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from ganzoo_core import __version__, checkpoint
from ganzoo_core.callbacks import Callback, RunInfo
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.engine import Engine, LoopEvents, train_loop
from ganzoo_core.errors import GanzooError, Interrupted, SettingError
from ganzoo_core.files import write_atomically
from ganzoo_core.registry import registry
from ganzoo_core.report.animation import snapshots_gif
from ganzoo_core.report.losses import loss_picture
from ganzoo_core.run_folder import RunFolder
from ganzoo_core.run_settings import Plan, resolve
from ganzoo_core.samples import Samples
from ganzoo_core.trained import TrainedGenerator, default_count, export, generate, load


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


def train(
    variant: str | None = None,
    *,
    data_dir: str | Path | None = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    epochs: int | None = None,
    callbacks: Sequence[Callback] = (),
    texts: dict[str, str] | None = None,
    **settings: Any,
) -> Run:
    """Train a variant to the end, or go on with the run in the folder `resume`.

    `settings` are any of the run's, the variant's or the data set's: `data="mnist", steps=20_000, generator_lr=1e-4`.
    `texts` are the same unparsed, as `--set` gives them; on a resume only they may change what a run was begun with,
    `steps` aside. Raises `Interrupted` after a signal, when all is saved, and other `GanzooError`s.
    """
    if resume is not None:
        return _resume(Path(resume), variant, out, data_dir, settings, texts or {}, callbacks)
    if variant is None:
        raise SettingError("name a variant to run (`ganzoo list` shows them), or a run to go on with (--resume)")
    plan = resolve(variant, settings, texts)
    dataset = _load_data(plan, data_dir)
    if epochs is not None:
        plan = _with_epochs(plan, epochs, len(dataset))
    with _global_random_state_kept():
        engine = Engine(plan.variant, dataset, plan.run)
        folder = RunFolder.create(None if out is None else Path(out), f"{plan.variant.name}-{dataset.spec.name}")
        folder.write_info(_info(plan, dataset, engine))
        return _Session(plan, dataset, engine, folder, callbacks).run()


def _resume(
    path: Path,
    variant: str | None,
    out: str | Path | None,
    data_dir: str | Path | None,
    values: dict[str, Any],
    texts: dict[str, str],
    callbacks: Sequence[Callback],
) -> Run:
    if out is not None:
        raise SettingError("--out and --resume exclude each other: a resumed run stays in its folder")
    folder = RunFolder.open(path)
    info = folder.read_info()
    if variant not in (None, info["variant"]):
        raise SettingError(f"{path} is a run of {info['variant']}, not of {variant}")
    stored = info["settings"]
    steps = values.pop("steps", stored["steps"])
    changed = {key: value for key, value in values.items() if stored.get(key) != value}
    if changed:
        shown = ", ".join(f"{key} was {stored.get(key)!r} and would be {value!r}" for key, value in changed.items())
        raise SettingError(f"{path} was begun with other settings: {shown}; to change one knowingly, name it in --set")
    plan = resolve(info["variant"], stored | {"steps": steps}, texts)
    header, tensors = checkpoint.load(folder.checkpoint, "checkpoint")
    if header["step"] >= plan.variant.config.steps:
        if plan.variant.config.steps < header["step"]:
            raise SettingError(f"steps must be at least {header['step']}, where {path} stands, but is {steps}")
        return Run(path)
    dataset = _load_data(plan, data_dir)
    if dataset.spec.to_dict() != info["data"]:
        raise SettingError(f"{path} was begun on other data: {info['data']} then, {dataset.spec.to_dict()} now")
    with _global_random_state_kept():
        engine = Engine(plan.variant, dataset, plan.run)
        engine.restore(header["step"], tensors, folder.checkpoint)
        folder.truncate_records(engine.step)
        new = _info(plan, dataset, engine)
        if new["settings"] != stored:
            change = {key: value for key, value in new["settings"].items() if stored.get(key) != value}
            new["changes"] = [*info.get("changes", []), {"step": engine.step, "settings": change}]
            folder.write_info(new)
        return _Session(plan, dataset, engine, folder, callbacks).run()


class _Session:
    """One process's part of a run: what the loop's events do."""

    def __init__(
        self, plan: Plan, dataset: Dataset, engine: Engine, folder: RunFolder, callbacks: Sequence[Callback]
    ) -> None:
        self.plan, self.dataset, self.engine, self.folder = plan, dataset, engine, folder
        self.info = RunInfo(
            folder=folder.path,
            variant=plan.variant.name,
            data=dataset.spec,
            settings=plan.settings(),
            device=str(engine.device),
            parameters=_parameter_counts(engine),
            first_step=engine.step,
            total_steps=plan.variant.config.steps,
        )
        self.callbacks = [*callbacks, *registry().callbacks(self.info)]
        self.signal: signal.Signals | None = None

    def run(self) -> Run:
        if self.engine.step == 0:
            self.save()  # so that a run killed in its first seconds resumes too
        self.tell("on_start", self.info)
        events = LoopEvents(self.record, self.snapshot, self.save, lambda: self.signal is not None)
        try:
            with self._signals_caught():
                train_loop(self.engine, self.plan.run, self.info.total_steps, events)
        finally:
            self.folder.close()
            self.tell("on_end", self.engine.step)
        loss_picture(self.folder.records(), self.folder.path / "loss.png")
        if snapshots := self.folder.snapshots():
            write_atomically(self.folder.path / "samples.gif", snapshots_gif(snapshots))
        if self.signal is not None:
            raise Interrupted(
                f"stopped by {self.signal.name} at step {self.engine.step} of {self.info.total_steps}, all saved; "
                f"go on with: ganzoo run --resume {self.folder.path}"
            )
        return Run(self.folder.path)

    def record(self, record: dict[str, float]) -> None:
        self.folder.append_record(record)
        self.tell("on_log", record)

    def snapshot(self, step: int) -> None:
        """Draw the run's fixed latents, and labels, as they are after `step` steps."""
        variant, spec = self.plan.variant, self.dataset.spec
        n = default_count(spec, variant.conditional)
        labels = torch.arange(n) % spec.num_classes if variant.conditional else None
        values = generate(self.engine.sampler, n, labels, self.plan.run.seed, self.engine.device)
        real = None if spec.kind in ("images", "voxels") else self.dataset.samples[:2000].cpu()
        path = self.folder.sample(step)
        Samples(values, spec, labels, real).save(path)
        self.tell("on_snapshot", step, path)
        if self.dataset.judge is not None:
            self.record({"step": step, **self.dataset.judge(values * spec.scale + spec.offset)})

    def tell(self, event: str, *arguments: Any) -> None:
        """Call every observer; one that raises is dropped with a warning, as it must not end a night of training."""
        for callback in list(self.callbacks):
            try:
                getattr(callback, event)(*arguments)
            except GanzooError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a stranger's callback raises
                self.callbacks.remove(callback)
                logging.getLogger("ganzoo").warning(
                    "%s is dropped, as its %s failed: %s: %s",
                    type(callback).__name__,
                    event,
                    type(error).__name__,
                    error,
                )

    def save(self) -> None:
        """Write the checkpoint, then the generator; each replaces the last one in one piece."""
        checkpoint.save(self.folder.checkpoint, "checkpoint", {"step": self.engine.step}, self.engine.state())
        export(
            self.folder.generator,
            self.engine.sampler,
            self.plan.plugin,
            self.plan.variant,
            self.dataset.spec,
            self.engine.step,
        )

    @contextlib.contextmanager
    def _signals_caught(self) -> Iterator[None]:
        """The first SIGINT or SIGTERM asks the loop to stop; a second one ends the process as it always does."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may catch signals
            return

        def stop(number: int, frame: FrameType | None) -> None:
            self.signal = signal.Signals(number)
            signal.signal(number, signal.SIG_DFL)

        previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def _load_data(plan: Plan, data_dir: str | Path | None) -> Dataset:
    return plan.source.load(data_folder(None if data_dir is None else Path(data_dir)))


def _with_epochs(plan: Plan, epochs: int, size: int) -> Plan:
    """The plan with as many steps as pass the real data through the discriminator `epochs` times."""
    config = plan.variant.config
    steps = math.ceil(epochs * size / (config.batch_size * config.n_critic))
    return dataclasses.replace(plan, variant=type(plan.variant)(dataclasses.replace(config, steps=steps)))


def _parameter_counts(engine: Engine) -> dict[str, int]:
    counts = {name: sum(p.numel() for p in m.parameters()) for name, m in engine.networks._asdict().items()}
    return {name: count for name, count in counts.items() if count}


def _info(plan: Plan, dataset: Dataset, engine: Engine) -> dict[str, Any]:
    return {
        "ganzoo": __version__,
        "variant": plan.variant.name,
        "package": plan.plugin.package,
        "package_version": plan.plugin.version,
        "settings": plan.settings() | {"data": _data_name(plan)},
        "data": dataset.spec.to_dict(),
        "data_size": len(dataset),
        "parameters": _parameter_counts(engine),
        "environment": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "platform": platform.platform(),
            "device": str(engine.device),
            "precision": engine.precision,
            "threads": torch.get_num_threads(),
        },
    }


def _data_name(plan: Plan) -> str:
    """The data set by a name that also a resume from another folder understands."""
    return plan.run.data if plan.source.path is None else f"{plan.source.name}:{plan.source.path}"


@contextlib.contextmanager
def _global_random_state_kept() -> Iterator[None]:
    """Training reseeds torch's global generators at each step; give the caller's back at the end."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        yield
