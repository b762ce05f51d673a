"""Tools for ganzoo: `import ganzoo_tools`, then `.evaluate`, `.compare`, `.coordinates`, `.interpolation` and the rest.

Importing this package imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganzoo_tools.comparison.race import compare
    from ganzoo_tools.comparison.ranking import Comparison, Recipe
    from ganzoo_tools.evaluation.evaluation import evaluate
    from ganzoo_tools.evaluation.results import Evaluation
    from ganzoo_tools.exploration.walks import Exploration, across_labels, coordinates, interpolation, loop
    from ganzoo_tools.onnx import export_onnx

# Imported on first use, because they import torch.
_LAZY = {
    "Comparison": "comparison.ranking",
    "Evaluation": "evaluation.results",
    "Exploration": "exploration.walks",
    "Recipe": "comparison.ranking",
    "across_labels": "exploration.walks",
    "compare": "comparison.race",
    "coordinates": "exploration.walks",
    "evaluate": "evaluation.evaluation",
    "export_onnx": "onnx",
    "interpolation": "exploration.walks",
    "loop": "exploration.walks",
}

__all__ = [
    "Comparison",
    "Evaluation",
    "Exploration",
    "Recipe",
    "across_labels",
    "compare",
    "coordinates",
    "evaluate",
    "export_onnx",
    "interpolation",
    "loop",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"ganzoo_tools.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'ganzoo_tools' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__doc__"]
