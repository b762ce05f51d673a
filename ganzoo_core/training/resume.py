"""The checks before a run is resumed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError, FileError, SettingError, UnknownNameError, shorten
from ganzoo_core.networks import own_state
from ganzoo_core.runs.metadata import RunMetadata
from ganzoo_core.runs.plan import Plan, resolve
from ganzoo_core.sampling.generator_file import installed, origin, warn_of_other_version
from ganzoo_core.storage import tensor_files, untrusted
from ganzoo_core.storage.names import one_line
from ganzoo_core.training.phases import spans

_FREE = {"steps", "data", "metric", "metric_every", "until", "patience"}  # which change nothing in what was trained


def resumed_plan(path: Path, metadata: RunMetadata, values: dict[str, Any], texts: dict[str, str]) -> Plan:
    """The original run's plan, with the given steps and `texts`. Raises `SettingError` for other differences."""
    stored = metadata.settings
    _check_fits(path, metadata)
    new = {"data": values.get("data", stored["data"])}
    if _source(new["data"]) == _source(stored["data"]):  # a folder may have been moved: what it holds is compared
        requested = resolve(metadata.variant, stored | values).stored_settings()
        new = {key: requested[key] for key in values if key not in _FREE}
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


def same_data(path: Path, metadata: RunMetadata, plan: Plan, dataset: Dataset, texts: dict[str, str]) -> Dataset:
    """The data set as the run goes on with it: under the name that it had, wherever the same samples lie now.

    Raises `SettingError` if they are other samples, unless `texts` name the data or change an option of it.
    """
    begun, options = metadata.data, set(plan.source.options.names())
    spec = dataset.spec
    if _source(spec.name) == _source(begun.name):
        spec = replace(spec, name=begun.name)
    if spec.classes != begun.classes and sorted(spec.classes) == sorted(begun.classes):
        raise SettingError(
            f"{path} was begun with the classes in another order, by an older ganzoo, which put 10 before 2; resume it "
            f"with {metadata.ganzoo}, or begin a new run"
        )
    if differences := _differences(begun.to_dict(), spec.to_dict()):
        if changed := _changed(metadata, plan, {"data", *options}):
            raise SettingError(
                f"{path} can't go on with other data: {changed}, which makes {differences}; "
                f"leave it as it was, or begin a new run"
            )
        raise SettingError(
            f"{path} was begun on other data: {differences}; bring back what was there, or begin a new run"
        )
    same = metadata.data_digest in (dataset.digest, dataset.digest_as(spec.name))  # a folder's name counted once
    now = {"data_size": len(dataset)} | ({} if same else {"data_digest": dataset.digest})
    differences = _differences(metadata.to_dict(), now)
    if differences and "data" not in texts and not _changed(metadata, plan, options):
        raise SettingError(
            f"{path} was begun on other samples of {dataset.spec.name}: {differences}; bring back what was there, or "
            f"name the data in --set to go on with other samples knowingly"
        )
    return replace(dataset, spec=spec)


def check_phases(path: Path, metadata: RunMetadata, plan: Plan, step: int) -> None:
    """Raise `SettingError` where a phase that was begun by `step` would have begun at another step."""
    before = resolve(metadata.variant, metadata.settings).variant
    was, now = (
        [f"{span.name} at step {span.start}" for span in spans(one, metadata.data) if span.start < step]
        for one in (before, plan.variant)
    )
    if was != now:
        changed = _changed(metadata, plan, set(plan.variant.config.names()))
        raise SettingError(
            f"{path} stands at step {step}, and its phases can't be others before it: {changed}, which begins "
            f"{', '.join(now)}, where {', '.join(was)} began; leave it as it was, or begin a new run"
        )


def _source(data: str) -> str:
    """The name of the data set, without the path behind it."""
    return data.partition(":")[0]


@contextlib.contextmanager
def held_to_checkpoint(
    checkpoint: Path, metadata: RunMetadata, plan: Plan, spec: DataSpec, tensors: dict[str, Tensor]
) -> Iterator[None]:
    """See that the plan's networks are those of the checkpoint before any is made, and make none far larger inside.

    Raises `SettingError` where a changed setting makes others, `FileError` where run.json and the checkpoint differ. A
    run that was killed before its first checkpoint has no `tensors` to be held to.
    """
    if not tensors:
        yield
        return
    shapes, _ = tensor_files.forms(tensors)
    variant = plan.variant
    variant.check_data(spec)
    # Not the loss, which may get tensors of its own once the networks are there.
    networks = {"generator": lambda: variant.generator(spec), "discriminator": lambda: variant.discriminator(spec)}
    known = True
    try:
        for name, new in networks.items():
            found = tensor_files.forms(tensor_files.part(tensors, name))
            known &= untrusted.check(new, name, checkpoint, *found, own_state)
    except FileError as error:
        if changed := _changed(metadata, plan, variant.config.names() - {"steps"}):
            raise SettingError(
                f"{checkpoint.parent} can't go on with other networks: {changed}; "
                f"leave it as it was, or begin a new run"
            ) from error
        raise
    try:
        with untrusted.bounded(checkpoint, shapes):
            yield
    except (RuntimeError, TypeError) as error:  # what torch raises for sizes that there can't be
        if known:
            raise
        reason = shorten(f"{type(error).__name__}: {one_line(error)}")
        raise FileError(f"{checkpoint} does not fit this run: making its networks fails ({reason})") from error


def _check_fits(path: Path, metadata: RunMetadata) -> None:
    """Raise `FileError` where the run's variant is another here: of another package, or with other settings.

    Raises `PluginError` without it, and warns of another version.
    """
    name, header = metadata.variant, metadata.to_dict()
    _, plugin = installed(header, path, "is a run")
    try:
        resolve(name, metadata.settings)
    except (UnknownNameError, SettingError) as error:
        raise FileError(f"{path} does not fit the installed {name}: {error}; {origin(header, plugin)}") from error
    warn_of_other_version(path, header, plugin, "it may go on otherwise than there")


def _changed(metadata: RunMetadata, plan: Plan, names: set[str]) -> str:
    """Which of these settings are others in the plan than in the run, in words."""
    return _differences(metadata.settings, {k: v for k, v in plan.stored_settings().items() if k in names})


def _differences(old: dict[str, Any], new: dict[str, Any]) -> str:
    """What differs, in words; nothing where nothing does."""
    pairs = [(key, old.get(key), value) for key, value in new.items() if old.get(key) != value]
    return ", ".join(f"{key} was {shorten(repr(a))} and would be {shorten(repr(b))}" for key, a, b in pairs)
