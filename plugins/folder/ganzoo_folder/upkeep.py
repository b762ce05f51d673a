"""The caches of image folders on the disk: which there are, which are in use, and which go."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from filelock import FileLock, Timeout

from ganzoo_core.errors import DataError

_KEPT_DAYS = 30


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


class CacheFolder(NamedTuple):
    """A cache on the disk: whose it is, if it says so, its size, and when it was last used."""

    path: Path
    about: dict[str, object]
    bytes: int
    used_s: float


def cache_folders(home: Path) -> Iterator[CacheFolder]:
    """Those in a folder."""
    for path in sorted(home.glob("[!.]*-*")):
        about: dict[str, object] = {}
        with contextlib.suppress(OSError, ValueError):
            about = dict(json.loads((path / "about.json").read_bytes()))
        with contextlib.suppress(OSError):
            files = [entry.stat() for entry in os.scandir(path)]
            used_s = max((stat.st_mtime for stat in files), default=path.stat().st_mtime)
            yield CacheFolder(path, about, sum(stat.st_size for stat in files), used_s)


def tidy(home: Path) -> None:
    """Delete caches of folders that are gone, and those that nobody has used for a month; none that is in use."""
    for cache in cache_folders(home):
        source = cache.about.get("folder")
        is_gone = isinstance(source, str) and not os.path.lexists(source)
        if (is_gone or time.time() - cache.used_s > _KEPT_DAYS * 86_400) and not _is_held(cache.path / "samples.u8"):
            shutil.rmtree(cache.path, ignore_errors=True)

    for scratch in home.glob(".*.building"):  # of a killed process, which another folder's next build would not clear
        with contextlib.suppress(Timeout, OSError), FileLock(home / f"{scratch.stem}.lock", timeout=0):
            shutil.rmtree(scratch, ignore_errors=True)


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
