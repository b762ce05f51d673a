"""The metrics that the tools add: what `ganzoo run --metric` may name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo_core.hookspecs import Metric, hookimpl

if TYPE_CHECKING:
    import torch

    from ganzoo_core.data import Dataset
    from ganzoo_core.variant import Variant

GANZOO_API = 2

# Whether more of it is better.
_HIGHER = {"fid": False, "kid": False, "accuracy": True}


@hookimpl
def ganzoo_metrics() -> list[Metric]:
    """FID and KID by the features that `ganzoo evaluate` takes, and the share of samples read as asked."""
    return [Metric(name, higher, partial(_prepared, name)) for name, higher in _HIGHER.items()]


def _prepared(
    name: str, variant: Variant, data: Dataset, data_dir: Path, device: torch.device
) -> Callable[[Any], float]:
    from ganzoo_tools.evaluation.while_training import prepared

    return prepared(name, variant, data, data_dir, device)
