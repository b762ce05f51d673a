"""Files are written whole or not at all, and a disk's refusal becomes a sentence."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ganzoo_core.errors import FileError

_WAY_OUT = {
    errno.ENOSPC: "free some space, or choose another folder",
    errno.EDQUOT: "free some of your quota, or choose another folder",
    errno.EACCES: "choose a folder you may write to",
    errno.EPERM: "choose a folder you may write to",
    errno.EROFS: "choose a folder you may write to",
    errno.ENOENT: "was its folder moved or removed?",
}


@contextlib.contextmanager
def as_file_error(path: Path) -> Iterator[None]:
    """Turn an `OSError` inside into a `FileError` that names the path, the reason and the way out."""
    try:
        yield
    except OSError as error:
        hint = _WAY_OUT.get(error.errno or 0)
        reason = (error.strerror or str(error)).lower()
        raise FileError(f"could not write {path}: {reason}" + (f"; {hint}" if hint else "")) from error


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path`: after a crash at any moment the file is the old one or the new one, whole.

    Raises `FileError` where the disk refuses; what was there stays.
    """
    with as_file_error(path):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename in the folder survive a power cut, where the system can open folders."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
