"""The jobs of a sweep on several machines, through Dask: https://distributed.dask.org. Needs the extra `cluster`.

A run's folder goes to the worker and comes back with the task, so that the machines need no common disk.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path, PurePosixPath

from ganzoo_core.errors import FileError, GanzooError, SettingError
from ganzoo_core.storage.files import as_file_error, own_folder, refuse_link, write_atomically
from ganzoo_tools.comparison.job import Job
from ganzoo_tools.comparison.workers import RETRIES, LostWorkerError, Worker, close, lost_sentence

_PACKAGES = ("ganzoo-core", "ganzoo-tools", "torch")  # of which all machines must have the same version
_ANSWER_S = 10  # for the scheduler
_LOOK_EVERY_S = 0.5
_LAST = ("checkpoint.safetensors", "stages")  # written in this order, as the last says that a job is done
_log = logging.getLogger("ganzoo")

Files = dict[str, bytes]  # by path inside the run's folder, parted by "/"


class Cluster:
    """The workers that a Dask scheduler knows. Dask gives the task of one that is lost to another."""

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ModuleNotFoundError as error:
            raise GanzooError(
                'workers on several machines need Dask; install with: pip install "ganzoo-tools[cluster]"'
            ) from error
        for name in ("distributed", "tornado"):  # what they say of a lost worker is said here
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            self._client = distributed.Client(address, timeout=_ANSWER_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise SettingError(
                f"no Dask scheduler answers at {address}; start one with `dask scheduler`, and a worker on each "
                f"machine with `dask worker {address}`"
            ) from error
        self._address = address

    def outcomes(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, str | None]]:
        """As `Workers` has it. No more tasks are under way than keep all workers busy: each holds a run's files."""
        from distributed import as_completed

        if not self._threads() and jobs:
            _log.info("%s has no workers yet; start some: dask worker %s", self._address, self._address)
        left = iter(jobs)
        under_way = {}
        done = as_completed(loop=self._client.loop)
        while True:
            for job in left:
                future = self._submit(job)
                under_way[future] = job
                done.add(future)
                if len(under_way) > 2 * self._threads():
                    break
            if not under_way:
                return
            future = next(done)
            job = under_way.pop(future)
            yield job, self._outcome(job, future)

    def close(self) -> None:
        """As `Workers` has it; workers see within a second that nobody waits for them any more."""
        self._client.close(timeout=1)

    def _threads(self) -> int:
        return sum(self._client.nthreads().values())

    def _submit(self, job: Job):  # type: ignore[no-untyped-def]
        """The future of a job's outcome."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that a run's files are large
            return self._client.submit(remote, job.to_json(), packed(Path(job.folder)), _versions(), pure=False)

    def _outcome(self, job: Job, future) -> str | None:  # type: ignore[no-untyped-def]
        """Why the training failed; its files are then in the run's folder here."""
        from distributed import CancelledError, KilledWorker

        try:
            reason, files = future.result()
        except KilledWorker as error:
            return lost_sentence(["was that of Dask"] * (error.allowed_failures + 1))
        except CancelledError as error:
            raise GanzooError(f"the Dask scheduler at {self._address} was lost") from error
        except GanzooError:
            raise
        except Exception as error:
            raise GanzooError(
                f"a Dask worker of {self._address} could not do its work ({type(error).__name__}: {error}); it needs "
                f"the same packages as are here"
            ) from error
        unpack(files, Path(job.folder))
        return reason


def remote(text: str, files: Files, versions: dict[str, str]) -> tuple[str | None, Files]:
    """What a Dask worker does: a job in a process and a folder of its own; the outcome and the run's files.

    Raises `GanzooError` for what the sweep can't go on with.
    """
    for name, version in _versions().items():
        if version != versions[name]:
            raise SettingError(
                f"a Dask worker has {name} {version}, but the sweep is begun with {versions[name]}; all must have the "
                f"same"
            )
    ends: list[str] = []
    while len(ends) <= RETRIES:
        worker, scratch = _taken()
        folder = scratch / "run"
        unpack(files, folder)
        try:
            with _ended_when_unwanted(worker):
                reason = worker.do(replace(Job.from_json(text), folder=str(folder)))
            return reason, packed(folder)
        except LostWorkerError as error:
            ends.append(str(error))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _idle.append((worker, scratch))
    return lost_sentence(ends), files


_idle: list[tuple[Worker, Path]] = []  # of this Dask worker: each has torch loaded, which takes seconds


def _taken() -> tuple[Worker, Path]:
    """A process without a job, and the folder that it removes when it ends."""
    with contextlib.suppress(IndexError):  # there is none left; another thread may take the last one
        while True:
            worker, scratch = _idle.pop()
            if worker.is_alive:
                return worker, scratch
            shutil.rmtree(scratch, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix="ganzoo-"))
    return Worker({"OMP_NUM_THREADS": "1"}, scratch), scratch


@contextlib.contextmanager
def _ended_when_unwanted(worker: Worker) -> Iterator[None]:
    """Inside, end the worker when nobody waits for this task any more: the sweep was stopped, or killed."""
    from distributed import get_worker
    from distributed.worker import thread_state

    tasks, key, is_over = get_worker().state.tasks, thread_state.key, threading.Event()

    def look() -> None:
        while not is_over.wait(_LOOK_EVERY_S):
            if key not in tasks or tasks[key].state == "cancelled":
                close([worker])
                return

    watch = threading.Thread(target=look, daemon=True)
    watch.start()
    try:
        yield
    finally:
        is_over.set()
        watch.join()


def packed(folder: Path) -> Files:
    """All files of a run, by path; none where there is no such folder. What is a link stays here."""
    found = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found if not path.name.startswith(".")}


def unpack(files: Files, folder: Path) -> None:
    """Write the files of a run. Raises `FileError` for a path that leads out of its folder."""
    refuse_link(folder)
    for name in sorted(files, key=_order):
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
            raise FileError(f"a worker sent a file that is to be written outside of {folder}: {name!r}")
        place = folder
        with as_file_error(folder):
            folder.mkdir(parents=True, exist_ok=True)
        for part in path.parts[:-1]:
            place = place / part
            own_folder(place)
        write_atomically(place / path.name, files[name])


def _order(name: str) -> tuple[int, str]:
    """Last what says that a job is done."""
    top = name.split("/")[0]
    return (_LAST.index(top) + 1 if top in _LAST else 0, name)


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in _PACKAGES}
