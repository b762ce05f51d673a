"""Writing files atomically, so that a reader sees the old one or the new one; reading and locking them.

A run's folder may be a stranger's, so that no link in it is written through: it is replaced itself, or refused.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from ganzoo_core.errors import FileError

_LOCK = ".lock"
UNFINISHED = ".ganzoo-unfinished-"  # begins the names of folders that are being filled
_TRIES, _TRY_EVERY_S = 100, 0.01
_READERS_S = 5.0 if sys.platform == "win32" else 0.0
_WAYS_OUT = {
    errno.ENOSPC: "free some space or write elsewhere",
    errno.EDQUOT: "free some space, ask for a larger quota, or write elsewhere",
    errno.EFBIG: "raise the limit on the size of a file or write elsewhere",
    errno.EACCES: "check the permissions of {folder} or write elsewhere",
    errno.EPERM: "check the permissions of {folder} or write elsewhere",
    errno.EROFS: "{folder} can't be written to, so write elsewhere",
    errno.ENOENT: "make the folder {folder} first",
    errno.EEXIST: "something of that name is in the way, so move it or write elsewhere",
    errno.ENOTDIR: "{folder} is no folder, so write elsewhere",
    errno.EISDIR: "name a file in that folder",
    errno.ELOOP: "it is a link, and nothing is written through the links inside a run, so delete it",
    errno.ENXIO: "it is no file, but a pipe or the like, so delete it",
}
# Windows lacks both, and has neither pipes among its files nor links that just anybody can make.
_NO_LINK, _NO_WAITING = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_NONBLOCK", 0)


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
    """A new file to write, bit by bit, that takes the place of `path` at the end; else as `write_atomically`.

    It has the permissions of the file that it replaces. Where `path` is a link, it replaces that; see `behind_link`.
    """
    with _replacing(path) as temporary, temporary.open("xb") as file:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISREG(mode := path.lstat().st_mode):
                temporary.chmod(mode & 0o777)
        yield file
        file.flush()
        os.fsync(file.fileno())


def duplicate_atomically(source: Path, path: Path) -> None:
    """Let `path` be the file that `source` now is, also when `source` is replaced: a second name, or else a copy.

    Raises `FileError` as `write_atomically` does.
    """
    with _replacing(path) as temporary:
        try:
            os.link(os.path.realpath(source), temporary)  # else it might be a second name of a link
        except OSError:  # a file system without links
            shutil.copyfile(source, temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A name for a new file near `path`, which it replaces at the end, or vanishes where that fails."""
    with as_file_error(path), unfinished_folder(path.parent) as folder:
        yield folder / "file"
        _put_in_place(folder / "file", path)
    sync_folder(path.parent)


def behind_link(path: Path) -> Path:
    """Where to write a file that the user named: his link stays, and what it points to is replaced."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def refuse_link(path: Path) -> None:
    """Raise `FileError` where a folder inside a run, or a comparison, is a link: it may lead anywhere."""
    if path.is_symlink():
        raise FileError(f"{path} is a link, and nothing is written through the links inside a run; make it a folder")


def own_folder(path: Path) -> None:
    """Make a folder inside a run, unless it is there. Raises `FileError` for a link, as `refuse_link` does."""
    refuse_link(path)
    with as_file_error(path):
        path.mkdir(exist_ok=True)


def beside_package(package: str, name: str) -> Path | None:
    """A file that a package brings along, such as "data/x.csv", found without importing it; None where it is not."""
    spec = find_spec(package)  # imports nothing of a package that is in no other
    folders = (spec and spec.submodule_search_locations) or ()
    return next((file for folder in folders if (file := Path(folder, name)).is_file()), None)


def append_to(path: Path) -> FileIO:
    """Open a file inside a run to append to, made where it is missing. Raises `OSError`, for a link and a pipe too."""
    return open(
        path, "ab", buffering=0, opener=lambda name, flags: os.open(name, flags | _NO_LINK | _NO_WAITING, 0o666)
    )


def read_bounded(path: Path, most: int) -> bytes:
    """All of a file that may be a stranger's, also behind a link.

    Raises `FileError` where it can't be read, is no regular file (a pipe or a device may never end), or has more than
    `most` bytes.
    """
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _NO_WAITING)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise FileError(f"{path} can't be read: it must be a file, but is a pipe or a device; delete it")
            if status.st_size > most:
                raise FileError(f"{path} can't be read: it may have {most:,} bytes, but has {status.st_size:,}")
            return file.read(most) or b""  # bounded once more: some files of the system say that they are empty
    except OSError as error:
        raise FileError(f"{path} can't be read: {error.strerror or error}") from error


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


def remove_leftovers(folder: Path, pattern: str = f"{UNFINISHED}*") -> None:
    """Delete what killed processes had begun in `folder` and never put in its place; what others still fill is locked.

    With `pattern="**/…"` below it too. What can't be deleted stays, as does all on a file system without locks.
    """
    for left in list(folder.glob(pattern)):
        if left.is_dir() and not left.is_symlink():
            with contextlib.suppress(OSError):
                with append_to(left / _LOCK) as lock:
                    is_free = _lock(lock)
                if is_free:
                    shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def unfinished_folder(place: Path) -> Iterator[Path]:
    """A new folder somewhere in `place`, to fill and to move away; it vanishes at the end.

    What killed processes left there goes too. Raises `OSError`.
    """
    remove_leftovers(place)
    with contextlib.ExitStack() as held:
        lock = None
        while lock is None:
            own = place / f"{UNFINISHED}{secrets.token_hex(4)}"
            held.callback(_remove, own)
            lock = _claimed(own)
        held.callback(lock.close)
        folder = own / "new"  # a folder within, as its own is closed to everybody else
        folder.mkdir()
        yield folder


def _claimed(own: Path) -> FileIO | None:
    """Make a folder and lock it; None where another process came in between, and took it for one left behind."""
    own.mkdir(mode=0o700)
    try:
        lock = append_to(own / _LOCK)
    except FileNotFoundError:
        return None
    with contextlib.suppress(OSError):  # without locks nobody clears away either
        if not _lock(lock) or not (own / _LOCK).exists():
            lock.close()
            return None
    return lock


def _remove(folder: Path) -> None:
    """Remove a folder also while a thread still writes into it, which a signal has kept others from waiting for."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    finally:  # the signal may come in the middle of that
        for _ in range(_TRIES):
            if not folder.exists():
                break
            shutil.rmtree(folder, ignore_errors=True)
            time.sleep(_TRY_EVERY_S)


def try_lock(path: Path) -> FileIO | None:
    """Make and lock the file `path`; None if another process has locked it.

    The lock ends when the returned file is closed or the process ends. Raises `FileError` if the file can't be made. If
    the file system has no locks, there is a warning, and nothing is locked.
    """
    with as_file_error(path):
        file = append_to(path)
    try:
        if not _lock(file):
            file.close()
            return None
    except OSError as error:
        logging.getLogger("ganzoo").warning(
            "%s can't be locked here (%s): see to it that no second process trains into this folder",
            path,
            error.strerror,
        )
    return file


def _lock(file: FileIO) -> bool:
    """Lock a file, unless another process has; whether it is ours. Raises `OSError` where there are no locks."""
    # Here, as it takes a tenth of `ganzoo list` to import; and not FileLock: without locks it makes do with a marker
    # file, which a killed process leaves behind.
    from filelock import lock_descriptor

    return lock_descriptor(file.fileno(), blocking=False)


def sync_folder(folder: Path) -> None:
    """Make the new name outlast a power cut, where the system can: Windows and some network disks can't."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
