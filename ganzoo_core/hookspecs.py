"""What a plugin may offer. A plugin is a module (or package) named by an entry point of the group `ganzoo`:

    [project.entry-points.ganzoo]
    lsgan = "ganzoo_lsgan"

It states the core API it was written for as `GANZOO_API = 1` and implements any of the hooks below with `@hookimpl`.
Name the entry point after the variant where there is one: then a command that needs it imports that package alone.
A package may ship trained weights beside its `__init__.py`, as `weights/VARIANT.safetensors`: a copy of a run's
generator.safetensors. Then `ganzoo sample VARIANT` needs no training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from ganzoo_core.callbacks import Callback, RunInfo
    from ganzoo_core.variant import DataSource, Variant

PROJECT = "ganzoo"
ENTRY_POINT_GROUP = "ganzoo"
CORE_PACKAGE = "ganzoo-core"
API_VERSION = 1

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def ganzoo_variants() -> list[type[Variant]]:  # type: ignore[empty-body]
    """The variants this plugin adds to the zoo: classes, not instances. No torch import."""


@hookspec
def ganzoo_datasets() -> list[type[DataSource]]:  # type: ignore[empty-body]
    """The data sets this plugin adds: classes, not instances. No torch import."""


@hookspec
def ganzoo_callbacks(run: RunInfo) -> list[Callback]:  # type: ignore[empty-body]
    """Observers of one run, made when it starts: see `ganzoo_core.callbacks.Callback`."""
