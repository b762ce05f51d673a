"""Writing files so that a reader sees the old one or the new one, never half of either."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from ganzoo_core.errors import FileError

_WAYS_OUT = {
    errno.ENOSPC: "free some space or write elsewhere",
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
    """Write `data` to `path`, replacing what is there in one move once all of it is on the disk.

    Raises `FileError` where that can't be done; the old file is then still whole and nothing is left beside it.
    """
    target = Path(os.path.realpath(path))  # a link stays, what it points to is replaced
    temporary = target.parent / f".{os.getpid()}-{secrets.token_hex(4)}.tmp"
    with as_file_error(path):
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make the new name outlast a power cut, where the system can: Windows and some network disks can't."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
