"""The panel of a run on a terminal, drawn again a few times a second by a thread of its own."""

from __future__ import annotations

import math

from rich.console import Console
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType

from ganzoo_core.display.panel import RunPanel
from ganzoo_core.display.progress import RunProgress

_REFRESHES_PER_S = 2


class LivePanel(Live):
    """A panel that stays in place, also when the terminal is made narrower."""

    def __init__(self, progress: RunProgress, conditional: bool, console: Console) -> None:
        self.panel = RunPanel(progress, conditional)
        super().__init__(self.panel, console=console, refresh_per_second=_REFRESHES_PER_S, vertical_overflow="crop")

    def refresh(self) -> None:
        """Draw the panel in the place of the last one."""
        self._take_in_wrapped_lines()
        super().refresh()

    def stop(self) -> None:
        """Leave the figures, without the samples, and give the terminal back. May be called twice."""
        if self.is_started:
            self.panel.show(None)
        super().stop()

    def _take_in_wrapped_lines(self) -> None:
        """Where the terminal got narrower, it broke the lines of the last panel in two: clear the additional ones."""
        width, height = self.panel.size
        extra = height * (math.ceil(width / max(1, self.console.width)) - 1)
        if extra > 0 and self.console.is_interactive:
            up = ((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)) * extra
            self.console.file.write(str(Control(*up)))
            self.panel.size = (0, 0)
