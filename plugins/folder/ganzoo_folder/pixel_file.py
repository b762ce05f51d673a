"""A file of decoded pixels while it is written."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ganzoo_folder.stamps import new_digest

_PIECE_BYTES = 2**20  # written and digested at a time
_FLUSH_BYTES = 2**26  # the disk is sent to work each time so many are written, and not at the end alone
_sync = getattr(os, "fdatasync", os.fsync)


class PixelFile:
    """Pixels of images one after another, digested on the way.

    Written, not mapped: a full disk is an `OSError` then, not the process's end. Digest and disk have a thread each, so
    that neither waits for the other, nor decoding for them.
    """

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb", buffering=0)
        self._digest = new_digest()
        self._pool = ThreadPoolExecutor(2)
        self._digesting: Future[None] | None = None
        self._flushing: Future[None] | None = None
        self._held: list[memoryview] = []
        self._held_bytes = self._unflushed_bytes = 0

    def __enter__(self) -> PixelFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)  # before the file goes that a thread works on
        self.file.close()

    def add(self, pixels: np.ndarray) -> None:
        """Write pixels (C, H, W) uint8, contiguous, by and by. Raises `OSError`, also for what was added before."""
        self._held.append(pixels.data)
        self._held_bytes += pixels.nbytes
        if self._held_bytes >= _PIECE_BYTES:
            self._write()

    def finish(self) -> str:
        """Have all of it on the disk; the digest of all of it. Raises `OSError`."""
        self._write()
        for future in (self._digesting, self._flushing):
            if future is not None:
                future.result()
        os.fsync(self.file.fileno())
        return self._digest.hexdigest()

    def _write(self) -> None:
        piece, self._held, self._held_bytes = b"".join(self._held), [], 0
        if self._digesting is not None:
            self._digesting.result()
        self._digesting = self._pool.submit(self._digest.update, piece)
        rest = memoryview(piece)
        while rest:
            rest = rest[self.file.write(rest) :]
        self._unflushed_bytes += len(piece)
        if self._unflushed_bytes >= _FLUSH_BYTES and (self._flushing is None or self._flushing.done()):
            if self._flushing is not None:
                self._flushing.result()
            self._flushing, self._unflushed_bytes = self._pool.submit(_sync, self.file.fileno()), 0
