"""Whether a file is still the one that it was: by its stamp where that can be trusted, else by its content."""

from __future__ import annotations

import hashlib
import os
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

_MOST_HELD = 2**24  # bytes of a file: several are read at a time
_SETTLED_NS = 2 * 10**9  # file systems count time in steps of up to two seconds


class Stamp(NamedTuple):
    """Size, times and number of a file. A program can set back `mtime_ns`, but not `ctime_ns`, when it last changed."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Stamp:
        """The stamp in what the system tells of a file."""
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)

    def is_settled(self, at_ns: int) -> bool:
        """Whether a file that is written to after `at_ns` gets another stamp, as the last change is old enough."""
        return max(self.mtime_ns, self.ctime_ns) + _SETTLED_NS < at_ns


def new_digest() -> hashlib.blake2b:
    """The digest of a file's content, to be fed with it."""
    return hashlib.blake2b(digest_size=16)


def read_content(path: Path) -> tuple[str, bytes | None]:
    """The digest of a file's content, and the content itself, so that what is decoded is what was digested.

    No content of a large file, nor of one that can't be read.
    """
    try:
        with path.open("rb", buffering=0) as opened:
            if os.fstat(opened.fileno()).st_size <= _MOST_HELD:
                content = opened.readall()
                digest = new_digest()
                digest.update(content)
                return digest.hexdigest(), content
    except OSError:
        return "", None
    return content_digest(path), None


def content_digest(file: Path | BufferedReader) -> str:
    """A digest of all bytes of a file; empty where it can't be read."""
    if isinstance(file, Path):
        try:
            with file.open("rb") as opened:
                return content_digest(opened)
        except OSError:
            return ""
    return hashlib.file_digest(file, new_digest).hexdigest()
