"""The observer behind `ganzoo run --watch`: it serves the page from the first step to the last."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any, Literal

from ganzoo_core import Callback, RunInfo
from ganzoo_core.cli.output import is_interactive, note
from ganzoo_core.display.notebook import in_notebook
from ganzoo_core.errors import shorten
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.training.look import Look
from ganzoo_tools.serving.door import open_browser, write_door
from ganzoo_tools.watching.plane import Plane
from ganzoo_tools.watching.server import WatchServer
from ganzoo_tools.watching.view import View

_NOTEBOOKS = "http://localhost:* http://127.0.0.1:*"  # where a notebook's page may come from


class Watch(Callback):
    """Serves a page that shows the run, and lets it pause."""

    def __init__(self) -> None:
        self._drawn_step = -1
        self._is_done = False
        self._plane: Plane | None = None

    def on_start(self, run: RunInfo) -> None:
        """Serve the page, and say where."""
        self.view = View(run)
        self.server = WatchServer(self.view)
        threading.Thread(target=self.server.serve_forever, args=(0.1,), name="watch", daemon=True).start()
        self._live = RunFolder(run.folder).live
        write_door(self._live, self.server.url)
        if run.data.kind == "points" and run.data.shape == (2,):
            self._plane = Plane()
        if in_notebook():
            self._show_in_notebook()
        else:
            note(f"watch it   {self.server.url}")
            if is_interactive():
                open_browser(self._live)

    def on_log(self, record: dict[str, float]) -> None:
        """Keep the numbers for the page."""
        self.view.add(record)

    def on_snapshot(self, step: int, samples: Any, picture: Path) -> None:
        """Keep the picture for the page."""
        self.view.snapshots.append((step, picture))
        if self._plane is not None:
            self._plane.show_real(samples.real)

    def on_step(self, step: int, look: Look) -> Literal["wait", "stop"] | None:
        """Draw the plane, where somebody looks and it is due; and do as the page was asked."""
        self.view.boundary = look.boundary
        plane, paused = self._plane, self.view.is_paused
        if plane is not None and self.view.viewers and step != self._drawn_step and (paused or plane.pace.is_due):
            self._draw(plane, step, look, at_once=paused)
        return self.view.answer(step)

    def on_save(self, step: int, is_last: bool) -> None:
        """Note whether the run has come to its end."""
        self._is_done = is_last

    def on_end(self, step: int) -> None:
        """Tell the pages, and serve no more."""
        self.view.end(step, done=self._is_done)
        self._live.unlink(missing_ok=True)
        self.server.shutdown()
        self.server.server_close()

    def _draw(self, plane: Plane, step: int, look: Look, *, at_once: bool) -> None:
        """Draw the plane; one that can't be drawn is left out from now on, as the rest of the page can."""
        try:
            self.view.show(plane.frame(step, look, at_once=at_once))
            self._drawn_step = step
        except Exception as error:  # noqa: BLE001 - a stranger's loss, which may not hang on the samples alone
            self._plane = None
            logging.getLogger("ganzoo").warning(
                "the plane is not shown, as it could not be drawn: %s: %s", type(error).__name__, shorten(error)
            )

    def _show_in_notebook(self) -> None:
        from IPython.display import IFrame, display

        self.server.frames = _NOTEBOOKS
        display(IFrame(self.server.url, width="100%", height=900))
