"""The checks before a run is resumed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganzoo_core.data import Dataset
from ganzoo_core.errors import DataError, FileError, SettingError, UnknownNameError, shorten
from ganzoo_core.runs.metadata import RunMetadata
from ganzoo_core.runs.plan import Plan, resolve
from ganzoo_core.sampling.generator_file import installed, origin


def resumed_plan(path: Path, metadata: RunMetadata, values: dict[str, Any], texts: dict[str, str]) -> Plan:
    """The original run's plan, with the given steps and `texts`. Raises `SettingError` for other differences."""
    stored = metadata.settings
    _check_fits(path, metadata)
    new = {"data": values.get("data", stored["data"])}
    if _source(new["data"]) == _source(stored["data"]):  # a folder may have been moved: what it holds is compared
        requested = resolve(metadata.variant, stored | values).stored_settings()
        new = {key: requested[key] for key in values if key not in ("steps", "data")}
    if differences := _differences(stored, new):
        raise SettingError(
            f"{path} was begun with other settings: {differences}; to change one knowingly, name it in --set"
        )
    return resolve(metadata.variant, stored | values, texts)


def load_again(plan: Plan, load: Callable[[], Dataset]) -> Dataset:
    """What `load` gives. Raises `DataError`, with the way out where the place of the data is empty."""
    try:
        return load()
    except DataError as error:
        if plan.source.path is None or plan.source.path.exists():
            raise
        raise DataError(f"{error}; if it was moved, say where it is now: --data {plan.source.name}:PATH") from error


def check_same_data(path: Path, metadata: RunMetadata, dataset: Dataset, texts: dict[str, str]) -> Dataset:
    """The data under the run's own name for it, as a folder may be called otherwise now.

    Raises `SettingError` if a run would continue on different samples, unless `texts` name the data anew.
    """
    spec = dataset.spec
    if _source(spec.name) == _source(metadata.data.name):
        spec = replace(spec, name=metadata.data.name)
    if spec.classes != metadata.data.classes and sorted(spec.classes) == sorted(metadata.data.classes):
        raise SettingError(
            f"{path} was begun with the classes in another order, by an older ganzoo, which put 10 before 2; resume it "
            f"with {metadata.ganzoo}, or begin a new run"
        )
    if differences := _differences(metadata.data.to_dict(), spec.to_dict()):
        raise SettingError(
            f"{path} was begun on other data: {differences}; bring back what was there, or begin a new run"
        )
    same = metadata.data_digest in (dataset.digest, dataset.digest_as(spec.name))  # a folder's name counted once
    now = {"data_size": len(dataset)} | ({} if same else {"data_digest": dataset.digest})
    differences = _differences(metadata.to_dict(), now)
    if differences and "data" not in texts:
        raise SettingError(
            f"{path} was begun on other samples of {dataset.spec.name}: {differences}; bring back what was there, or "
            f"name the data in --set to go on with other samples knowingly"
        )
    return replace(dataset, spec=spec)


def _source(data: str) -> str:
    """The name of the data set, without the path behind it."""
    return data.partition(":")[0]


def _check_fits(path: Path, metadata: RunMetadata) -> None:
    """Raise `PluginError` without the run's variant, `FileError` where the one installed here has other settings."""
    name = metadata.variant
    _, plugin = installed(name, metadata.package, f"{path} is a run")
    try:
        resolve(name, metadata.settings)
    except (UnknownNameError, SettingError) as error:
        versions = origin(metadata.to_dict(), plugin)
        raise FileError(f"{path} does not fit the installed {name}: {error}; {versions}") from error


def _differences(old: dict[str, Any], new: dict[str, Any]) -> str:
    """What differs, in words; nothing where nothing does."""
    pairs = [(key, old.get(key), value) for key, value in new.items() if old.get(key) != value]
    return ", ".join(f"{key} was {shorten(repr(a))} and would be {shorten(repr(b))}" for key, a, b in pairs)
