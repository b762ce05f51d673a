"""What `ganzoo run` shows while it trains: a live bar on a terminal, plain lines in a pipe. All on stderr.

And the bar of `ganzoo sample`, on a terminal alone.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo_core.callbacks import Callback, RunInfo
from ganzoo_core.cli._output import new_console, note, on_terminal, shape_text
from ganzoo_core.report.words import duration
from ganzoo_core.text import one_line, visible

if TYPE_CHECKING:
    from rich.live import Live
    from rich.progress import Progress as Bar

_LINE_EVERY_S = 5.0


class Progress(Callback):
    """Shows a run from its header to its last step, and keeps what the closing words need.

    `run` is None until the run starts; `picture` is the last sample picture, `record` the last line of metrics.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.run: RunInfo | None = None
        self.record: dict[str, float] = {}
        self.picture: Path | None = None
        self.elapsed_s = 0.0
        self._clock = clock
        self._started_s = self._line_s = 0.0
        self._shown_step = -1
        self._live: Live | None = None
        self._bar: Bar | None = None

    def on_start(self, run: RunInfo) -> None:
        """Show the header, then the bar."""
        self.run = run
        self._started_s = self._line_s = self._clock()
        for line in header(run):
            self._say(line)
        if on_terminal():
            self._start_bar(run)

    def on_log(self, record: dict[str, float]) -> None:
        """Move the bar; in a pipe, print a line where the last one is some seconds old."""
        self.record = self.record | record
        if self._live is not None:
            self._move_bar(self.record)
        elif self._clock() - self._line_s >= _LINE_EVERY_S:
            self._print_line()

    def on_snapshot(self, step: int, picture: Path) -> None:
        """Keep the path of the picture."""
        self.picture = picture

    def on_end(self, step: int) -> None:
        """End the bar, or print the last line."""
        self.elapsed_s = self._clock() - self._started_s
        if self._live is None and self.record and self._shown_step != self.record["step"]:
            self._print_line()
        self.close()

    def close(self) -> None:
        """Give the terminal back; also right after an error, and twice."""
        if self._live is not None:
            self._live.stop()

    def _print_line(self) -> None:
        assert self.run is not None
        self._line_s = self._clock()
        self._shown_step = int(self.record["step"])
        done, left = self._shown_step - self.run.first_step, self.run.total_steps - self._shown_step
        parts = [f"step {self._shown_step:,}/{self.run.total_steps:,}", figures(self.record)]
        if done and left:
            parts.append(f"{duration((self._line_s - self._started_s) / done * left)} left")
        self._say("  ".join(part for part in parts if part))

    def _say(self, line: str) -> None:
        try:
            note(line)
        except OSError:
            self._say = lambda line: None  # type: ignore[method-assign]  # a reader that left must not end the run

    def _start_bar(self, run: RunInfo) -> None:
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(BarColumn(bar_width=None), MofNCompleteColumn(), TimeRemainingColumn(), expand=True)
        self._bar.add_task("", total=run.total_steps, completed=run.first_step)
        self._live = Live(self._bar, console=new_console(stderr=True), refresh_per_second=5)
        self._live.start()

    def _move_bar(self, record: dict[str, float]) -> None:
        from rich.console import Group
        from rich.text import Text

        assert self._live is not None and self._bar is not None
        self._bar.update(self._bar.task_ids[0], completed=record["step"])
        self._live.update(Group(self._bar, Text(figures(record))))


@contextlib.contextmanager
def samples_progress() -> Iterator[Callable[[int, int], None] | None]:
    """What to call with the number of samples made and wanted; None where there is no terminal to show a bar on."""
    if not on_terminal():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = BarColumn(bar_width=None), MofNCompleteColumn(), TimeRemainingColumn()
    with Bar(*columns, expand=True, transient=True, console=new_console(stderr=True)) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def header(run: RunInfo) -> list[str]:
    """What is trained, on what, where, and where it is written."""
    classes = f", {run.data.num_classes} classes" if run.data.classes else ""
    sizes = ", ".join(f"{name} {count:,}" for name, count in run.parameters.items())
    start = f"from step {run.first_step:,} " if run.first_step else ""
    rows = {
        "variant": run.variant,
        "data": f"{run.data.name} ({shape_text(run.data.shape)}{classes})",
        "device": run.device,
        "parameters": sizes,
        "steps": f"{start}to {run.total_steps:,}" if start else f"{run.total_steps:,}",
        "writes to": visible(run.folder),
    }
    return [f"{name:<10}  {one_line(text)}" for name, text in rows.items()]


def figures(record: dict[str, float]) -> str:
    """Both losses, D's mean probability on real and fake, and the speed, as far as the record holds them."""
    losses = [f"{name[0].upper()} {loss:z.3f}" for name, loss in losses_of(record).items()]
    parts = [f"loss {' '.join(losses)}"] if losses else []
    if record.get("d_real") is not None and record.get("d_fake") is not None:
        parts.append(f"D(real) {record['d_real']:.2f} D(fake) {record['d_fake']:.2f}")
    if record.get("samples_per_s") is not None:
        parts.append(f"{record['samples_per_s']:,.0f} samples/s")
    return "  ".join(parts)


def losses_of(record: dict[str, float]) -> dict[str, float]:
    """Each player's loss: the sum of its terms."""
    losses: dict[str, float] = {}
    for key, value in record.items():
        player, slash, _ = key.partition("/")
        if slash:
            losses[player] = losses.get(player, 0.0) + value
    return losses
