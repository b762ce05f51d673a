"""The plan of a run: its own settings, the variant's and the data set's, and the owner of each."""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from ganzoo_core.errors import DataError, GanzooError, PluginError, SettingError, UnknownNameError
from ganzoo_core.registry import Plugin, registry
from ganzoo_core.runs.own import GIVEN
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.settings import Settings
from ganzoo_core.storage.names import one_line, shell_word
from ganzoo_core.variant import Config, DataSource, Variant

_S = TypeVar("_S", bound=Settings)


@dataclass(frozen=True)
class Plan:
    """A run as requested: the variant with its config, the data source with its options, the run's own settings."""

    plugin: Plugin
    variant: Variant
    source: DataSource
    run: RunSettings

    def settings(self) -> dict[str, Any]:
        """All settings by name, as JSON values."""
        return self.run.to_dict() | self.variant.config.to_dict() | self.source.options.to_dict()

    def stored_settings(self) -> dict[str, Any]:
        """The same; the data set by a name that is valid in every working directory."""
        data = self.run.data if self.source.path is None else f"{self.source.name}:{self.source.path}"
        return self.settings() | {"data": data}

    def with_steps(self, steps: int) -> Self:
        """The same plan with that many steps."""
        values = self.variant.config.to_dict() | {"steps": steps}
        return replace(self, variant=make_variant(type(self.variant), self.plugin, values))


def resolve(variant: str, values: Mapping[str, Any], texts: Mapping[str, str] | None = None) -> Plan:
    """Find the variant and the data set, and give each setting to its owner.

    `values` are typed (from TOML, flags or Python); `texts`, as typed in `--set KEY=VALUE`, override them. Raises
    `UnknownNameError`, `SettingError` or `PluginError`.
    """
    texts = texts or {}
    variant_class, plugin = registry().variant(variant)
    values = {"data": variant_class.default_data} | dict(values)
    data = str(texts.get("data", values["data"]))
    source_class, path = find_source(data)
    source_plugin = registry().dataset(source_class.name)[1]
    if shared := clash(variant_class, plugin, source_class, source_plugin):
        raise PluginError(shared)
    owners: list[type[Settings]] = [RunSettings, variant_class.Config, source_class.Options]
    parts: list[dict[str, Any]] = [{}, {}, {}]
    for key in [*values, *texts]:
        named = ("a run", variant_class.name, source_class.name)
        index = _owner(key, owners, named, variant_class.Sampling.names())
        parts[index][key] = owners[index].parse(key, texts[key]) if key in texts else values[key]
    return Plan(
        plugin,
        make_variant(variant_class, plugin, parts[1]),
        make_source(source_class, source_plugin, parts[2], absolute(path)),
        RunSettings.from_dict(parts[0]),
    )


def make_variant(cls: type[Variant], plugin: Plugin, values: Mapping[str, Any]) -> Variant:
    """The variant with these hyperparameters. Raises as `Settings.from_dict`, also where its own check refuses them."""
    return cls(_settled(cls.Config, values, f"{cls.name} ({plugin.source})"))


def make_source(cls: type[DataSource], plugin: Plugin, values: Mapping[str, Any], path: Path | None) -> DataSource:
    """The data source with these options. Raises as `make_variant`."""
    return cls(_settled(cls.Options, values, f"{cls.name} ({plugin.source})"), path)


def named_source(data: str, texts: Mapping[str, str] | None = None) -> DataSource:
    """The data source that `--data` names, its options as typed in `--set KEY=VALUE`. Raises as `resolve` does."""
    cls, path = find_source(data)
    texts = texts or {}
    for key in texts:
        if key not in cls.Options.names():
            raise UnknownNameError(f"option of the data set {cls.name}", key, cls.Options.names())
    values = {key: cls.Options.parse(key, text) for key, text in texts.items()}
    return make_source(cls, registry().dataset(cls.name)[1], values, absolute(path))


def _settled(settings: type[_S], values: Mapping[str, Any], owner: str) -> _S:
    try:
        return settings.from_dict(values)
    except ValueError as error:  # of a plugin's __post_init__; our own are no ValueErrors
        raise SettingError(f"{owner} refuses these settings: {one_line(error)}") from error


def find_source(name: str) -> tuple[type[DataSource], Path | None]:
    """The data source that `--data` names, and the path after the colon if it takes one.

    Raises `UnknownNameError`, `DataError` if a path is missing, or `PluginError` if its plugin is broken.
    """
    head, colon, rest = name.partition(":")
    try:
        source, _ = registry().dataset(head)
    except UnknownNameError as error:
        _check_no_path(name, error)
        if head == GIVEN:
            raise DataError(
                "the data that is called 'given' was given by a program; give it there again: data=..."
            ) from error
        raise
    if source.takes_path and not rest:
        raise DataError(f"the data set {head!r} needs a path: --data {head}:PATH")
    if colon and not source.takes_path:
        raise UnknownNameError("data set", name, registry().datasets())
    return source, Path(os.path.expanduser(rest)) if rest else None  # Path.expanduser raises for ~nobody


def _check_no_path(name: str, error: UnknownNameError) -> None:
    """Raise `DataError` where a path stands in the place of a data set's name."""
    path = os.path.expanduser(name)
    takers = [cls.name for cls, _ in registry().datasets().values() if cls.takes_path]
    if takers and os.path.exists(path):
        is_folder = os.path.isdir(path)
        named = " or ".join(shlex.quote(f"{taker}:{name if is_folder else 'FOLDER'}") for taker in takers)
        what = "a folder" if is_folder else "a file"
        way_out = "name it" if is_folder else "unpack it if it is an archive, and name the folder"
        raise DataError(f"{name!r} is {what} and no data set; {way_out} with --data {named}") from error


def absolute(path: Path | None) -> Path | None:
    """The path from the root on, so that a resume from elsewhere finds it. Raises `DataError` for what can be none."""
    try:
        return None if path is None else Path(os.path.realpath(path))  # Path.resolve raises for links in a circle
    except ValueError as error:
        raise DataError(f"{str(path)!r} can't be a path, as it holds a null character") from error


def owners(variant: str, settings: Mapping[str, Any]) -> list[type[Settings]]:
    """Whose the settings in a run.json are; its variant and its data set are left out where they are not installed."""
    found: list[type[Settings]] = [RunSettings]
    with contextlib.suppress(GanzooError):
        found.append(registry().variant(variant)[0].Config)
        found.append(find_source(settings["data"])[0].Options)
    return found


def effective_settings(variant: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in a run.json, but for those that turned out to be unused since it was written."""
    values = dict(settings)
    for owner in owners(variant, values):
        values = owner.effective(values)
    return values


def _owner(key: str, owners: list[type[Settings]], names: Sequence[str], sampling: set[str]) -> int:
    for index, owner in enumerate(owners):
        if key in owner.names():
            return index
    for owner, name in zip(owners, names, strict=True):
        owner.check_effect(key, name)
    if key in sampling:
        raise SettingError(
            f"{key} is an option of sampling, not of training; give it later: ganzoo sample RUN --set "
            f"{shell_word(key)}=..."
        )
    raise UnknownNameError("setting", key, set().union(*(owner.names() for owner in owners)))


def clash(variant: type[Variant], plugin: Plugin, source: type[DataSource], source_plugin: Plugin) -> str | None:
    """Which settings have two owners, and who must rename its own; None where there are none.

    A variant never meets the options of a data set whose kind it does not take.
    """
    options = source.Options.names() if source.kind in variant.kinds else set()
    named = [
        (f"the variant {variant.name} ({plugin.source})", variant.Config.names() - Config.names()),
        (f"the data set {source.name} ({source_plugin.source})", options),
    ]
    if source_plugin.is_core:
        named.reverse()  # whoever comes later must give way
    owners = [("every run", RunSettings.names()), ("every variant", Config.names()), *named]
    for (first, taken), (second, names) in itertools.combinations(owners, 2):
        if shared := sorted(taken & names):
            are = "are settings" if len(shared) > 1 else "is a setting"
            return f"{', '.join(shared)} {are} of {first} and of {second}; the latter must rename its own"
    return None
