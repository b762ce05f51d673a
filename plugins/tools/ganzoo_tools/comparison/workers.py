"""Who does the jobs of a sweep: this process, or several on this machine. One that is killed loses nothing."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Protocol

import torch

from ganzoo_core.errors import GanzooError, Interrupted
from ganzoo_tools.comparison.job import Job, attempted

RETRIES = 3  # of a job whose worker was lost
_GRACE_S = 1.5  # for workers to save what they train, before they are killed
_log = logging.getLogger("ganzoo")


class LostWorkerError(Exception):
    """A worker ended before its job did; the text says how."""


class Workers(Protocol):
    """Who does jobs, in any order."""

    def outcomes(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, str | None]]:
        """Each job as it is done, and why its training failed if it did. Raises `GanzooError` for all other errors."""

    def close(self) -> None:
        """End all work; what is trained by then is saved."""


class ThisProcess:
    """Does one job after another here."""

    def outcomes(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, str | None]]:
        """As `Workers` has it."""
        for job in jobs:
            yield job, attempted(job)

    def close(self) -> None:
        """There is nothing to end."""


class Processes:
    """So many processes on this machine, which share its cores."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count)
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._all: list[Worker] = []
        self._threads_each = max(1, torch.get_num_threads() // count)
        self._is_closed = False

    def outcomes(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, str | None]]:
        """As `Workers` has it."""
        futures = {self._threads.submit(self._do, job): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future], future.result()

    def close(self) -> None:
        """As `Workers` has it, within two seconds."""
        self._is_closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        close(self._all)

    def _do(self, job: Job) -> str | None:
        ends: list[str] = []
        while len(ends) <= RETRIES:
            worker = self._free()
            try:
                reason = worker.do(job)
            except LostWorkerError as error:
                if self._is_closed:
                    raise Interrupted("stopped") from error
                ends.append(str(error))
                _log.warning("%s: its worker %s", Path(job.folder).name, error)
                continue
            self._idle.put(worker)
            return reason
        return lost_sentence(ends)

    def _free(self) -> Worker:
        """A worker without a job."""
        with contextlib.suppress(queue.Empty):
            while True:
                if (worker := self._idle.get_nowait()).is_alive:
                    return worker
        worker = Worker({"OMP_NUM_THREADS": str(self._threads_each)})
        self._all.append(worker)
        if self._is_closed:  # meanwhile, so that `close` may not have seen it
            worker.ask_to_end()
        return worker


def lost_sentence(ends: Sequence[str]) -> str:
    """Why a job is given up."""
    return f"{len(ends)} workers were lost over it, and the last one {ends[-1]}; is there enough memory?"


class Worker:
    """A process that does jobs, one at a time. `environment`: variables to set where they are not set yet.

    It ends when its standard input does, also where this process was killed, and saves what it trains before. It then
    removes the folder `scratch`.
    """

    def __init__(self, environment: dict[str, str], scratch: Path | None = None) -> None:
        own_group = {"creationflags": 0x200} if sys.platform == "win32" else {"start_new_session": True}
        arguments = ["-P", "-m", "ganzoo_tools.comparison.worker", *([] if scratch is None else [str(scratch)])]
        self._process = subprocess.Popen(  # in a group of its own: Ctrl-C is for the sweep, which closes its workers
            [sys.executable, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", env=environment | os.environ, **own_group,
        )  # fmt: skip

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def do(self, job: Job) -> str | None:
        """Why the job's training failed; None where it did not.

        Raises `LostWorkerError` where the process ended, `GanzooError` for what the sweep can't go on with.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(job.to_json() + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except (OSError, ValueError):  # its end of the pipe is closed, or ours
            line = ""
        if not line:
            raise LostWorkerError(self._end())
        reply = json.loads(line)
        if reply["error"] is not None:
            raise GanzooError(reply["error"])
        reason: str | None = reply["failed"]
        return reason

    def ask_to_end(self) -> None:
        """Close its standard input."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except OSError:  # it has ended already
            return

    def wait(self, seconds: float) -> None:
        """Wait for its end; kill it after so long."""
        try:
            self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _end(self) -> str:
        self.ask_to_end()
        self.wait(_GRACE_S)
        signals = {-number: number.name for number in signal.Signals}
        code = self._process.returncode
        return f"was ended by {signals[code]}" if code in signals else f"ended with exit code {code}"


def close(workers: Sequence[Worker]) -> None:
    """End workers, which save what they train."""
    end_s = time.monotonic() + _GRACE_S
    for worker in workers:
        worker.ask_to_end()
    for worker in workers:
        worker.wait(end_s - time.monotonic())


@contextlib.contextmanager
def workers_at(where: str | None) -> Iterator[Workers]:
    """The workers that `--workers` names: so many here, or those of a Dask cluster. They are closed at the end."""
    workers: Workers
    if where is None:
        workers = ThisProcess()
    elif where.isdecimal():
        workers = Processes(int(where))
    else:
        from ganzoo_tools.comparison.cluster import Cluster

        workers = Cluster(where)
    try:
        yield workers
    finally:
        workers.close()
