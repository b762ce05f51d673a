"""ganzoo: a zoo of GANs. `import ganzoo_core as ganzoo`, then `ganzoo.train`, `ganzoo.load`, `.sample`.

Everything public is here or in the modules named below; importing this package imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ganzoo_core.errors import GanzooError
from ganzoo_core.hookspecs import API_VERSION, hookimpl
from ganzoo_core.settings import option
from ganzoo_core.variant import Config, DataSource, DataSpec, Variant

if TYPE_CHECKING:
    from ganzoo_core.callbacks import Callback, RunInfo
    from ganzoo_core.comparison.race import compare
    from ganzoo_core.data import Dataset
    from ganzoo_core.interfaces import Discriminator, Generator, Loss, Networks, Player, Turn
    from ganzoo_core.metrics.evaluation import evaluate
    from ganzoo_core.samples import Samples
    from ganzoo_core.trained import TrainedGenerator, load
    from ganzoo_core.training import Report, Run, train

__version__ = "0.1.0"

# Imported on first use, because they import torch.
_LAZY = {
    "Callback": "callbacks",
    "RunInfo": "callbacks",
    "Dataset": "data",
    "Discriminator": "interfaces",
    "Generator": "interfaces",
    "Loss": "interfaces",
    "Networks": "interfaces",
    "Player": "interfaces",
    "Turn": "interfaces",
    "Report": "training",
    "Run": "training",
    "Samples": "samples",
    "TrainedGenerator": "trained",
    "compare": "comparison.race",
    "evaluate": "metrics.evaluation",
    "load": "trained",
    "train": "training",
}

__all__ = [
    "API_VERSION",
    "Callback",
    "Config",
    "DataSource",
    "DataSpec",
    "Dataset",
    "Discriminator",
    "GanzooError",
    "Generator",
    "Loss",
    "Networks",
    "Player",
    "Report",
    "Run",
    "RunInfo",
    "Samples",
    "TrainedGenerator",
    "Turn",
    "Variant",
    "compare",
    "evaluate",
    "hookimpl",
    "load",
    "option",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"ganzoo_core.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'ganzoo_core' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
