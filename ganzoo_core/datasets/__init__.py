"""The built-in data sets, offered like a plugin's. Torch-free until one is loaded."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ganzoo_core.datasets.sources import Cifar10, Digits, FashionMnist, Grid25, Kmnist, Mnist, Ring8, Sine
from ganzoo_core.hookspecs import hookimpl
from ganzoo_core.variant import DataSource

GANZOO_API = 1


@hookimpl
def ganzoo_datasets() -> list[type[DataSource]]:
    """The default first."""
    return [Digits, Mnist, FashionMnist, Kmnist, Cifar10, Ring8, Grid25, Sine]


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
        return Path(tempfile.gettempdir()) / f"ganzoo-{os.getuid()}"
