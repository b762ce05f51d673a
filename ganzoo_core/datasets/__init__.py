"""The built-in data sets, offered like a plugin's. Torch-free until one is loaded."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from pathlib import Path

from ganzoo_core.datasets.sources import (
    Cifar10,
    DigitPairs,
    DigitPens,
    Digits,
    FashionMnist,
    Grid25,
    Kmnist,
    Mnist,
    Ring8,
    Sine,
)
from ganzoo_core.errors import DataError
from ganzoo_core.hookspecs import hookimpl
from ganzoo_core.variant import DataSource

GANZOO_API = 2


@hookimpl
def ganzoo_datasets() -> list[type[DataSource]]:
    """The default first."""
    return [Digits, DigitPairs, DigitPens, Mnist, FashionMnist, Kmnist, Cifar10, Ring8, Grid25, Sine]


def data_folder(given: Path | None) -> Path:
    """The data folder: `given` (--data-dir), else the variable GANZOO_DATA, else a cache folder. Makes no folder."""
    named = given or os.environ.get("GANZOO_DATA")
    if named:
        return Path(os.path.expanduser(named))
    return cache_folder()


def cache_folder() -> Path:
    """The platform's folder for what can be made again; a temporary one of the user's where he has no home.

    Such is the user of a container whose number no one gave a name.
    """
    import platformdirs

    try:
        return Path(platformdirs.user_cache_dir("ganzoo"))
    except RuntimeError:
        return _temporary_folder()


def _temporary_folder() -> Path:
    """A folder of this user's own, made where all may write: one that somebody else put there is not taken."""
    if sys.platform == "win32":
        return Path(tempfile.gettempdir()) / "ganzoo"  # that is each user's own there
    folder = Path(tempfile.gettempdir()) / f"ganzoo-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise DataError(f"{folder} is somebody else's; name a folder of your own with --data-dir, or set HOME")
    return folder
