"""The way of a secret address to a browser: every user of a machine can read the arguments of a command."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import webbrowser
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
            write_door(page, url)
        except OSError as error:
            raise FileError(
                f"the page that leads a browser on could not be written: {error.strerror or error}; make room in the "
                f"folder for temporary files, or open the address yourself: --no-browser"
            ) from error
        yield page


def write_door(path: Path, url: str) -> None:
    """Make a page that leads on to `url`, for this user alone. Raises `OSError`, also where something is there."""
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(render("door.html", "ganzoo_tools", url=url))


def open_browser(page: Path) -> None:
    """Open a page in the browser, in a thread: one in this terminal would keep the program from going on."""
    threading.Thread(target=webbrowser.open, args=(page.resolve().as_uri(),), name="browser", daemon=True).start()
