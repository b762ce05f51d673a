"""Training from Python and from the command line: a plan, an engine, a folder, observers."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ganzoo_core.callbacks import Callback
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.display.notebook import NotebookProgress, in_notebook
from ganzoo_core.distributed.launch import begun_run
from ganzoo_core.distributed.processes import Processes, ProcessGroup, join
from ganzoo_core.distributed.shared_data import load_data
from ganzoo_core.errors import DataError, FileError, SettingError
from ganzoo_core.registry import registry
from ganzoo_core.runs import checkpoints, own
from ganzoo_core.runs.metadata import RunMetadata
from ganzoo_core.runs.plan import Plan, resolve
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.sampling.devices import check_compile, pick_device
from ganzoo_core.sampling.examples import EXAMPLES, choose_examples, read_examples, save_examples
from ganzoo_core.sampling.surroundings import undisturbed
from ganzoo_core.storage.names import one_line, shell_word
from ganzoo_core.training.begin import begin_again, begin_with
from ganzoo_core.training.engine import Engine
from ganzoo_core.training.estimate import Estimate, estimate
from ganzoo_core.training.failures import explained
from ganzoo_core.training.freeze import check_learned
from ganzoo_core.training.handshake import follow, lead, lead_nowhere
from ganzoo_core.training.measuring import find_metric, prepared
from ganzoo_core.training.memory import check_memory
from ganzoo_core.training.no_compiler import leave_compiler_out
from ganzoo_core.training.phases import spans
from ganzoo_core.training.resume import check_phases, held_to_checkpoint, load_again, resumed_plan, same_data
from ganzoo_core.training.run import Run
from ganzoo_core.training.trainer import Trainer
from ganzoo_core.variant import Variant

NO_END = 1_000_000_000  # steps of a run that its seconds end
FEW_SAMPLES = 200


@undisturbed(training=True)
@explained()
def train(
    variant: str | type[Variant] | Variant | None = None,
    *,
    data: Any = None,
    data_dir: str | Path | None = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    start: str | Path | None = None,
    epochs: int | None = None,
    seconds: float | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    watch: bool = False,
    texts: dict[str, str] | None = None,
    **settings: Any,
) -> Run:
    """Train a variant to the end, or resume the run in the folder `resume`.

    `variant`: a name, or a class or an instance of one's own. `data`: a name as `--data` takes it, a DataSource, a
    Dataset, samples (N, C, H, W) or (N, D), a pair (samples, labels), or a data set of torch or of Hugging Face. A
    resume asks for a class or for data of one's own again. `settings` are any of the run's, the variant's or the data
    set's: `steps=20_000, generator_lr=1e-4`; `texts`: settings as unparsed strings, as given to `--set`. On resume only
    these, and `steps`, may differ from the original run. `start`: a run folder, or what else `load` takes, whose
    weights a new run begins with as far as they fit (`training.begin`). `seconds` limits the wall time of training,
    earlier processes included; `steps` then limits it too only if given. `progress` shows the run in a
    notebook; `watch` serves a page on this machine that shows it while it trains, and can pause it. Raises
    `Interrupted` after a signal, once all is saved, and other `GanzooError`s.
    """
    leave_compiler_out()
    name, brought = own.known(variant)
    if data is not None:
        settings["data"], options = own.known_data(data)
        brought |= options
    settings = brought | settings
    processes = join()
    if isinstance(processes, ProcessGroup) and processes.rank:
        return Run(follow(processes, data_dir), own.class_of(variant))
    if watch:
        callbacks = [*_watchers(processes), *callbacks]
    texts = texts or {}
    out, resume = (path and os.path.expanduser(path) for path in (out, resume))
    if resume is None and (begun := begun_run()):
        resume, out = begun, None
    if seconds is not None:
        _check_seconds(seconds, epochs)
        settings = settings if "steps" in texts else {"steps": NO_END} | settings
    if progress and in_notebook():
        callbacks = [*callbacks, NotebookProgress()]
    if resume is not None:
        if start is not None and not begun_run():
            raise SettingError("--from and --resume exclude each other: a resumed run has its own weights")
        path = _resume(Path(resume), name, out, data_dir, settings, texts, seconds, callbacks, processes)
        return Run(path, own.class_of(variant))
    plan, dataset = _planned(name, data_dir, epochs, settings, texts, processes)
    engine = Engine(plan.variant, dataset, plan.run, processes)
    began_with = None if start is None else begin_with(engine, start)
    check_learned(engine.frozen_layers, began_with)
    judge = prepared(engine, dataset, plan.run, data_dir)
    with RunFolder.create(None if out is None else Path(out), f"{plan.variant.name}-{dataset.spec.name}") as folder:
        folder.write_metadata(replace(_metadata(plan, dataset, engine, seconds), began_with=began_with))
        examples = _examples(plan, dataset, engine, folder, data_dir)
        lead(plan, dataset, engine, folder.path, seconds)
        Trainer(plan, dataset, engine, folder, callbacks, seconds, examples, judge).run()
        return Run(folder.path, own.class_of(variant))


@undisturbed(training=True)
@explained()
def dry_run(
    variant: str | type[Variant] | Variant | None,
    *,
    data_dir: str | Path | None = None,
    epochs: int | None = None,
    texts: dict[str, str] | None = None,
    **settings: Any,
) -> Estimate:
    """What a run with these settings would take, by some of its steps; nothing is written. Raises as `train` does."""
    leave_compiler_out()
    name, brought = own.known(variant)
    plan, dataset = _planned(name, data_dir, epochs, brought | settings, texts or {}, join())
    return estimate(plan, dataset)


def _planned(
    name: str | None,
    data_dir: str | Path | None,
    epochs: int | None,
    settings: dict[str, Any],
    texts: dict[str, str],
    processes: Processes,
) -> tuple[Plan, Dataset]:
    """A new run's plan and data, which the memory can hold; what is odd about them is told."""
    if name is None:
        raise SettingError("name a variant to run (`ganzoo list` shows them), or a run to go on with (--resume)")
    plan = resolve(name, settings, texts)
    if plan.run.metric is not None:
        find_metric(plan.run.metric)  # it says so at once where there is none
    check_compile(plan.run.compile, pick_device(plan.run.device))
    dataset = load_data(plan.source, data_dir, processes)
    if epochs is not None:
        plan = _with_epochs(plan, epochs, len(dataset))
    check_memory(plan, dataset, processes)
    _tell_few(dataset)
    _tell_phases(plan, dataset.spec)
    return plan, dataset


def _resume(
    path: Path,
    variant: str | None,
    out: str | Path | None,
    data_dir: str | Path | None,
    values: dict[str, Any],
    texts: dict[str, str],
    seconds: float | None,
    callbacks: Sequence[Callback],
    processes: Processes,
) -> Path:
    if out is not None:
        raise SettingError("--out and --resume exclude each other: a resumed run stays in its folder")
    with RunFolder.resume(path) as folder:
        metadata = folder.metadata()
        if variant not in (None, metadata.variant):
            raise SettingError(f"{path} is a run of {metadata.variant}, not of {variant}")
        if metadata.settings["data"] == own.GIVEN and own.GIVEN not in (values.get("data"), texts.get("data")):
            raise SettingError(
                f"{path} was trained on data that a program gave; give it again: ganzoo.train(resume=..., data=...)"
            )
        plan = resumed_plan(path, metadata, values, texts)
        check_compile(plan.run.compile, pick_device(plan.run.device))
        step, tensors = checkpoints.load_last(folder)
        steps = plan.variant.config.steps
        if steps < step:
            raise SettingError(f"steps must be at least {step}, where {path} stands, but is {steps}")
        check_phases(path, metadata, plan, step)
        if steps == step or (metadata.settings["steps"] == step and (seconds or math.inf) <= (metadata.seconds or 0)):
            lead_nowhere(processes, path)
            return path
        if seconds is None and not {"steps"} & (values.keys() | texts.keys()):
            seconds = metadata.seconds
        dataset = load_again(plan, lambda: load_data(plan.source, data_dir, processes))
        dataset = same_data(path, metadata, plan, dataset, texts)
        with held_to_checkpoint(folder.checkpoint, metadata, plan, dataset.spec, tensors):
            check_memory(plan, dataset, processes)
            engine = Engine(plan.variant, dataset, plan.run, processes)
        if step:
            engine.restore(step, tensors, folder.checkpoint)
            tensors.clear()  # the engine has its own: a run need not hold them twice
        elif metadata.began_with is not None:  # it was stopped before its first checkpoint
            begin_again(engine, metadata.began_with, path)
        judge = prepared(engine, dataset, plan.run, data_dir)
        folder.truncate_records(step)
        folder.write_metadata(metadata.resumed_as(_metadata(plan, dataset, engine, seconds), step))
        examples = _examples(plan, dataset, engine, folder, data_dir)
        lead(plan, dataset, engine, folder.path, seconds)
        Trainer(plan, dataset, engine, folder, callbacks, seconds, examples, judge).run()
        return folder.path


def _watchers(processes: Processes) -> list[Callback]:
    """What shows a run while it trains. Raises `SettingError` where nothing can."""
    if processes.size > 1:
        raise SettingError(f"watch is for a run in one process, as it may pause, but there are {processes.size}")
    return registry().watchers()


def _examples(
    plan: Plan, dataset: Dataset, engine: Engine, folder: RunFolder, data_dir: str | Path | None
) -> dict[str, Tensor]:
    """What snapshots are made of, where the generator takes inputs: kept in the folder, of held-out data if any."""
    if not engine.inputs:
        return {}
    try:
        return read_examples(folder.path / EXAMPLES, engine.inputs, dataset.spec)
    except FileError:  # a run that begins, or whose inputs were cleared away
        try:
            held_out = plan.source.load(data_folder(None if data_dir is None else Path(data_dir)), "test")
        except DataError:
            held_out = dataset
        found = choose_examples(plan.variant, engine.inputs, held_out, plan.run.seed)
        save_examples(folder.path, engine.inputs, found)
        return found


def _tell_few(dataset: Dataset) -> None:
    if len(dataset) < FEW_SAMPLES:
        logging.getLogger("ganzoo").warning(
            "%s has %d samples, which are few: a discriminator soon knows each by heart, and the generator makes "
            "copies. More of them help, or fewer steps; `ganzoo evaluate` tells copies",
            one_line(dataset.spec.name),
            len(dataset),
        )


def _tell_phases(plan: Plan, spec: DataSpec) -> None:
    """Say where the run will end before its last phase begins."""
    variant, steps = plan.variant, plan.variant.config.steps
    for span in spans(variant, spec):
        if span.start >= steps:
            logging.getLogger("ganzoo").warning(
                "the phase %s begins after step %d, and the run ends at step %d: give more --steps, or shorten the "
                "phases before it (`ganzoo show %s`)", span.name, span.start, steps, shell_word(variant.name),
            )  # fmt: skip
            return


def _metadata(plan: Plan, dataset: Dataset, engine: Engine, seconds: float | None) -> RunMetadata:
    counts, processes = engine.parameter_counts(), engine.processes.size
    return RunMetadata.begin(plan, dataset, counts, str(engine.device), engine.precision, processes, seconds)


def _check_seconds(seconds: float, epochs: int | None) -> None:
    if epochs is not None:
        raise SettingError("epochs and seconds exclude each other; give one of them")
    if not 0 < seconds < math.inf:
        raise SettingError(f"seconds must be above 0 and finite, but is {seconds}")


def _with_epochs(plan: Plan, epochs: int, size: int) -> Plan:
    """The plan with as many steps as it takes to pass the real data through the discriminator `epochs` times."""
    config = plan.variant.config
    return plan.with_steps(-(-epochs * size // (config.batch_size * config.n_critic)))  # rounded up, at any size
