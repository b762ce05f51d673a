"""A process that does the jobs of a sweep: `python -m ganzoo_tools.comparison.worker [SCRATCH]`, started by `Worker`.

A job is a line of JSON on standard input, its outcome one on standard output.
"""

from __future__ import annotations

import _thread
import json
import os
import queue
import shutil
import signal
import sys
import threading
from typing import TextIO

from ganzoo_core.errors import GanzooError, Interrupted


def main() -> None:
    """Do jobs until standard input ends; then save what is being trained, and end."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell has it ignored
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no reply
    jobs: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    try:
        try:
            for text in iter(jobs.get, None):
                _answer(text, replies)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # what `_listen` sends may come late
    except (Interrupted, KeyboardInterrupt, BrokenPipeError):
        pass  # all is saved
    finally:
        for scratch in sys.argv[1:]:
            shutil.rmtree(scratch, ignore_errors=True)


def _listen(jobs: queue.SimpleQueue[str | None]) -> None:
    """Hand on what comes. At the end, interrupt what is going on, as Ctrl-C does."""
    for line in sys.stdin:
        jobs.put(line)
    jobs.put(None)
    _thread.interrupt_main(signal.SIGINT)


def _answer(text: str, replies: TextIO) -> None:
    from ganzoo_tools.comparison.job import Job, attempted

    outcome: dict[str, str | None] = {"failed": None, "error": None}
    try:
        outcome["failed"] = attempted(Job.from_json(text))
    except Interrupted:
        raise
    except GanzooError as error:
        outcome["error"] = str(error)
    except Exception as error:  # noqa: BLE001 - the sweep ends by it, and says so
        outcome["error"] = f"{type(error).__name__}: {error}"
    print(json.dumps(outcome), file=replies, flush=True)


if __name__ == "__main__":
    main()
