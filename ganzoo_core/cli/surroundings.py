"""What surrounds a command: streams that are closed, and the signals that end it. Nothing of a run yet."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

import click

from ganzoo_core.guards.faults import Ended

_STREAMS = {0: ("stdin", "r"), 1: ("stdout", "w"), 2: ("stderr", "w")}


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Inside, the first SIGTERM or SIGHUP raises `Ended`; a second one ends the process at once.

    An ignored signal stays ignored, as under nohup.
    """

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Ended(signal.Signals(number).name)

    names = [name for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    numbers = [signal.Signals[name] for name in names]
    ours = threading.current_thread() is threading.main_thread()
    previous = {n: signal.signal(n, end) for n in numbers if ours and signal.getsignal(n) is signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def check_working_folder() -> None:
    """Raise `ClickException` where the folder that the user stands in is gone: torch ends the process over it."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise click.ClickException("the folder that you stand in was deleted; go to another one first: cd") from None


def open_closed_streams() -> None:
    """Give each standard stream that is closed, as under cron or pythonw, the null device.

    Its number would go to the next file that is opened, and messages would be written into that one; and code that
    asks None whether it is a terminal would end a run that is whole. A terminal without Unicode shows "?".
    """
    for number, (name, mode) in _STREAMS.items():
        if getattr(sys, name) is None:
            with contextlib.suppress(OSError):
                _occupy(number)
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - lasts as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _occupy(number: int) -> None:
    """Let a number of the system's that is free mean the null device."""
    try:
        os.fstat(number)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, number)
        if null == number:
            os.set_inheritable(number, True)
        else:
            os.close(null)
