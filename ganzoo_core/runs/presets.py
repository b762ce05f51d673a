"""Presets: settings files in a variant's package, such as the paper's hyperparameters in `paper.toml`."""

from __future__ import annotations

import sys
from pathlib import Path

from ganzoo_core.registry import registry
from ganzoo_core.variant import Variant


def presets(cls: type[Variant]) -> dict[str, Path]:
    """The TOML files beside the class of a variant that is in a package, by name.

    A package of several variants has a folder for each one's, called as the variant: that of another's paper is no
    preset. A class in a module outside of packages has none, as what lies beside it may be anything.
    """
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    if not (file and getattr(module, "__package__", None)):
        return {}
    folder = Path(file).parent
    own = folder / cls.name
    return {path.name: path for path in sorted((own if own.is_dir() else folder).glob("*.toml"))}


def presets_of(variant: str) -> dict[str, Path]:
    """The presets of the variant of that name. Raises `UnknownNameError` for none."""
    return presets(registry().variant(variant)[0])
