"""The training loop: step after step, with log lines, snapshots and checkpoints on the way, and what ends it early.

What a step does is in engine.py.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ganzoo_core.callbacks import Callback, RunInfo
from ganzoo_core.data import Dataset
from ganzoo_core.distributed.processes import lost_process_errors
from ganzoo_core.drawing.pictures import png_bytes
from ganzoo_core.drawing.words import duration
from ganzoo_core.errors import GanzooError, Interrupted, NotFiniteError
from ganzoo_core.guards.faults import is_ctrl_c, said
from ganzoo_core.registry import registry
from ganzoo_core.report.run_artifacts import RunArtifacts
from ganzoo_core.runs import checkpoints
from ganzoo_core.runs.own import run_command
from ganzoo_core.runs.plan import Plan
from ganzoo_core.runs.records import METRIC_S
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.sampling.generator_file import export
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_core.storage.files import write_atomically
from ganzoo_core.storage.names import shell_word
from ganzoo_core.training.collapse_warning import AlikeWarning, CollapseWarning, DivergenceWarning
from ganzoo_core.training.engine import Engine
from ganzoo_core.training.find_nan import find_first_nan
from ganzoo_core.training.look import Look
from ganzoo_core.training.measuring import Judge, Measuring
from ganzoo_core.training.microbatches import Update
from ganzoo_core.training.statistics import OwnStatistics
from ganzoo_core.training.stop_signal import StopSignal

WAIT_S = 0.02  # before a run that waits is asked again


class Trainer:
    """Trains one run in this process. Each of several processes has one; the first has the `folder` and the callbacks.

    With `seconds` the run ends after that much training time, earlier processes included. `examples`: the inputs of
    which snapshots are made, for a generator that takes some. `judge`: what reads the run's metric.
    """

    def __init__(
        self,
        plan: Plan,
        dataset: Dataset,
        engine: Engine,
        folder: RunFolder | None = None,
        callbacks: Sequence[Callback] = (),
        seconds: float | None = None,
        examples: Mapping[str, Tensor] | None = None,
        judge: Judge | None = None,
    ) -> None:
        self.examples = examples or {}
        self.plan, self.dataset, self.engine, self.folder = plan, dataset, engine, folder
        self.total_steps = plan.variant.config.steps
        self.seconds = seconds
        self.stop = StopSignal(engine.processes)
        self.callbacks: list[Callback] = []
        self._earlier_s = -math.inf  # the clock of the first process counts
        self._saved_step = engine.step
        self.statistics = OwnStatistics(engine, plan.run.balance)
        self.measuring: Measuring | None = None
        if folder is not None:
            if judge is not None:
                self.measuring = Measuring(judge, plan.run, folder, engine.step)
            self._earlier_s = 0.0 if seconds is None else folder.trained_seconds()
            self.info = self._run_info(folder)
            self.callbacks = [
                *callbacks, CollapseWarning(), AlikeWarning(), DivergenceWarning(), RunArtifacts(),
                *registry().callbacks(self.info),
            ]  # fmt: skip
        self._look = Look(engine)
        self._is_watched = any(type(callback).on_step is not Callback.on_step for callback in self.callbacks)

    def run(self) -> None:
        """Train to the last step. Raises `Interrupted` after a signal, once all is saved, and `TrainingError`."""
        if self.folder is not None:
            self._notify("on_start", self.info)
        if self.engine.step == 0:
            self._save()  # so that a run killed in its first seconds resumes too
        try:
            with self.stop.caught(), lost_process_errors():
                self._loop()
                self.engine.processes.wait_pending()
        except NotFiniteError as error:
            if self.folder is None or self.engine.processes.size > 1:
                raise  # the other processes are not here to train again with
            raise find_first_nan(error, self.engine, self.folder.checkpoint, self.stop.is_set) from error
        finally:
            self._notify("on_end", self.engine.step)
        if self.engine.step < self.total_steps:
            raise Interrupted(self._stopped())
        if self.measuring is not None:
            self.measuring.tell_end()

    def _loop(self) -> None:
        """Train until the last step, or until told to stop; in both cases a checkpoint is the last thing made."""
        engine, run = self.engine, self.plan.run
        snapshot_steps = run.snapshot_steps(self.total_steps)
        self._started_s = self._logged_s = self._saved_s = time.monotonic()
        self._logged_step = engine.step
        while engine.step < self.total_steps and not self.stop.is_set():
            if self._is_time_up():
                self.total_steps = engine.step + 1
            updates = engine.train_step()
            with self._clock_stopped():
                self._judge()
            if self._is_good_enough():
                self.total_steps = engine.step
            is_last = engine.step == self.total_steps
            if engine.step % run.log_every == 0 or is_last:
                self._log(updates)
            with self._clock_stopped():
                if engine.step in snapshot_steps or is_last:
                    with self._as_it_ends(is_last):
                        self._snapshot()
                if time.monotonic() - self._saved_s >= run.checkpoint_every_s and not is_last:
                    self._save()
                    self._saved_s = time.monotonic()
                if self._is_watched:
                    self._let_look()
        self._save(as_it_ends=True)

    def _let_look(self) -> None:
        """Call the callbacks that look at each step. One may have the run wait, or end."""
        while not self.stop.is_received:
            answers = self._notify("on_step", self.engine.step, self._look)
            if "stop" in answers:
                self.stop.ask()
            if "wait" not in answers:
                break
            time.sleep(WAIT_S)

    def _is_time_up(self) -> bool:
        """Whether the training time is used up; all processes agree."""
        if self.seconds is None:
            return False
        is_up = self._earlier_s + time.monotonic() - self._started_s >= self.seconds
        return bool(self.engine.processes.max_of_last("time", is_up))

    def _is_good_enough(self) -> bool:
        """Whether the metric says that the run may end; all processes agree, several of them a step later."""
        if self.plan.run.until is None and self.plan.run.patience is None:
            return False
        is_done = self.measuring is not None and self.measuring.done is not None
        return bool(self.engine.processes.max_of_last("metric", is_done))

    def _as_it_ends(self, is_last: bool) -> contextlib.AbstractContextManager[None]:
        """The generator as it is at the end: taking its statistics would make each checkpoint last for many steps."""
        return self.statistics.given() if is_last else contextlib.nullcontext()

    @contextlib.contextmanager
    def _clock_stopped(self) -> Iterator[None]:
        """What is done inside takes no training time."""
        paused_s = time.monotonic()
        yield
        idle_s = time.monotonic() - paused_s
        self._started_s, self._logged_s = self._started_s + idle_s, self._logged_s + idle_s

    def _log(self, updates: dict[str, Update]) -> None:
        """Read the numbers of this step, of all processes, and write them down with the speed since the last time."""
        record = self.engine.measure(updates)
        now_s, step = time.monotonic(), self.engine.step
        rate = (step - self._logged_step) * self.engine.order.batch_size / max(now_s - self._logged_s, 1e-9)
        self._logged_s, self._logged_step = now_s, step
        self._write_record(record | {"samples_per_s": round(rate, 1)})

    def _write_record(self, record: dict[str, float]) -> None:
        """Append a line to metrics.jsonl, and call the callbacks for it."""
        if self.folder is not None:
            record = {name: value + 0 for name, value in record.items()}  # which makes 0 of -0.0
            self.folder.append_record(record)
            self._notify("on_log", record)

    def _judge(self) -> None:
        """Read the run's metric where it is time to, and keep the generator that was the best so far."""
        measuring, folder, step = self.measuring, self.folder, self.engine.step
        began_s = time.monotonic()
        trained_s = began_s - self._started_s
        if measuring is None or folder is None:
            return
        if not (step == self.total_steps or measuring.is_due(step, trained_s)):
            return
        with self.statistics.given():
            value = measuring.read(step, self._generator())
            if measuring.best == (step, value):
                folder.check_still_ours()
                self._export(folder.best, {measuring.metric.name: value})
        seconds = time.monotonic() - began_s
        if measuring.best is not None and math.isfinite(value):
            judged = measuring.note(step, value, seconds, trained_s)
            folder.write_metadata(folder.metadata().judged_as(judged, measuring.every))
            self._write_record({"step": step, measuring.metric.name: value, METRIC_S: round(seconds, 3)})

    def _generator(self) -> TrainedGenerator:
        engine, plan, spec = self.engine, self.plan, self.dataset.spec
        return TrainedGenerator(
            engine.sampler, plan.variant, spec, engine.step, engine.device, engine.inputs, self.examples
        )

    def _export(self, path: Path, judged: Mapping[str, float] | None = None) -> None:
        engine, plan = self.engine, self.plan
        spec, phase = self.dataset.spec, engine.stage.name
        export(path, engine.sampler, plan.plugin, plan.variant, spec, engine.step, phase, judged)

    def _snapshot(self) -> None:
        """Draw the samples of the run's fixed latents, labels and inputs, as they are after this step; and measure."""
        if self.folder is None:
            return
        spec, step, generator = self.dataset.spec, self.engine.step, self._generator()
        samples = generator.sample(seed=self.plan.run.seed)
        if not spec.has_pixels:
            samples = replace(samples, real=self.dataset.samples[:2000].cpu())
        path = self.folder.sample(step)
        self.folder.check_still_ours()
        write_atomically(path, png_bytes(samples.picture()))
        self._notify("on_snapshot", step, samples, path)
        exact = self.dataset.exact_metrics
        measured = {} if exact is None else exact(samples.values * spec.scale + spec.offset)
        for metrics in self._notify("measure", step, generator, use=_finite):
            measured |= metrics
        if measured:
            self._write_record({"step": step, **measured})

    def _save(self, *, as_it_ends: bool = False) -> None:
        """Write generator.safetensors, then checkpoint.safetensors, each in one piece.

        The checkpoint comes last: what it says is done is on the disk, so that a finished run has all its files.
        """
        if self.folder is None:
            return
        folder, engine, is_last = self.folder, self.engine, self.engine.step == self.total_steps
        tensors = engine.state()
        folder.check_still_ours()
        if is_last:
            self._note_total_steps(folder)
        folder.sync_records()
        with self._as_it_ends(as_it_ends):
            self._export(folder.generator)
        try:
            self._notify("on_save", engine.step, is_last)
        finally:
            checkpoints.save(folder, engine.step, tensors, last_step=self._saved_step, keep=self.plan.run.keep)
            self._saved_step = engine.step

    def _note_total_steps(self, folder: RunFolder) -> None:
        """Where the time has set the number of steps, write it down: as many steps give the same run again."""
        if self.plan.variant.config.steps != self.total_steps:
            self.plan = self.plan.with_steps(self.total_steps)
            folder.write_metadata(folder.metadata().with_steps(self.total_steps))

    def _notify(self, event: str, *arguments: Any, use: Callable[[Any], Any] = lambda result: result) -> list[Any]:
        """Call every callback and return what `use` makes of the answers.

        One that raises is dropped with a warning, as it must not end a night of training.
        """
        results = []
        for callback in list(self.callbacks):
            try:
                given = _snapshot_arguments(callback, *arguments) if event == "on_snapshot" else arguments
                results.append(use(getattr(callback, event)(*given)))
            except GanzooError:
                raise
            except BaseException as error:  # whatever a stranger's callback raises
                if is_ctrl_c(error):
                    raise
                self.callbacks.remove(callback)
                logging.getLogger("ganzoo").warning(
                    "%s is dropped, as its %s failed: %s", type(callback).__name__, event, said(error),
                )  # fmt: skip
        return results

    def _stopped(self) -> str:
        """What ended the run before its last step, and how to go on."""
        if self.folder is None:
            return f"stopped at step {self.engine.step}; the first process has saved all"
        assert self.stop.signal is not None
        end = f"{self.total_steps}" if self.seconds is None else f"as many as {duration(self.seconds)} allow"
        return (
            f"stopped by {self.stop.signal.name} at step {self.engine.step} of {end}, all saved; "
            f"go on with: {run_command(self.plan.variant.name)} --resume {shell_word(self.folder.path)}"
        )

    def _run_info(self, folder: RunFolder) -> RunInfo:
        return RunInfo(
            folder=folder.path,
            variant=self.plan.variant.name,
            data=self.dataset.spec,
            settings=self.plan.settings(),
            device=str(self.engine.device),
            parameters=self.engine.parameter_counts(),
            first_step=self.engine.step,
            total_steps=self.total_steps,
            seconds_left=None if self.seconds is None else max(0.0, self.seconds - self._earlier_s),
        )


def _finite(metrics: dict[str, float]) -> dict[str, float]:
    """Metrics as JSON can hold them. Raises `TypeError` or the like for what are none."""
    return {str(name): float(value) for name, value in metrics.items() if math.isfinite(value)}


def _snapshot_arguments(callback: Callback, step: int, samples: Any, picture: Path) -> tuple[Any, ...]:
    """What a callback's `on_snapshot` takes: in API 1 it got no samples."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    taken = [p for p in inspect.signature(callback.on_snapshot).parameters.values() if p.kind in positional]
    return (step, picture) if len(taken) == 2 else (step, samples, picture)
