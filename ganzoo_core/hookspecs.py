"""What a plugin may offer. A plugin is a module (or package) named by an entry point of the group `ganzoo`:

    [project.entry-points.ganzoo]
    lsgan = "ganzoo_lsgan"

It states the core API it was written for as `GANZOO_API = 2` and implements any of the hooks below with `@hookimpl`.
Name the entry point after the variant where there is one: then a command that needs it imports that package alone.
The same goes for a command. A package may ship trained weights beside its `__init__.py`, as
`weights/VARIANT.safetensors`: a copy of a run's generator.safetensors. Then `ganzoo sample VARIANT` needs no training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click

    from ganzoo_core.callbacks import Callback, RunInfo
    from ganzoo_core.variant import DataSource, Variant

PROJECT = "ganzoo"
ENTRY_POINT_GROUP = "ganzoo"
CORE_PACKAGE = "ganzoo-core"
API_VERSION = 2
KEPT_VERSIONS = (1, 2)  # of the API: 2 only adds to 1
VERSION = "0.1.0"

# What was the core's in 0.1 and is a plugin's now, a command or a data set, with the package that has it.
MOVED = dict.fromkeys(("evaluate", "compare", "explore", "export", "new"), "ganzoo-tools") | {"folder": "ganzoo-folder"}

WATCHER = "ganzoo-tools"  # the package with the page of --watch

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def ganzoo_variants() -> list[type[Variant]]:  # type: ignore[empty-body]
    """The variants this plugin adds: classes, not instances. No torch import."""


@hookspec
def ganzoo_datasets() -> list[type[DataSource]]:  # type: ignore[empty-body]
    """The data sets this plugin adds: classes, not instances. No torch import."""


@hookspec
def ganzoo_callbacks(run: RunInfo) -> list[Callback]:  # type: ignore[empty-body]
    """Observers of one run, made when it starts: see `ganzoo_core.callbacks.Callback`."""


@hookspec
def ganzoo_watchers() -> list[Callback]:  # type: ignore[empty-body]
    """Observers of one run that was started with --watch, which show it while it trains.

    A page for a browser leaves `live.html` in the run's folder, for this user alone to read, which leads on to it:
    `ganzoo report RUN --live` opens that. It goes when the run ends.
    """


@hookspec
def ganzoo_commands(cli: click.Group) -> None:
    """Add commands to `ganzoo` with `cli.add_command`. Import only click here; import the rest in the command's body.

    Name the entry point after the command: then `ganzoo NAME` imports that module and no other plugin.
    """


@dataclass(frozen=True)
class ReportSection:
    """A section of a run's page: a heading, and HTML below it, in which the plugin must escape all text."""

    title: str
    html: str


@hookspec
def ganzoo_report_sections(folder: Path, generator: Any) -> list[ReportSection]:  # type: ignore[empty-body]
    """Sections for report.html of the run in `folder`, in order. They come before its settings.

    `generator` is the run's `TrainedGenerator`, or None if it can't be loaded. A plugin that raises is left out of the
    page, with a warning.
    """


@dataclass(frozen=True)
class Metric:
    """A number that says how good a generator is, read as it trains: `ganzoo run --metric NAME`.

    `name`: what it is called there and in metrics.jsonl. `prepare(variant, data, data_dir, device)`, of the training
    `Dataset`, the folder that data sets are kept in and a torch device, is called once before the first step; it
    returns a function that makes the number of a `TrainedGenerator`, or raises a `GanzooError` that says why there can
    be none. Draw from no random generator but your own: a run with a metric makes the same weights as one without.
    """

    name: str
    higher_is_better: bool
    prepare: Callable[..., Callable[[Any], float]]


@hookspec
def ganzoo_metrics() -> list[Metric]:  # type: ignore[empty-body]
    """The metrics that this plugin adds, by which a run may be judged as it trains. No torch import."""


class _Specs(SimpleNamespace):
    """The hooks alone, as pluggy looks through all that an object says it has, once for each plugin."""

    def __dir__(self) -> list[str]:
        return list(vars(self))


SPECS: Any = _Specs(**{name: each for name, each in vars().items() if hasattr(each, f"{PROJECT}_spec")})
