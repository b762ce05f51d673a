"""A process's part in a run: what the loop's events do to the folder and the observers, and what ends it."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

import torch

from ganzoo_core import checkpoint
from ganzoo_core.callbacks import Callback, RunInfo
from ganzoo_core.collapse import CollapseWarning
from ganzoo_core.data import Dataset
from ganzoo_core.engine import Engine, LoopEvents, train_loop
from ganzoo_core.errors import GanzooError, Interrupted, NotFiniteError
from ganzoo_core.files import write_atomically
from ganzoo_core.numerics import located
from ganzoo_core.parallel import told_of_loss
from ganzoo_core.registry import registry
from ganzoo_core.report.animation import snapshots_gif
from ganzoo_core.report.losses import loss_picture
from ganzoo_core.report.words import duration
from ganzoo_core.run_folder import RunFolder
from ganzoo_core.run_report import elapsed_s, write_report
from ganzoo_core.run_settings import Plan
from ganzoo_core.samples import Samples, default_count
from ganzoo_core.trained import export, generate


class _Part:
    """What every process of a run does: train until the last step, or until one of them is told to stop."""

    def __init__(self, plan: Plan, engine: Engine, seconds: float | None, spent_s: float) -> None:
        self.plan, self.engine = plan, engine
        self.total_steps = plan.variant.config.steps
        self.seconds, self.spent_s = seconds, spent_s
        self.signal: signal.Signals | None = None
        self._received = 0
        self._launcher = os.getppid()

    def is_stopped(self) -> bool:
        """Whether a signal asked the run to end: one that any process received, so that all end at the same step.

        Of several processes nobody else would end those whose launcher was killed.
        """
        if self.engine.ranks.size > 1 and os.getppid() != self._launcher:
            self._received = self._received or signal.SIGTERM
        if number := self.engine.ranks.lately("signal", self._received):
            self.signal = signal.Signals(number)
        return self.signal is not None

    def is_time_up(self, trained_s: float) -> bool:
        """Whether the seconds of this process and of those before it are all that the run has."""
        if self.seconds is None or not self.engine.ranks.lately("time", self.spent_s + trained_s >= self.seconds):
            return False
        self.total_steps = self.engine.step + 1
        return True

    def train(self, record: Callable[..., None], snapshot: Callable[..., None], save: Callable[[], None]) -> None:
        """Train, and call these for a line of metrics, a picture, a checkpoint."""
        events = LoopEvents(record, snapshot, save, self.is_stopped, self.is_time_up)
        with self._signals_caught(), told_of_loss():
            train_loop(self.engine, self.plan.run, self.total_steps, events)
            self.engine.ranks.settle()

    @contextlib.contextmanager
    def _signals_caught(self) -> Iterator[None]:
        """The first SIGINT, SIGTERM or SIGHUP asks the loop to stop; a second one ends the process as it always does.

        A signal that was to be ignored is: nohup means SIGHUP, a shell's `&` in a script SIGINT.
        """
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may catch signals
            return

        def stop(number: int, frame: FrameType | None) -> None:
            self._received = number
            signal.signal(number, signal.SIG_DFL)

        caught = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
        handled = [number for number in caught if signal.getsignal(number) is not signal.SIG_IGN]
        previous = {number: signal.signal(number, stop) for number in handled}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


class Follower(_Part):
    """Every process of a run but the first: it trains, and leaves telling and writing to that one."""

    def __init__(self, plan: Plan, engine: Engine, seconds: float | None) -> None:
        super().__init__(plan, engine, seconds, -math.inf)  # the first one's clock counts

    def run(self) -> None:
        """Train to the end. Raises as `Session.run`."""
        self.train(lambda record: None, lambda step: None, lambda: None)
        if self.engine.step < self.total_steps:
            raise Interrupted(f"stopped at step {self.engine.step}; the first process has saved all")


class Session(_Part):
    """One process's part of a run: what the loop's events do."""

    def __init__(
        self,
        plan: Plan,
        dataset: Dataset,
        engine: Engine,
        folder: RunFolder,
        callbacks: Sequence[Callback],
        seconds: float | None = None,
    ) -> None:
        spent_s = 0.0 if seconds is None else elapsed_s(folder.records(), plan.variant.config.batch_size)
        super().__init__(plan, engine, seconds, spent_s)
        self.dataset, self.folder = dataset, folder
        self.info = RunInfo(
            folder=folder.path,
            variant=plan.variant.name,
            data=dataset.spec,
            settings=plan.settings(),
            device=str(engine.device),
            parameters=parameter_counts(engine),
            first_step=engine.step,
            total_steps=plan.variant.config.steps,
        )
        self.callbacks = [*callbacks, CollapseWarning(), *registry().callbacks(self.info)]
        self.saved_step = engine.step

    def run(self) -> None:
        """Train to the end. Raises `Interrupted` where a signal came first, `TrainingError` where numbers fail."""
        if self.engine.step == 0:
            self.save()  # so that a run killed in its first seconds resumes too
        self.tell("on_start", self.info)
        try:
            self.train(self.record, self.snapshot, self.save)
        except NotFiniteError as error:
            if self.engine.ranks.size > 1:
                raise  # the others are not here to train again with
            raise located(error, self.engine, self.folder.checkpoint, self.is_stopped) from error
        finally:
            self.tell("on_end", self.engine.step)
        if self.engine.step < self.total_steps:
            self.draw()
            assert self.signal is not None
            end = f"{self.total_steps}" if self.seconds is None else f"as many as {duration(self.seconds)} allow"
            raise Interrupted(
                f"stopped by {self.signal.name} at step {self.engine.step} of {end}, all saved; "
                f"go on with: ganzoo run --resume {self.folder.path}"
            )

    def record(self, record: dict[str, float]) -> None:
        record = {name: value + 0 for name, value in record.items()}  # which makes 0 of -0.0
        self.folder.append_record(record)
        self.tell("on_log", record)

    def snapshot(self, step: int) -> None:
        """Draw the run's fixed latents, and labels, as they are after `step` steps."""
        variant, spec = self.plan.variant, self.dataset.spec
        n = default_count(spec, variant.conditional)
        labels = torch.arange(n) % spec.num_classes if variant.conditional else None
        values = generate(self.engine.sampler, n, labels, self.plan.run.seed, self.engine.device)
        real = None if spec.has_pixels else self.dataset.samples[:2000].cpu()
        path = self.folder.sample(step)
        self.folder.check_still_ours()
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
        """Write the result, then the checkpoint, each in one piece.

        The checkpoint comes last: what it says is done is on the disk, so that a finished run has all its files.
        """
        tensors = self.engine.state()
        self.folder.check_still_ours()
        if self.engine.step == self.total_steps:
            self._settle_steps()
        self.folder.sync_records()
        export(
            self.folder.generator,
            self.engine.sampler,
            self.plan.plugin,
            self.plan.variant,
            self.dataset.spec,
            self.engine.step,
        )
        try:
            if self.engine.step == self.total_steps:
                self.draw()
        finally:
            if self.saved_step != self.engine.step:
                self.folder.keep_checkpoint(self.saved_step, self.plan.run.keep)
            checkpoint.save(self.folder.checkpoint, "checkpoint", {"step": self.engine.step}, tensors)
            self.saved_step = self.engine.step

    def _settle_steps(self) -> None:
        """Where the time has set the number of steps, write it down: as many steps give the same run again."""
        if self.plan.variant.config.steps != self.total_steps:
            self.plan = self.plan.with_steps(self.total_steps)
            info = self.folder.read_info()
            self.folder.write_info(info | {"settings": info["settings"] | {"steps": self.total_steps}})

    def draw(self) -> None:
        """Draw what shows the run as a whole."""
        loss_picture(self.folder.records(), self.folder.path / "loss.png")
        if snapshots := self.folder.snapshots():
            write_atomically(self.folder.path / "samples.gif", snapshots_gif(snapshots))
        self.report()

    def report(self) -> None:
        """Write the run's page. The result is on the disk by now: what goes wrong here is a warning."""
        try:
            write_report(self.folder.path)
        except Exception as error:  # noqa: BLE001 - a plugin's own, when the page asks it for samples
            logging.getLogger("ganzoo").warning(
                "report.html was not written: %s: %s; try again with: ganzoo report %s",
                type(error).__name__,
                error,
                self.folder.path,
            )


def parameter_counts(engine: Engine) -> dict[str, int]:
    """How many parameters each network has, those without any left out."""
    counts = {name: sum(p.numel() for p in m.parameters()) for name, m in engine.networks._asdict().items()}
    return {name: count for name, count in counts.items() if count}
