"""Processes that work on files, beside this one: Python's own part of each image, which threads can't share, is then
done on all cores.

Each is a new interpreter that gets functions and arguments through a pipe. Nothing of this process is copied into it,
as a fork would, threads half at work among it; nor does it run the user's script again, as those of `multiprocessing`
do. It ends when its pipe does, however this process ended. Not on Windows, where a pipe can't be handed over so.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

R = TypeVar("R")

_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from ganzoo_folder.workers import serve; serve()"


class Workers:
    """Like a pool of threads, each of which has its work done by a process of its own, and waits for it.

    What is handed over must be importable without PyTorch, which would take longer to import than most folders take.
    """

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count)
        self._mine = threading.local()
        self._started: list[tuple[subprocess.Popen[bytes], Connection]] = []
        self._folder = tempfile.TemporaryDirectory(prefix="ganzoo-", ignore_cleanup_errors=True)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        for process, wire in self._started:
            wire.close()
            process.wait()
        self._folder.cleanup()

    def submit(self, function: Callable[..., R], /, *arguments: Any) -> Future[R]:
        """As `Executor.submit`. What a process can't do any more, as something ended it, is done by this one."""
        return self._threads.submit(self._have_done, function, arguments)

    def _have_done(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        try:
            is_good, result = _asked(self._wire(), function, arguments)
        except (EOFError, OSError):
            return function(*arguments)
        if is_good:
            return result
        raise result

    def _wire(self) -> Connection:
        """To this thread's process, started at its first work."""
        wire: Connection | None = getattr(self._mine, "wire", None)
        if wire is None:
            wire, theirs = multiprocessing.Pipe()
            with theirs:
                fd = theirs.fileno()
                command = [sys.executable, "-P", "-c", _START, json.dumps([*map(str, sys.path)]), str(fd)]
                process = subprocess.Popen(command, pass_fds=[fd], stdin=subprocess.DEVNULL)
            self._mine.wire = wire
            self._started.append((process, wire))
            _asked(wire, _prepare, (Path(self._folder.name) / "large.lock", Image.MAX_IMAGE_PIXELS))
        return wire


def _asked(wire: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    """Whether it was done, and what came back, or its error. Raises `EOFError` and `OSError` if the process ended."""
    wire.send((function, arguments))
    answer: tuple[bool, Any] = wire.recv()
    return answer


def _prepare(lock: Path, most_pixels: int | None) -> None:
    """Take turns with the other processes at large images, and refuse those that the parent refuses."""
    from filelock import FileLock

    from ganzoo_folder import decode

    decode.one_large = FileLock(lock)
    Image.MAX_IMAGE_PIXELS = most_pixels


def serve() -> None:
    """Do what is asked through the pipe, one by one, until that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    warnings.simplefilter("ignore")  # Pillow's, which name no file
    with Connection(int(sys.argv[2])) as wire, contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            function, arguments = wire.recv()
            try:
                answer = True, function(*arguments)
            except Exception as error:  # noqa: BLE001 - raised in the parent
                answer = False, error
            wire.send(answer)
