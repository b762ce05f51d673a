"""The variant that a new one is built on: where its class is imported from, and what must be installed for it."""

from __future__ import annotations

import operator
import sys
from dataclasses import dataclass

from ganzoo_core.errors import PluginError
from ganzoo_core.registry import registry


@dataclass(frozen=True)
class Base:
    """An installed variant as the code of another package refers to it. `class_path` is dotted, from `module` on."""

    variant: str
    module: str
    class_path: str
    requirement: str
    paper: str
    year: int


def find_base(name: str) -> Base:
    """The installed variant called `name`. Raises as `Registry.variant` does, or `PluginError` for a hidden class."""
    cls, plugin = registry().variant(name)
    path = f"{cls.__module__}.{cls.__qualname__}"
    try:
        found = operator.attrgetter(cls.__qualname__)(sys.modules[cls.__module__])
    except AttributeError:
        found = None
    if found is not cls:
        raise PluginError(f"{name} can't be built on: its class can't be imported as {path}; leave out --from")
    requirement = f"{plugin.package}>={plugin.version.partition('+')[0]}"
    return Base(name, cls.__module__, path, requirement, cls.paper, cls.year)
