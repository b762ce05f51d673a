"""The signals that ask a run to end, seen by all its processes at the same step."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from ganzoo_core.distributed.processes import Processes


class StopSignal:
    """The first SIGINT, SIGTERM, SIGHUP or SIGBREAK that any process of the run received: `signal`, or None."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self.signal: signal.Signals | None = None
        self._received = 0
        self._launcher = os.getppid()

    @property
    def is_received(self) -> bool:
        """Whether this process was asked, whatever the others know."""
        return bool(self._received)

    def ask(self) -> None:
        """Ask the run to end, as Ctrl-C does."""
        self._received = signal.SIGINT

    def is_set(self) -> bool:
        """Whether a signal asked the run to end: agreed by all processes, so that all end at the same step.

        Processes whose launcher was killed have no other way to end.
        """
        if self.processes.size > 1 and os.getppid() != self._launcher:
            self._received = self._received or signal.SIGTERM
        if number := self.processes.max_of_last("signal", self._received):
            self.signal = signal.Signals(number)
        return self.signal is not None

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Inside, the first signal is noted; a second one ends the process as usual.

        An ignored signal stays ignored: SIGHUP under nohup, SIGINT after a shell script's `&`.
        """
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may catch signals
            return

        def note(number: int, frame: FrameType | None) -> None:
            self._received = number
            signal.signal(number, signal.SIG_DFL)

        names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # no system has all: the last is Windows's Ctrl-Break
        wanted = [getattr(signal, name) for name in names if hasattr(signal, name)]
        # One that no Python code set (None) could not be given back.
        handled = [number for number in wanted if signal.getsignal(number) not in (signal.SIG_IGN, None)]
        previous = {number: signal.signal(number, note) for number in handled}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
