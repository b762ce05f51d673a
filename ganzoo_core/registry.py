"""Finds plugins through entry points, isolates broken ones, resolves names.

Each entry point is loaded separately. One that raises is kept as a `Plugin` with its error and affects no other. If
several claim a name, the core's comes first, then the plugin whose entry point has that name: a look-up need import no
other. Otherwise the name is unusable, and requesting it names all claimants; their other offers stay usable.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

import ganzoo_core.hookspecs as hookspecs
from ganzoo_core.callbacks import Callback
from ganzoo_core.errors import Interrupted, MissingPluginError, PluginError, SettingError, UnknownNameError
from ganzoo_core.guards.clashes import settle_clashes
from ganzoo_core.guards.faults import frames, is_ctrl_c, module_of, place, said
from ganzoo_core.guards.process_state import SlowImports, process_kept
from ganzoo_core.hookspecs import Metric, ReportSection
from ganzoo_core.variant import NAME, NAME_RULE, DataSource, Variant, by_name

if TYPE_CHECKING:
    import click

    from ganzoo_core.callbacks import RunInfo

_T = TypeVar("_T")
_log = logging.getLogger("ganzoo")


def _new_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs.SPECS)
    return manager


@dataclass
class Plugin:
    """One entry point: where it comes from, and what it offers or why it can't be used.

    A broken one has an `error` and offers nothing. One that lost a name to a clash has an `error` that says so, and
    offers the rest. `typed`: of what the user brought along, the FILE.py:CLASS, or "" from Python. Each has its own
    plugin manager, so that no plugin can wrap or disturb another's hooks.
    """

    name: str
    package: str
    version: str
    module: str = ""
    hooks: list[str] = field(default_factory=list)
    variants: dict[str, type[Variant]] = field(default_factory=dict)
    datasets: dict[str, type[DataSource]] = field(default_factory=dict)
    commands: dict[str, click.Command] = field(default_factory=dict)
    error: str | None = None
    typed: str | None = None
    clashes: dict[tuple[str, str], str] = field(default_factory=dict)
    manager: pluggy.PluginManager = field(default_factory=_new_manager, repr=False)

    @property
    def source(self) -> str:
        """The package and its version, as error messages name them."""
        return f"{self.package} {self.version}"

    @property
    def is_core(self) -> bool:
        """Whether this is the core's own, or was in 0.1: no other plugin can take its names."""
        return self.package in {hookspecs.CORE_PACKAGE, *hookspecs.MOVED.values()}

    @property
    def is_own(self) -> bool:
        """Whether the user brought it along: its names come before all others."""
        return self.typed is not None

    def weights(self, variant: str) -> Traversable | None:
        """The trained weights that the package ships for a variant, its `weights/NAME.safetensors`, or None."""
        spec = getattr(sys.modules.get(self.module), "__spec__", None)
        if spec is None or not spec.parent:  # a plugin that is one file has no folder of its own
            return None
        file = resources.files(spec.parent).joinpath("weights", f"{variant}.safetensors")
        return file if file.is_file() else None


class Registry:
    """The plugins of one environment. Each entry point is loaded once, when first needed."""

    def __init__(self, entry_points: Iterable[metadata.EntryPoint]) -> None:
        self._entry_points = list(entry_points)
        self._loaded: dict[int, Plugin] = {}
        self._own: list[Plugin] = []

    def add(self, entry_point: Any) -> None:
        """Let what the user brought along come before all others; what had its name before is forgotten.

        Raises `PluginError` where it offers what is none.
        """
        with SlowImports() as imports:
            plugin = self._load(entry_point, imports)
        if plugin.error:
            raise PluginError(f"{plugin.package}: {plugin.error}")
        plugin.typed = entry_point.typed
        self._own = [plugin, *(one for one in self._own if (one.name, one.hooks) != (plugin.name, plugin.hooks))]

    def typed(self, variant: str) -> str | None:
        """What a user types for a variant of a file of theirs: FILE.py:CLASS; None for any other."""
        return next((plugin.typed or None for plugin in self._own if variant in plugin.variants), None)

    def plugins(self) -> list[Plugin]:
        """Every plugin, working or broken. Loads them all and marks name clashes as errors."""
        with SlowImports() as imports:
            plugins = [*self._own, *(self._plugin(entry_point, imports) for entry_point in self._entry_points)]
        settle_clashes(plugins, "variant", lambda plugin: plugin.variants)
        settle_clashes(plugins, "data set", lambda plugin: plugin.datasets)
        settle_clashes(plugins, "command", lambda plugin: plugin.commands)
        return plugins

    def variants(self) -> dict[str, tuple[type[Variant], Plugin]]:
        """Every usable variant by name, with the plugin it comes from."""
        pairs = [(name, (cls, p)) for p in self.plugins() for name, cls in p.variants.items()]
        return dict(sorted(pairs, key=lambda pair: pair[0]))

    def datasets(self) -> dict[str, tuple[type[DataSource], Plugin]]:
        """Every usable data set by name, with the plugin it comes from."""
        return {name: (cls, p) for p in self.plugins() for name, cls in p.datasets.items()}

    def variant(self, name: str) -> tuple[type[Variant], Plugin]:
        """The variant called `name`. Imports only the package whose entry point has that name, if there is one.

        Raises `UnknownNameError`, or `PluginError` if the plugin is broken or two claim the name.
        """
        return self._find(name, "variant", lambda plugin: plugin.variants, self.variants)

    def dataset(self, name: str) -> tuple[type[DataSource], Plugin]:
        """The data set called `name`. Raises as `variant` does."""
        return self._find(name, "data set", lambda plugin: plugin.datasets, self.datasets)

    def commands(self) -> dict[str, tuple[click.Command, Plugin]]:
        """Every usable plugin command by name, with the plugin it comes from."""
        return {name: (command, p) for p in self.plugins() for name, command in p.commands.items()}

    def command(self, name: str) -> tuple[click.Command, Plugin]:
        """The plugin command called `name`. Raises as `variant` does."""
        return self._find(name, "command", lambda plugin: plugin.commands, self.commands)

    def callbacks(self, run: RunInfo) -> list[Callback]:
        """The observers that plugins add to this run. Raises `PluginError` if one fails to create its own."""
        hook = "ganzoo_callbacks"
        return [callback for plugin in self._distinct() for callback in _offered(plugin, hook, Callback, run=run)]

    def metrics(self) -> list[Metric]:
        """What plugins can judge a run by as it trains. Raises `PluginError` if one fails to say what it has."""
        return [metric for plugin in self._distinct() for metric in _offered(plugin, "ganzoo_metrics", Metric)]

    def watchers(self) -> list[Callback]:
        """The observers that plugins have for a run that is watched. Raises `SettingError` where there are none."""
        found = [one for plugin in self._distinct() for one in _offered(plugin, "ganzoo_watchers", Callback)]
        if not found:
            raise SettingError(f"to watch a run takes a package that shows it: pip install {hookspecs.WATCHER}")
        return found

    def report_sections(self, folder: Path, generator: Any) -> list[ReportSection]:
        """The sections that plugins add to a run's page. A plugin that fails is left out with a warning."""
        found: list[ReportSection] = []
        for plugin in self._distinct():
            try:
                arguments = {"folder": folder, "generator": generator}
                found += _offered(plugin, "ganzoo_report_sections", ReportSection, **arguments)
            except PluginError as error:
                _log.warning("a section is missing on the page of %s: %s", folder, error)
        return found

    def _distinct(self) -> list[Plugin]:
        """The plugins, one of those that are the same module of one package."""
        return list({(plugin.package, plugin.module): plugin for plugin in reversed(self.plugins())}.values())[::-1]

    def _find(
        self,
        name: str,
        what: str,
        offers: Callable[[Plugin], dict[str, Any]],
        everything: Callable[[], dict[str, Any]],
    ) -> tuple[Any, Plugin]:
        for plugin in self._first_in_line(name):
            if name in offers(plugin):
                return offers(plugin)[name], plugin
        known = everything()
        if name in known:
            return known[name]
        for plugin in self.plugins():
            if (what, name) in plugin.clashes:
                raise PluginError(plugin.clashes[what, name])
            if plugin.error and plugin.name == name and not plugin.clashes:
                raise PluginError(f"the {what} {name!r} can't be used: {plugin.source}: {plugin.error}")
        if name in hookspecs.MOVED:
            raise MissingPluginError(what, name, hookspecs.MOVED[name])
        if what == "variant" and (package := known_packages().get(name)):
            raise MissingPluginError(what, name, package)
        raise UnknownNameError(what, name, known)

    def _first_in_line(self, name: str) -> Iterator[Plugin]:
        """The plugins with first claim to the name: the user's own, the core, then the one whose entry point has it."""
        yield from self._own
        named = [e for e in self._entry_points if e.name == name]
        core = [e for e in self._entry_points if e.dist is not None and e.dist.name == hookspecs.CORE_PACKAGE]
        for entry_point in [*core, *(named if len(named) == 1 else [])]:
            with SlowImports() as imports:
                plugin = self._plugin(entry_point, imports)
            yield plugin

    def _plugin(self, entry_point: metadata.EntryPoint, imports: SlowImports) -> Plugin:
        key = id(entry_point)
        if key not in self._loaded:
            self._loaded[key] = self._load(entry_point, imports)
        return self._loaded[key]

    @staticmethod
    def _load(entry_point: metadata.EntryPoint, imports: SlowImports) -> Plugin:
        dist = entry_point.dist
        identity = (entry_point.name, dist.name if dist else "unknown", dist.version if dist else "unknown")
        plugin = Plugin(*identity)
        try:
            with process_kept(plugin.source), imports.watched(plugin.source):
                _register(entry_point, plugin)
        except BaseException as error:  # whatever a stranger's import raises must not reach the others
            if is_ctrl_c(error):
                raise Interrupted(f"stopped by Ctrl-C while {plugin.source} was being imported") from error
            return Plugin(*identity, error=said(error))
        return plugin

    def fault(self, error: BaseException, owner: str | None = None) -> PluginError | None:
        """An exception as an error that names the plugin whose code it came from, and the last line of it there.

        None if it came from no plugin or from `owner`, whose command runs and may end, or if it is the user's Ctrl-C.
        """
        if is_ctrl_c(error):
            return None
        for frame in reversed(frames(error)):
            if source := self.source_of(module_of(frame)):
                return None if source == owner else PluginError(f"{source}: {said(error)} (at {place(frame)})")
        return None

    def source_of(self, module: str) -> str | None:
        """The plugin, as error messages name it, that a module belongs to; None for the core's and other people's."""
        package = module.partition(".")[0]
        for plugin in self._own:
            if plugin.module.partition(".")[0] == package:
                return plugin.source
        for entry_point in self._entry_points:
            dist = entry_point.dist
            if dist and dist.name != hookspecs.CORE_PACKAGE and entry_point.module.partition(".")[0] == package:
                return f"{dist.name} {dist.version}"
        return None


def _register(entry_point: metadata.EntryPoint, plugin: Plugin) -> None:
    """Import a plugin and note its offers. Raises whatever its import raises, and `PluginError` for invalid offers."""
    module = entry_point.load()
    plugin.module = entry_point.module
    api = getattr(module, "GANZOO_API", None)
    if type(api) is not int or api not in hookspecs.KEPT_VERSIONS:
        stated = "states no core API version (GANZOO_API)" if api is None else f"was written for core API {api!r}"
        raise PluginError(f"it {stated}; this core offers {' and '.join(map(str, hookspecs.KEPT_VERSIONS))}")
    plugin.manager.register(module)
    plugin.hooks = sorted(caller.name for caller in plugin.manager.get_hookcallers(module) or [])
    unknown = [hook for hook in plugin.hooks if not hasattr(hookspecs, hook)]
    if unknown:
        raise PluginError(f"it implements {', '.join(unknown)}, which is no hook of this core")
    if not plugin.hooks:
        raise PluginError("it implements no hook; mark its functions with @hookimpl")
    plugin.variants = by_name(_call(plugin, "ganzoo_variants"), Variant)
    plugin.datasets = by_name(_call(plugin, "ganzoo_datasets"), DataSource)
    plugin.commands = _commands_of(plugin)


def _call(plugin: Plugin, hook: str, **arguments: Any) -> list[Any]:
    """What a plugin returns from a hook; an empty list if it does not implement it."""
    if hook not in plugin.hooks:
        return []
    (answer,) = getattr(plugin.manager.hook, hook)(**arguments) or (None,)  # pluggy leaves an answer of None out
    if not isinstance(answer, list | tuple):
        raise PluginError(f"{hook} must return a list, but returned {type(answer).__name__}")
    return list(answer)


def _commands_of(plugin: Plugin) -> dict[str, click.Command]:
    """The commands that a plugin adds to a group of its own, so that it can't remove another's."""
    if "ganzoo_commands" not in plugin.hooks:
        return {}
    import click

    group = click.Group()
    plugin.manager.hook.ganzoo_commands(cli=group)
    for name, command in group.commands.items():
        if not NAME.fullmatch(name) or name != command.name:
            raise PluginError(f"a command must be named by {NAME_RULE}, but is called {name!r}")
    return dict(group.commands)


def _offered(plugin: Plugin, hook: str, kind: type[_T], **arguments: Any) -> list[_T]:
    """The instances of `kind` that a plugin returns from a hook. Raises `PluginError`, also if the hook raises."""
    try:
        with process_kept(plugin.source):
            offered = _call(plugin, hook, **arguments)
        for thing in offered:
            if not isinstance(thing, kind):
                raise PluginError(f"{hook} must offer instances of {kind.__name__}, but offers {thing!r}")
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        raise PluginError(f"{plugin.source} failed in {hook}: {said(error)}") from error
    return offered


def known_packages() -> dict[str, str]:
    """The variants of the catalogue whose packages are not installed, each with its package."""
    import tomllib

    text = resources.files(__package__).joinpath("catalogue.toml").read_text(encoding="utf-8")
    missing = [one for one in tomllib.loads(text)["plugin"] if not any(metadata.distributions(name=one["package"]))]
    return {variant: one["package"] for one in missing for variant in one["variants"]}


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


def who(offered: Variant | DataSource) -> str:
    """A variant or a data set as error messages name it, with its package where that is installed."""
    source = registry().source_of(type(offered).__module__)
    return f"{offered.name} ({source})" if source else offered.name
