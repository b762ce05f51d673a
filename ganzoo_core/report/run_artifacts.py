"""The files that show a run as a whole: its loss chart, its animated snapshots, its page."""

from __future__ import annotations

import logging

from ganzoo_core.callbacks import Callback, RunInfo
from ganzoo_core.drawing.gifs import gif_bytes, snapshot_frames
from ganzoo_core.drawing.loss_chart import loss_picture
from ganzoo_core.report.run_page import write_report
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.storage.files import write_atomically
from ganzoo_core.storage.names import shell_word


class RunArtifacts(Callback):
    """Writes loss.png, samples.gif and report.html of a run that ends, or is stopped by a signal."""

    def __init__(self) -> None:
        self.saved_step: int | None = None

    def on_start(self, run: RunInfo) -> None:
        """Note the run's folder."""
        self.folder = RunFolder(run.folder)

    def on_save(self, step: int, is_last: bool) -> None:
        """Draw a finished run before its last checkpoint marks it as finished."""
        self.saved_step = None if is_last else step
        if is_last:
            self._draw()

    def on_end(self, step: int) -> None:
        """Draw a run that was stopped, unless an error ended it after its last save."""
        if self.saved_step == step:
            self._draw()

    def _draw(self) -> None:
        """Write all three. The weights are on the disk by now, so that a page that fails is a warning."""
        loss_picture(self.folder.records(), self.folder.path / "loss.png")
        if snapshots := self.folder.snapshots():
            write_atomically(self.folder.path / "samples.gif", gif_bytes(snapshot_frames(snapshots)))
        try:
            write_report(self.folder.path)
        except Exception as error:  # noqa: BLE001 - a plugin's own, when the page asks it for samples
            logging.getLogger("ganzoo").warning(
                "report.html was not written: %s: %s; try again with: ganzoo report %s",
                type(error).__name__, error, shell_word(self.folder.path),
            )  # fmt: skip
