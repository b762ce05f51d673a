"""What of the process a plugin leaves as it was, and what is said of one whose import does not end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

_SLOW_S = 5.0  # a plugin that takes longer to import is named while it does
_log = logging.getLogger("ganzoo")


def _signal_handlers() -> dict[int, Any]:
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    return {number: signal.getsignal(number) for name in names if (number := getattr(signal, name, None))}


def _set_signal_handlers(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def _working_folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return None


def _go_back(folder: str | None) -> None:
    if folder is not None:
        os.chdir(folder)


# What of the process a plugin's import and its hooks leave as it was: what it is called, how it is read and set.
_KEPT: tuple[tuple[str, Callable[[], Any], Callable[[Any], Any]], ...] = (
    ("the working folder", _working_folder, _go_back),
    ("the signal handlers", _signal_handlers, _set_signal_handlers),
    ("sys.stderr", lambda: sys.stderr, lambda stream: setattr(sys, "stderr", stream)),
    ("the root logger", lambda: list(logging.root.handlers), lambda found: setattr(logging.root, "handlers", found)),
)  # fmt: skip


@contextlib.contextmanager
def process_kept(source: str) -> Iterator[None]:
    """Put back what a plugin changes of the process, with a warning. What it prints goes to stderr.

    stdout is for results, `--json` above all.
    """
    before = [read() for _, read, _ in _KEPT]
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        for (what, read, write), value in zip(_KEPT, before, strict=True):
            if read() != value:
                write(value)
                _log.warning("%s changed %s, which is put back: a plugin leaves the process as it is", source, what)


class SlowImports:
    """Names each plugin whose import takes long, as it may never end: by one thread for all that are imported inside.

    A thread for each would take a fifth of the time that fifty plugins take.
    """

    def __init__(self) -> None:
        self._importing: tuple[str, float] | None = None  # and since when
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> SlowImports:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()

    @contextlib.contextmanager
    def watched(self, source: str) -> Iterator[None]:
        """Import a plugin inside."""
        outer, self._importing = self._importing, (source, time.monotonic())
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        try:
            yield
        finally:
            self._importing = outer

    def _watch(self) -> None:
        wait_s, named = _SLOW_S, None
        while not self._is_over.wait(wait_s):
            wait_s, found = _SLOW_S, self._importing
            if found is None or found == named:
                continue
            source, began_s = found
            left_s = began_s + _SLOW_S - time.monotonic()
            if left_s > 0:
                wait_s = left_s
            else:
                named = found
                _log.warning("still importing %s; Ctrl-C stops it", source)
