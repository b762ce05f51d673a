"""What `ganzoo run` shows while it trains: a live panel on a terminal, plain lines in a pipe. All on stderr.

And the bar of `ganzoo sample`, on a terminal alone.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo_core.callbacks import Callback, RunInfo
from ganzoo_core.cli.output import can_move, new_console, note, shape_text
from ganzoo_core.display.progress import RunProgress, figures
from ganzoo_core.drawing.words import duration
from ganzoo_core.registry import registry
from ganzoo_core.storage.names import one_line, visible

if TYPE_CHECKING:
    from ganzoo_core.display.live_panel import LivePanel

_LINE_EVERY_S = 5.0


class Progress(Callback):
    """Shows a run from its header to its last step, and keeps what the closing message needs.

    `run_progress` is None until the run starts; `picture` is the last sample picture.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.run_progress: RunProgress | None = None
        self.picture: Path | None = None
        self.elapsed_s = 0.0
        self._clock = clock
        self._line_s = 0.0
        self._shown_step = -1
        self._live: LivePanel | None = None

    def on_start(self, run: RunInfo) -> None:
        """Show the header, then the panel."""
        self.run_progress = RunProgress(run, self._clock)
        self._line_s = self._clock()
        for line in header(run):
            note(line)
        if can_move():
            from ganzoo_core.display.live_panel import LivePanel

            self._live = LivePanel(self.run_progress, _is_conditional(run), new_console(stderr=True))
            self._live.start()

    def on_log(self, record: dict[str, float]) -> None:
        """Keep the numbers for the panel; in a pipe, print a line if the last one is some seconds old."""
        assert self.run_progress is not None
        self.run_progress.add(record)
        if self._live is None and self._clock() - self._line_s >= _LINE_EVERY_S:
            self._print_line()

    def on_snapshot(self, step: int, samples: Any, picture: Path) -> None:
        """Keep the path of the picture, and show its samples."""
        self.picture = picture
        if self._live is not None:
            self._live.panel.show(picture)

    def on_end(self, step: int) -> None:
        """End the panel, or print the last line."""
        assert self.run_progress is not None
        self.elapsed_s = self.run_progress.elapsed_s
        if self._live is None and self.run_progress.record and self._shown_step != self.run_progress.step:
            self._print_line()
        self.close()

    def close(self) -> None:
        """Restore the terminal; safe after an error, and twice."""
        if self._live is not None:
            self._live.stop()

    def _print_line(self) -> None:
        assert self.run_progress is not None
        run_progress = self.run_progress
        self._line_s = self._clock()
        self._shown_step = run_progress.step
        parts = [f"step {run_progress.reached}", figures(run_progress.record, run_progress.metric)]
        if run_progress.left_s is not None:
            parts.append(f"{duration(run_progress.left_s)} left")
        note("  ".join(part for part in parts if part))


def _is_conditional(run: RunInfo) -> bool:
    cls, _ = registry().variant(run.variant)
    return cls.conditional


@contextlib.contextmanager
def samples_progress() -> Iterator[Callable[[int, int], None] | None]:
    """A callback for the number of samples made and wanted; None if there is no terminal for a bar."""
    if not can_move():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = BarColumn(bar_width=None), MofNCompleteColumn(), TimeRemainingColumn()
    with Bar(*columns, expand=True, transient=True, console=new_console(stderr=True)) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def header(run: RunInfo) -> list[str]:
    """What is trained, on what, where, and the run folder."""
    classes = f", {run.data.num_classes} classes" if run.data.classes else ""
    sizes = ", ".join(f"{name} {count:,}" for name, count in run.parameters.items())
    start = f"from step {run.first_step:,} " if run.first_step else ""
    rows = {
        "variant": run.variant,
        "data": f"{run.data.name} ({shape_text(run.data.shape)}{classes})",
        "device": run.device,
        "parameters": sizes,
        "steps": start + _end(run) if start else _end(run).removeprefix("to "),
        "writes to": visible(run.folder),
    }
    return [f"{name:<10}  {one_line(text)}" for name, text in rows.items()]


def _end(run: RunInfo) -> str:
    return f"to {run.total_steps:,}" if run.seconds_left is None else f"as many as {duration(run.seconds_left)} allow"
