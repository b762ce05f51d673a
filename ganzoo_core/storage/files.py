"""Writing files atomically, so that a reader sees the old one or the new one; and locking them."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ganzoo_core.errors import FileError

_READERS_S = 5.0 if sys.platform == "win32" else 0.0
_WAYS_OUT = {
    errno.ENOSPC: "free some space or write elsewhere",
    errno.EDQUOT: "free some space, ask for a larger quota, or write elsewhere",
    errno.EFBIG: "raise the limit on the size of a file or write elsewhere",
    errno.EACCES: "check the permissions of {folder} or write elsewhere",
    errno.EPERM: "check the permissions of {folder} or write elsewhere",
    errno.EROFS: "{folder} can't be written to, so write elsewhere",
    errno.ENOENT: "make the folder {folder} first",
    errno.ENOTDIR: "{folder} is no folder, so write elsewhere",
    errno.EISDIR: "name a file in that folder",
}


@contextlib.contextmanager
def as_file_error(path: Path) -> Iterator[None]:
    """Turn an `OSError` inside into a `FileError` that names the path, the reason and the way out."""
    try:
        yield
    except OSError as error:
        way_out = _WAYS_OUT.get(error.errno or 0, "write elsewhere").format(folder=path.parent)
        raise FileError(f"could not write {path}: {error.strerror or error}; {way_out}") from error


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path`, replacing an existing file atomically once all of it is on the disk.

    Raises `FileError` if that fails; the old file is then still whole and nothing is left beside it.
    """
    with replaced(path) as file:
        file.write(data)


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """A new file to write, bit by bit, that takes the place of `path` at the end; else as `write_atomically`."""
    with _replacing(path) as temporary, temporary.open("xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def duplicate_atomically(source: Path, path: Path) -> None:
    """Let `path` be the file that `source` now is, also when `source` is replaced: a second name, or else a copy.

    Raises `FileError` as `write_atomically` does.
    """
    with _replacing(path) as temporary:
        try:
            os.link(source, temporary)
        except OSError:  # a file system without links
            shutil.copyfile(source, temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A name for a new file beside `path`, which it replaces at the end, or vanishes where that fails."""
    target = Path(os.path.realpath(path))  # a link stays, what it points to is replaced
    temporary = target.parent / f".{os.getpid()}-{secrets.token_hex(4)}.tmp"
    with as_file_error(path):
        try:
            yield temporary
            _put_in_place(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    sync_folder(target.parent)


def _put_in_place(temporary: Path, target: Path) -> None:
    """As `os.replace`, but where a reader keeps the target from it, as can be on Windows alone, wait for its end."""
    end_s = time.monotonic() + _READERS_S
    while True:
        try:
            os.replace(temporary, target)
        except PermissionError:
            if time.monotonic() >= end_s:
                raise
            time.sleep(0.02)
        else:
            return


def remove_leftovers(folder: Path) -> None:
    """Delete what a killed process had begun to write in `folder` or below and never put in its place."""
    with as_file_error(folder):
        for path in folder.rglob(".*-????????.tmp"):
            path.unlink(missing_ok=True)


def try_lock(path: Path) -> BinaryIO | None:
    """Make and lock the file `path`; None if another process has locked it.

    The lock ends when the returned file is closed or the process ends. Raises `FileError` if the file can't be made. If
    the file system has no locks, there is a warning, and nothing is locked.
    """
    from filelock import lock_descriptor  # here, as it takes a tenth of `ganzoo list` to import

    with as_file_error(path):
        file = path.open("ab")
    try:
        # Not FileLock: without locks it makes do with a marker file, which a killed process leaves behind.
        if not lock_descriptor(file.fileno(), blocking=False):
            file.close()
            return None
    except OSError as error:
        logging.getLogger("ganzoo").warning(
            "%s can't be locked here (%s): see to it that no second process trains into this folder",
            path,
            error.strerror,
        )
    return file


def sync_folder(folder: Path) -> None:
    """Make the new name outlast a power cut, where the system can: Windows and some network disks can't."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
