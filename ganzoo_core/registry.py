"""Finds plugins through entry points, isolates broken ones, resolves names.

Each entry point is loaded by itself. One that raises is kept as a `Plugin` with its error and harms nobody else.
Two plugins that claim one name: neither gets it, and asking for it names both.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from ganzoo_core import hookspecs
from ganzoo_core.errors import PluginError, UnknownNameError
from ganzoo_core.variant import DataSource, Variant

if TYPE_CHECKING:
    from ganzoo_core.callbacks import Callback, RunInfo


@dataclass
class Plugin:
    """One entry point: where it comes from, what it offers, or why it can't be used."""

    name: str
    package: str
    version: str
    hooks: list[str] = field(default_factory=list)
    variants: dict[str, type[Variant]] = field(default_factory=dict)
    datasets: dict[str, type[DataSource]] = field(default_factory=dict)
    error: str | None = None

    @property
    def source(self) -> str:
        """The package and its version, as error messages name them."""
        return f"{self.package} {self.version}"


class Registry:
    """The plugins of one environment. Loads an entry point on the first need of it, once."""

    def __init__(self, entry_points: Iterable[metadata.EntryPoint]) -> None:
        self._entry_points = list(entry_points)
        self._loaded: dict[int, Plugin] = {}
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)

    def plugins(self) -> list[Plugin]:
        """Every plugin, working or broken, after loading them all; name clashes are marked as errors."""
        plugins = [self._plugin(entry_point) for entry_point in self._entry_points]
        for offer in ("variants", "datasets"):
            self._mark_clashes(plugins, offer)
        return plugins

    def variants(self) -> dict[str, tuple[type[Variant], Plugin]]:
        """Every usable variant by name, with the plugin it comes from."""
        pairs = [(name, (cls, p)) for p in self.plugins() if not p.error for name, cls in p.variants.items()]
        return dict(sorted(pairs, key=lambda pair: pair[0]))

    def datasets(self) -> dict[str, tuple[type[DataSource], Plugin]]:
        """Every usable data set by name, with the plugin it comes from."""
        return {name: (cls, p) for p in self.plugins() if not p.error for name, cls in p.datasets.items()}

    def variant(self, name: str) -> tuple[type[Variant], Plugin]:
        """The variant called `name`. Imports only the package whose entry point has that name, where there is one.

        Raises `UnknownNameError`, or `PluginError` where the plugin is broken or two claim the name.
        """
        return self._find(name, "variant", lambda plugin: plugin.variants, self.variants)

    def dataset(self, name: str) -> tuple[type[DataSource], Plugin]:
        """The data set called `name`. Raises as `variant` does."""
        return self._find(name, "data set", lambda plugin: plugin.datasets, self.datasets)

    def callbacks(self, run: RunInfo) -> list[Callback]:
        """The observers that all working plugins want on this run."""
        offers = [self._call(p.name, "ganzoo_callbacks", run=run) for p in self.plugins() if not p.error]
        return [callback for offer in offers for callback in offer]

    def _find(
        self,
        name: str,
        what: str,
        offers: Callable[[Plugin], dict[str, Any]],
        everything: Callable[[], dict[str, Any]],
    ) -> tuple[Any, Plugin]:
        named = [e for e in self._entry_points if e.name == name]
        if len(named) == 1:
            plugin = self._plugin(named[0])
            if plugin.error is None and name in offers(plugin):
                return offers(plugin)[name], plugin
        known = everything()
        if name in known:
            return known[name]
        for plugin in self.plugins():
            if plugin.error and (plugin.name == name or name in offers(plugin)):
                raise PluginError(f"the {what} {name!r} can't be used: {plugin.source}: {plugin.error}")
        raise UnknownNameError(what, name, known)

    def _plugin(self, entry_point: metadata.EntryPoint) -> Plugin:
        key = id(entry_point)
        if key not in self._loaded:
            self._loaded[key] = self._load(entry_point)
        return self._loaded[key]

    def _load(self, entry_point: metadata.EntryPoint) -> Plugin:
        dist = entry_point.dist
        plugin = Plugin(entry_point.name, dist.name if dist else "unknown", dist.version if dist else "unknown")
        try:
            with contextlib.redirect_stdout(sys.stderr):  # stdout is for results, `--json` above all
                self._register(entry_point, plugin)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's import raises must not reach the others
            plugin.error = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
        except SystemExit as error:
            plugin.error = f"it ended the program at import (exit code {error.code})"
        return plugin

    def _register(self, entry_point: metadata.EntryPoint, plugin: Plugin) -> None:
        module = entry_point.load()
        api = getattr(module, "GANZOO_API", None)
        if api != hookspecs.API_VERSION:
            stated = "states no core API version (GANZOO_API)" if api is None else f"was written for core API {api!r}"
            raise PluginError(f"{stated}; this core offers {hookspecs.API_VERSION}")
        self._manager.register(module, name=plugin.name)
        plugin.hooks = sorted(caller.name for caller in self._manager.get_hookcallers(module) or [])
        unknown = [hook for hook in plugin.hooks if not hasattr(hookspecs, hook)]
        if unknown:
            raise PluginError(f"it implements {', '.join(unknown)}, which is no hook of this core")
        plugin.variants = _by_name(self._call(plugin.name, "ganzoo_variants"), Variant)
        plugin.datasets = _by_name(self._call(plugin.name, "ganzoo_datasets"), DataSource)

    def _call(self, plugin_name: str, hook: str, **arguments: Any) -> list[Any]:
        """What one plugin answers to one hook: an empty list where it does not implement it."""
        others = [p for name, p in self._manager.list_name_plugin() if name != plugin_name and p is not None]
        answers = self._manager.subset_hook_caller(hook, remove_plugins=others)(**arguments)
        for answer in answers:
            if not isinstance(answer, list | tuple):
                raise PluginError(f"{hook} must return a list, but returned {type(answer).__name__}")
        return [item for answer in answers for item in answer]

    @staticmethod
    def _mark_clashes(plugins: list[Plugin], offer: str) -> None:
        claims: dict[str, list[Plugin]] = {}
        for plugin in plugins:
            for name in getattr(plugin, offer):
                claims.setdefault(name, []).append(plugin)
        for name, owners in claims.items():
            if len(owners) > 1:
                both = " and ".join(owner.source for owner in owners)
                for owner in owners:
                    owner.error = owner.error or f"the name {name!r} is claimed by {both}; uninstall one of them"


def _by_name(classes: list[Any], base: type) -> dict[str, Any]:
    """Check what a plugin offers, and key it by name."""
    needed = {Variant: ("name", "title", "paper", "year"), DataSource: ("name", "title", "origin")}[base]
    found: dict[str, Any] = {}
    for cls in classes:
        if not (inspect.isclass(cls) and issubclass(cls, base)):
            raise PluginError(f"it must offer subclasses of {base.__name__}, but offers {cls!r}")
        missing = [attribute for attribute in needed if not getattr(cls, attribute, None)]
        if missing:
            raise PluginError(f"{cls.__name__} does not state its {', '.join(missing)}")
        if inspect.isabstract(cls):
            raise PluginError(f"{cls.__name__} lacks {', '.join(sorted(cls.__abstractmethods__))}")
        if cls.name in found:
            raise PluginError(f"it offers two called {cls.name!r}")
        found[cls.name] = cls
    return found


def _allowed(entry_point: metadata.EntryPoint, allowed: set[str]) -> bool:
    return entry_point.name in allowed or (entry_point.dist is not None and entry_point.dist.name in allowed)


@functools.cache
def registry() -> Registry:
    """The registry of this environment. `GANZOO_PLUGINS=a,b` limits it to those entry points or packages."""
    entry_points = metadata.entry_points(group=hookspecs.ENTRY_POINT_GROUP)
    limit = os.environ.get("GANZOO_PLUGINS")
    if limit is not None:
        allowed = {name.strip() for name in limit.split(",") if name.strip()}
        return Registry(e for e in entry_points if _allowed(e, allowed))
    return Registry(entry_points)


def find_source(name: str) -> tuple[type[DataSource], Path | None]:
    """The data source that `--data` names, and the path behind the colon where it takes one.

    Raises `UnknownNameError`, or `PluginError` where its plugin is broken.
    """
    head, colon, rest = name.partition(":")
    source, _ = registry().dataset(head)
    if source.takes_path and not rest:
        raise PluginError(f"the data set {head!r} needs a path: --data {head}:PATH")
    if colon and not source.takes_path:
        raise UnknownNameError("data set", name, registry().datasets())
    return source, Path(rest).expanduser() if rest else None
