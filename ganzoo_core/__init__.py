"""ganzoo: a zoo of GANs. `import ganzoo_core as ganzoo`, then `ganzoo.train`, `ganzoo.load`, `.sample`.

Everything public is here or in the modules named below; importing this package imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ganzoo_core.dataspec import DataSpec, Input
from ganzoo_core.errors import GanzooError
from ganzoo_core.hookspecs import API_VERSION, MOVED, VERSION, hookimpl
from ganzoo_core.settings import option
from ganzoo_core.variant import Config, DataSource, Phase, Variant

if TYPE_CHECKING:
    from ganzoo_core.callbacks import Callback, RunInfo
    from ganzoo_core.data import Dataset
    from ganzoo_core.interfaces import Discriminator, Frozen, Generator, Loss, Networks, Player, Turn
    from ganzoo_core.sampling.generator_file import load
    from ganzoo_core.sampling.samples import Samples
    from ganzoo_core.sampling.trained_generator import TrainedGenerator
    from ganzoo_core.training.estimate import Estimate
    from ganzoo_core.training.run import Report, Run
    from ganzoo_core.training.train import dry_run, train

__version__ = VERSION

# Imported on first use, because they import torch.
_LAZY = {
    "Callback": "callbacks",
    "RunInfo": "callbacks",
    "Dataset": "data",
    "Discriminator": "interfaces",
    "Frozen": "interfaces",
    "Generator": "interfaces",
    "Loss": "interfaces",
    "Networks": "interfaces",
    "Player": "interfaces",
    "Turn": "interfaces",
    "Estimate": "training.estimate",
    "Report": "training.run",
    "Run": "training.run",
    "Samples": "sampling.samples",
    "TrainedGenerator": "sampling.trained_generator",
    "dry_run": "training.train",
    "load": "sampling.generator_file",
    "train": "training.train",
}

__all__ = [
    "API_VERSION",
    "Callback",
    "Config",
    "DataSource",
    "DataSpec",
    "Dataset",
    "Discriminator",
    "Estimate",
    "Frozen",
    "GanzooError",
    "Generator",
    "Input",
    "Loss",
    "Networks",
    "Phase",
    "Player",
    "Report",
    "Run",
    "RunInfo",
    "Samples",
    "TrainedGenerator",
    "Turn",
    "Variant",
    "dry_run",
    "hookimpl",
    "load",
    "option",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"ganzoo_core.{_LAZY[name]}"), name)
    if name in ("evaluate", "compare"):
        return _moved(name)
    raise AttributeError(f"module 'ganzoo_core' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _moved(name: str) -> Any:
    """A function that was the core's in 0.1 and is a plugin's now."""
    import warnings

    package = MOVED[name]
    module = package.replace("-", "_")
    try:
        found = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        raise AttributeError(f"{name} comes with a package of its own: pip install {package}") from error
    warnings.warn(f"ganzoo_core.{name} is {module}.{name} now", DeprecationWarning, stacklevel=3)
    return found
