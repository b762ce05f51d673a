"""The way of a secret address to a browser: every user of a machine can read the arguments of a command."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ganzoo_core.errors import FileError
from ganzoo_core.report.page import render


@contextlib.contextmanager
def door(url: str) -> Iterator[Path]:
    """A page that leads on to `url` and that this user alone can read; it is gone at the end of the block.

    Raises `FileError` where it can't be written.
    """
    with contextlib.ExitStack() as stack:
        try:  # the folder is closed to everybody else
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ganzoo-", ignore_cleanup_errors=True))
            page = Path(folder) / "explore.html"
            page.touch(0o600)
            page.write_bytes(render("door.html", "ganzoo_tools", url=url))
        except OSError as error:
            raise FileError(
                f"the page that leads a browser on could not be written: {error.strerror or error}; make room in the "
                f"folder for temporary files, or open the address yourself: --no-browser"
            ) from error
        yield page
