"""The folder of a run: what is in it, and how it is written."""

from __future__ import annotations

import json
import os
from io import FileIO
from pathlib import Path
from typing import Any, Self

from ganzoo_core.errors import FileError
from ganzoo_core.runs.metadata import RunMetadata
from ganzoo_core.runs.records import MOST_NAMES, is_record, trained_seconds
from ganzoo_core.storage import json_files
from ganzoo_core.storage.files import (
    UNFINISHED,
    append_to,
    as_file_error,
    own_folder,
    refuse_link,
    remove_leftovers,
    sync_folder,
    try_lock,
    write_atomically,
)
from ganzoo_core.storage.names import file_name, shell_word

_LOCK = ".lock"


class RunFolder:
    """The files of one run: to train into, by `create` or `resume`, locked until it is closed; to read, by `open`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._metrics: FileIO | None = None
        self._lock: FileIO | None = None

    @classmethod
    def create(cls, path: Path | None, stem: str) -> RunFolder:
        """A new folder: `path`, or the next free `runs/<stem>-<number>`.

        Raises `FileError` if `path` is not empty or can't be made.
        """
        with as_file_error(path or Path("runs")):
            if path is None:
                path = _next_free(Path("runs"), stem)
            _check_free(path)
            path.mkdir(parents=True, exist_ok=True)
            folder = cls(path)
            folder.lock()
            try:
                _check_free(path)  # another process may have begun there in between
                own_folder(path / "samples")
            except BaseException:
                folder.close()
                raise
        sync_folder(path.parent)
        return folder

    @classmethod
    def resume(cls, path: Path) -> RunFolder:
        """The folder of a run to resume. Raises `FileError` if there is none, or another process trains it."""
        folder = cls.open(path)
        refuse_link(path / "checkpoints")  # before it trains for as long as it takes to the first of them
        folder.lock()
        try:
            own_folder(path / "samples")  # it may have been cleared away, or left behind in a copy
        except BaseException:
            folder.close()
            raise
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The folder of an existing run. Raises `FileError` if there is none."""
        if not (path / "run.json").is_file():
            raise FileError(f"{path} holds no run (no run.json in it); a run folder looks like runs/VARIANT-DATA-1")
        return cls(path)

    @property
    def checkpoint(self) -> Path:
        """Everything to resume."""
        return self.path / "checkpoint.safetensors"

    @property
    def generator(self) -> Path:
        """The result."""
        return self.path / "generator.safetensors"

    @property
    def best(self) -> Path:
        """The result at the best reading of the run's metric, if it has one."""
        return self.path / "best.safetensors"

    @property
    def live(self) -> Path:
        """A page that leads on to that of a run which is watched, while it lives."""
        return self.path / "live.html"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def lock(self) -> None:
        """Keep other processes from training here until this is closed, and clear away what a killed one left.

        Raises `FileError` where one trains here.
        """
        lock = try_lock(self.path / _LOCK)
        if lock is None:
            raise FileError(
                f"{self.path} is in use: another process trains there; "
                f"wait until it ends or stop it, or train into another folder: --out"
            )
        self._lock = lock
        remove_leftovers(self.path, f"**/{UNFINISHED}*")
        self.live.unlink(missing_ok=True)

    def live_page(self) -> Path:
        """The file that leads a browser on to the page of a run that is watched and lives. Raises `FileError`."""
        if not self._is_locked():
            raise FileError(f"{self.path} does not live: nothing trains there; leave out --live for its report")
        if not self.live.exists():
            raise FileError(
                f"{self.path} was not started with --watch; stop it, and go on with: "
                f"ganzoo run --resume {shell_word(self.path)} --watch"
            )
        return self.live

    def _is_locked(self) -> bool:
        """Whether a process trains here."""
        if not (self.path / _LOCK).exists():
            return False
        lock = try_lock(self.path / _LOCK)
        if lock is not None:
            lock.close()
        return lock is None

    def check_still_ours(self) -> None:
        """Raise `FileError` where the folder was removed under the run, as another run may have begun in its place."""
        assert self._lock is not None
        try:
            if os.path.samestat(os.fstat(self._lock.fileno()), (self.path / _LOCK).stat()):
                return
        except FileNotFoundError:
            if (self.path / "run.json").exists():  # only the lock was removed
                self._lock.close()
                self.lock()
                return
        raise FileError(f"{self.path} was removed while its run went on; the run ends, as it has no place to write to")

    def sample(self, step: int) -> Path:
        """The picture of the fixed latents after `step` steps."""
        return self.path / "samples" / f"step-{step:06d}.png"

    def snapshots(self) -> list[tuple[int, Path]]:
        """The pictures drawn so far with their steps, in order."""
        paths = (self.path / "samples").glob("step-*.png")
        return sorted((int(path.stem[5:]), path) for path in paths if path.stem[5:].isdecimal())

    def metadata(self) -> RunMetadata:
        """What run.json holds. Raises `FileError` if it is damaged."""
        return RunMetadata.read(self.path / "run.json")

    def write_metadata(self, metadata: RunMetadata) -> None:
        """Write run.json."""
        text = json.dumps(metadata.to_dict(), indent=2, ensure_ascii=False) + "\n"
        # A file name of no valid UTF-8 becomes what JSON writes for such bytes, \udc80 and the like, and comes back so.
        write_atomically(self.path / "run.json", text.encode(errors="backslashreplace"))

    def records(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl; what follows a line that a crash cut short is left out."""
        path = self.path / "metrics.jsonl"
        records, names = [], set[str]()
        for record in json_files.read_lines(path) if path.exists() else ():
            if not is_record(record):
                break
            names |= record.keys()
            if len(names) > MOST_NAMES:
                break
            records.append(record)
        return records

    def trained_seconds(self, step: int | None = None) -> float:
        """How long training took up to `step`, in all its processes, read back from the speeds."""
        records = [record for record in self.records() if step is None or record["step"] <= step]
        return trained_seconds(records, self.metadata().settings["batch_size"])

    def truncate_records(self, step: int) -> None:
        """Drop the lines after `step`: what comes after the checkpoint will be written again."""
        kept = [json.dumps(record) + "\n" for record in self.records() if record["step"] <= step]
        write_atomically(self.path / "metrics.jsonl", "".join(kept).encode())

    def append_record(self, record: dict[str, Any]) -> None:
        """Write a line of metrics.jsonl."""
        line = (json.dumps(record) + "\n").encode()
        with as_file_error(self.path / "metrics.jsonl"):
            if self._metrics is None:
                self._metrics = append_to(self.path / "metrics.jsonl")
            while line:  # a disk that fills up takes a part, and says why only when given the rest
                line = line[self._metrics.write(line) :]

    def sync_records(self) -> None:
        """Flush the lines of metrics.jsonl to the disk, so that those before a checkpoint survive a power cut."""
        if self._metrics is not None:
            with as_file_error(self.path / "metrics.jsonl"):
                os.fsync(self._metrics.fileno())

    def close(self) -> None:
        """Close what is open, and let other processes train here."""
        for file in (self._metrics, self._lock):
            if file is not None:
                file.close()


def _check_free(path: Path) -> None:
    """Raise `FileError` unless a run may begin in `path`: there is nothing, or only what a run killed at birth left."""
    if (path / "run.json").exists():
        raise FileError(f"{path} holds another run; give a new --out, or go on with that one: --resume {path}")
    found = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
    if "samples" in found and not any((path / "samples").iterdir()):
        found.remove("samples")
    if any(name != _LOCK and not name.startswith(UNFINISHED) for name in found):
        raise FileError(f"{path} is not empty; give a new or an empty folder as --out")


def _next_free(parent: Path, stem: str) -> Path:
    """Make and return parent/stem-N for the first N that nobody has, also if two processes ask at once."""
    parent.mkdir(parents=True, exist_ok=True)
    stem = file_name(stem, "run")
    number = 1
    while True:
        path = parent / f"{stem}-{number}"
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
            continue
        return path
