"""The caches of image folders on the disk: which there are, which are in use, and which go."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from ganzoo_core.datasets import cache_folder
from ganzoo_core.errors import DataError
from ganzoo_core.storage.names import visible

_KEPT_S = 30 * 86_400
_log = logging.getLogger("ganzoo")


class Guard:
    """Raises `DataError` when called once the file was changed: to read pages that were cut off ends the process."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.handle = os.dup(file.fileno())  # also after another cache has taken the name
        self.state = self._state()

    def __call__(self) -> None:
        """Look at its size and time, in about a microsecond."""
        if self._state() != self.state:
            raise DataError(
                f"the decoded images in {self.path} were changed or cut short while in use; run again, or resume the "
                f"run: they are decoded anew"
            )

    def __del__(self) -> None:
        os.close(self.handle)

    def _state(self) -> tuple[int, int] | None:
        with contextlib.suppress(OSError):  # of a disk that is gone
            stat = os.fstat(self.handle)
            return stat.st_size, stat.st_mtime_ns
        return None


def homes(data_dir: Path) -> list[Path]:
    """Where caches may lie: in the data folder, else in the user's own place."""
    return [data_dir / "folder-cache", cache_folder() / "folder-cache"]


def writable(data_dir: Path) -> Path:
    """The first of the folders that can be written to; a line says so where it is not the first."""
    reasons: list[str] = []
    for home in homes(data_dir):
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reasons.append(f"{home} ({error.strerror})")
            continue
        if os.access(home, os.W_OK | os.X_OK):
            if reasons:
                _log.warning("the decoded images can't be kept in %s; they are kept in %s", visible(reasons[0]), home)
            return home
        reasons.append(f"{home} (it can't be written to)")
    raise DataError(f"the decoded images can't be kept in {' or '.join(reasons)}; name another place with --data-dir")


@contextlib.contextmanager
def alone(path: Path, root: Path) -> Iterator[None]:
    """One process builds, while others wait for what it makes. A crash releases the lock."""
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        _log.info("another process is decoding the images of %s; waiting for it", visible(root))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def about_caches(home: Path) -> dict[Path, dict[str, object]]:
    """The caches in a folder, and what each says of itself, which is nothing for an older ganzoo's."""
    found: dict[Path, dict[str, object]] = {}
    for path in sorted(home.glob("[!.]*-*")):
        found[path] = {}
        with contextlib.suppress(OSError, ValueError, TypeError):
            found[path] = dict(json.loads((path / "about.json").read_bytes()))
    return found


def tidy(home: Path) -> None:
    """Delete caches of folders that are gone, and those that nobody has used for a month; none that is in use."""
    for path, about in about_caches(home).items():
        source = about.get("folder")
        is_gone = isinstance(source, str) and not os.path.lexists(source)
        if (is_gone or _unused_s(path) > _KEPT_S) and not _is_held(path / "samples.u8"):
            shutil.rmtree(path, ignore_errors=True)
    for scratch in home.glob(".*.building"):  # of a killed process, which another folder's next build would not clear
        with contextlib.suppress(Timeout, OSError), FileLock(home / f"{scratch.stem}.lock", timeout=0):
            shutil.rmtree(scratch, ignore_errors=True)


def _unused_s(cache: Path) -> float:
    """How long nobody has opened it; whoever does touches about.json."""
    try:
        return time.time() - max(file.stat().st_mtime for file in [cache, *cache.iterdir()])
    except OSError:  # another process is deleting it
        return 0


def hold(file: BinaryIO) -> None:
    """Mark the file as in use for as long as it is mapped, where the system and the disk can."""
    if sys.platform != "win32":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)


def _is_held(path: Path) -> bool:
    """Whether someone has it mapped, or nobody can tell; Windows refuses to delete such a file anyway."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        with path.open("rb") as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
