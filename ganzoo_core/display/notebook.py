"""How runs show themselves in a notebook: progress during training, the run and its report afterwards."""

from __future__ import annotations

import base64
import html
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganzoo_core.callbacks import Callback, RunInfo
from ganzoo_core.display.progress import RunProgress, figures, stretched
from ganzoo_core.drawing.gifs import MOST_FILE_BYTES
from ganzoo_core.drawing.words import duration, figure, metric_title
from ganzoo_core.report.page import render
from ganzoo_core.runs.records import accuracy_of, losses_of
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.storage.files import read_bounded

_UPDATE_EVERY_S = 0.5
_POINTS = 100  # of a curve


def in_notebook() -> bool:
    """Whether this process is a notebook's: IPython is running, and behind it a kernel, no terminal."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


class NotebookProgress(Callback):
    """Shows a run below the cell that trains it: a bar, both losses, D's balance, the last samples."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._progress: RunProgress | None = None
        self._shown_s = 0.0
        self._figures: Any = None
        self._samples: Any = None

    def on_start(self, run: RunInfo) -> None:
        """Show the bar."""
        from IPython.display import HTML, display

        self._progress, self._shown_s = RunProgress(run, self._clock), self._clock()
        self._figures = display(HTML(progress_html(self._progress)), display_id=True)

    def on_log(self, record: dict[str, float]) -> None:
        """Show the figures, a few times a second at most."""
        assert self._progress is not None
        self._progress.add(record)
        if self._clock() - self._shown_s >= _UPDATE_EVERY_S:
            self._show()

    def on_snapshot(self, step: int, samples: Any, picture: Path) -> None:
        """Show the samples in the place of the last ones."""
        from IPython.display import Image, display

        image = Image(data=picture.read_bytes(), format="png")
        if self._samples is None:
            self._samples = display(image, display_id=True)
        else:
            self._samples.update(image)

    def on_end(self, step: int) -> None:
        """Show the last figures."""
        self._show()

    def _show(self) -> None:
        from IPython.display import HTML

        assert self._progress is not None
        self._shown_s = self._clock()
        self._figures.update(HTML(progress_html(self._progress)))


def progress_html(progress: RunProgress) -> str:
    """A run in progress, as an HTML fragment."""
    record = progress.record
    curves = [
        (f"{player[0].upper()} loss", figure(loss), _points(progress.losses[player].means, None))
        for player, loss in losses_of(record).items()
    ]
    if (share := accuracy_of(record)) is not None:
        curves.append(("D right", f"{share:.0%}", _points(progress.accuracy.means, (0.0, 1.0))))
    if progress.metric is not None and progress.judged.means:
        value = figure(record[progress.metric])
        curves.append((metric_title(progress.metric), value, _points(progress.judged.means, None)))
    rate = record.get("samples_per_s")
    times = [None if rate is None else f"{rate:,.0f} samples/s", duration(progress.elapsed_s)]
    times.append(None if progress.left_s is None else f"{duration(progress.left_s)} left")
    times.append(progress.judged_words)
    return render("progress.html", progress=progress, curves=curves, times=list(filter(None, times))).decode()


def run_html(folder: RunFolder) -> str:
    """A run on disk, as an HTML fragment. Raises `FileError` if there is none."""
    info, records, snapshots = folder.metadata(), folder.records(), folder.snapshots()
    last: dict[str, float] = {}
    for record in records[-20:]:
        last |= record
    picture = read_bounded(snapshots[-1][1], MOST_FILE_BYTES) if snapshots else None
    return render(
        "run_card.html",
        info=info,
        folder=folder.path,
        step=int(last.get("step", 0)),
        figures=figures(last, info.settings.get("metric")),
        uri=None if picture is None else f"data:image/png;base64,{base64.b64encode(picture).decode()}",
    ).decode()


def page_html(page: str) -> str:
    """A whole page inside a notebook's, apart from it: its scripts run, but see nothing of the notebook."""
    style = "width:100%;height:48rem;border:0"
    return f'<iframe srcdoc="{html.escape(page)}" sandbox="allow-scripts" style="{style}" title="report"></iframe>'


def _points(values: list[float], span: tuple[float, float] | None) -> str:
    """The points of an SVG polyline within 100 x 20, from the lowest value to the highest, or within `span`."""
    points = stretched(values, _POINTS)
    low, high = span or (min(points), max(points))
    scale = 18 / (high - low) if high > low else 0.0
    across = 100 / max(1, len(points) - 1)
    return " ".join(f"{i * across:.1f},{19 - (point - low) * scale:.1f}" for i, point in enumerate(points))
