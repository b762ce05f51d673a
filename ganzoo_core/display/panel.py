"""A run's panel in the terminal: its progress, both losses, D's accuracy, the last samples."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import ROUNDED
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from ganzoo_core.display.progress import MovingHistory, RunProgress, sparkline
from ganzoo_core.drawing.words import duration, figure, metric_title
from ganzoo_core.errors import FileError
from ganzoo_core.runs.records import accuracy_of, losses_of
from ganzoo_core.storage.names import one_line

if TYPE_CHECKING:
    from ganzoo_core.display.gallery import Gallery

BESIDE = 96  # from this width on, the samples stand beside the figures
FIGURES_WIDTH = 46
MOST_ROWS, LEAST_ROWS = 20, 4  # of samples, in characters
_FRAME_WIDTH, _FRAME_HEIGHT = 4, 2


class RunPanel:
    """A rich renderable of a run's progress. `size` is the width and height, in characters, that it was last drawn in.

    It draws what was logged and drawn already, so that the training loop never waits for it.
    """

    def __init__(self, progress: RunProgress, conditional: bool) -> None:
        self.progress = progress
        self.size = (0, 0)
        self._conditional = conditional
        self._gallery: Gallery | None = None
        self._picture: tuple[tuple[Gallery, int, int], RenderableType | None] | None = None

    def show(self, picture: Path | None) -> None:
        """Show the samples in this picture of the run from now on, or none."""
        from ganzoo_core.display.gallery import read_gallery

        self._gallery = None
        if picture is not None:
            with contextlib.suppress(FileError):  # somebody removed it: the figures are shown without
                self._gallery = read_gallery(picture, self.progress.run.data, self._conditional)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, room = options.max_width - _FRAME_WIDTH, options.size.height - _FRAME_HEIGHT - 1
        figures = self._figures()
        body: RenderableType
        if width >= BESIDE:
            body = Table.grid(padding=(0, 3, 0, 0))
            body.add_column(width=FIGURES_WIDTH)
            body.add_row(Group(*figures), self._drawn(console, options, width - FIGURES_WIDTH - 3, room) or "")
        else:
            picture = self._drawn(console, options, width, room - len(figures) - 1)
            body = Group(*figures, *(["", picture] if picture else []))
        run = self.progress.run
        title = Text(f"{run.variant} on {one_line(run.data.name)}")
        panel = Panel(body, title=title, title_align="left", box=ROUNDED, border_style="dim")
        lines = console.render_lines(panel, options.update(height=None), pad=False)
        self.size = options.max_width, len(lines)
        yield Segments(segment for line in lines for segment in (*line, Segment.line()))

    def _figures(self) -> list[RenderableType]:
        """What stands in a line each."""
        progress = self.progress
        bar = ProgressBar(total=1.0, completed=progress.share, complete_style="cyan", finished_style="cyan")
        lines = [_line("", bar, progress.reached)]
        for player, loss in losses_of(progress.record).items():
            lines.append(_line(f"{player[0].upper()} loss", Sparkline(progress.losses[player]), figure(loss)))
        if (share := accuracy_of(progress.record)) is not None:
            lines.append(_line("D right", Sparkline(progress.accuracy, (0.0, 1.0)), f"{share:.0%}"))
        if progress.metric is not None and progress.judged.means:
            value = figure(progress.record[progress.metric])
            lines.append(_line(metric_title(progress.metric), Sparkline(progress.judged), value))
        return [*lines, Text("  ".join(self._speed()), no_wrap=True, overflow="ellipsis")]

    def _speed(self) -> Iterator[str]:
        progress = self.progress
        if progress.record.get("samples_per_s") is not None:
            yield f"{progress.record['samples_per_s']:,.0f} samples/s"
        yield duration(progress.elapsed_s)
        if progress.left_s is not None:
            yield f"{duration(progress.left_s)} left"
        if progress.judged_words is not None:
            yield progress.judged_words

    def _drawn(self, console: Console, options: ConsoleOptions, width: int, rows: int) -> RenderableType | None:
        """The samples within so many characters, drawn anew only where they or the room have changed."""
        gallery, rows = self._gallery, min(rows, MOST_ROWS)
        if gallery is None or rows < LEAST_ROWS:
            return None
        key = gallery, width, rows
        if self._picture is None or self._picture[0] != key:
            picture = gallery.drawn(console, width, rows)
            if picture is not None:
                lines = console.render_lines(picture, options.update(width=width, height=None), pad=False)
                picture = Segments([segment for line in lines for segment in (*line, Segment.line())])
            self._picture = key, picture
        return self._picture[1]


class Sparkline:
    """A number's history as a line of characters, as wide as there is room."""

    def __init__(self, history: MovingHistory, span: tuple[float, float] | None = None) -> None:
        self.history, self.span = history, span

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = sparkline(self.history.means, options.max_width, self.span, ascii_only=options.ascii_only)
        yield Text(line, "cyan", no_wrap=True)


def _line(name: str, curve: RenderableType, value: str) -> RenderableType:
    """A name, what is as wide as there is room, and a value, in columns that all lines share."""
    table = Table.grid(expand=True, padding=(0, 1, 0, 0))
    if name:
        table.add_column(no_wrap=True, width=len("D right"), overflow="ellipsis")
    table.add_column(ratio=1)
    table.add_column(no_wrap=True, justify="right", min_width=8)
    table.add_row(*([name] if name else []), curve, value)
    return table
