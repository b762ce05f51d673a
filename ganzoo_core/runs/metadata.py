"""run.json: metadata and progress of a run. It may come from a stranger, so it is checked when read."""

from __future__ import annotations

import itertools
import platform
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError, FileError, shorten
from ganzoo_core.hookspecs import VERSION
from ganzoo_core.runs.plan import Plan, effective_settings
from ganzoo_core.storage import json_files
from ganzoo_core.storage.schema import (
    TEXT,
    Check,
    Rule,
    check,
    is_count,
    is_finite,
    is_name,
    is_number,
    is_plain,
    is_positive,
    is_text,
    list_of,
    table,
)

if TYPE_CHECKING:
    from ganzoo_core.data import Dataset

_DEEPEST = 5
_MOST_LEFT_OUT = 10_000  # names of files: a folder may hold a text beside each of a million images


@dataclass(frozen=True)
class RunMetadata:
    """What run.json holds. `ganzoo` and `package_version` are versions, `settings` all settings by name.

    `data_size`: the number of samples; `data_digest` tells them from others, `data_notes` how they were made.
    `parameters`: how many each network has. `environment`: versions, platform, device, precision, threads, processes.
    `seconds`: how long the run was to train, where its time ends it. `changes`: from which step on a resume changed
    what, a table each. `began_with`: whose weights it began with, as `training.begin` says it. `judged`: the last
    reading of its metric, the best one, and the share of the time that all of them took.
    """

    ganzoo: str
    variant: str
    package: str
    package_version: str
    settings: dict[str, Any]
    data: DataSpec
    data_size: int
    data_digest: str
    data_left_out: dict[str, str]
    data_left_out_count: int
    parameters: dict[str, int]
    environment: dict[str, Any]
    seconds: float | None = None
    changes: tuple[dict[str, Any], ...] = ()
    data_notes: tuple[str, ...] = ()
    began_with: dict[str, Any] | None = None
    judged: dict[str, Any] | None = None

    @classmethod
    def begin(
        cls,
        plan: Plan,
        dataset: Dataset,
        parameters: dict[str, int],
        device: str,
        precision: str,
        processes: int,
        seconds: float | None,
    ) -> Self:
        """The metadata of a run that begins, or goes on, here and now."""
        import torch

        return cls(
            ganzoo=VERSION,
            variant=plan.variant.name,
            package=plan.plugin.package,
            package_version=plan.plugin.version,
            settings=plan.stored_settings(),
            data=dataset.spec,
            data_size=len(dataset),
            data_digest=dataset.digest,
            data_left_out=dict(itertools.islice(dataset.left_out.items(), _MOST_LEFT_OUT)),
            data_left_out_count=len(dataset.left_out),
            parameters=parameters,
            environment={
                "python": platform.python_version(),
                "torch": torch.__version__,
                "platform": platform.platform(),
                "device": device,
                "precision": precision,
                "threads": torch.get_num_threads(),
                "processes": processes,
            },
            seconds=seconds,
            data_notes=dataset.notes,
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """The metadata in a run.json. Raises `FileError` where it is damaged, in a sentence that names the field."""
        values = json_files.read(path, _DEEPEST)
        check(path, "", values, _RULES, _OPTIONAL)
        for field, names in {"settings": _SETTINGS, "environment": _ENVIRONMENT}.items():
            for name in names:
                if name not in values[field]:
                    raise FileError(f"{path} is damaged: its {field} hold no {name}")
        try:
            spec = DataSpec.from_dict(values["data"])
        except (DataError, TypeError) as error:
            raise FileError(f"{path} is damaged: its data is none that there can be ({shorten(error)})") from error
        if len(spec.shape) != _DIMENSIONS.get(spec.kind, len(spec.shape)):
            rule = f"{spec.kind} must have {_DIMENSIONS[spec.kind]} dimensions, but are of shape {list(spec.shape)}"
            raise FileError(f"{path} is damaged: its data is none that there can be ({rule})")
        for change in values.get("changes", []):
            check(path, "changes: ", change, _CHANGE, _CHANGE.keys() - {"step"})
        settings = effective_settings(values["variant"], values["settings"])
        several = {name: tuple(values.get(name, ())) for name in ("changes", "data_notes")}
        return cls(**values | several | {"settings": settings, "data": spec})

    def to_dict(self) -> dict[str, Any]:
        """As JSON values: what run.json holds."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values |= {"data": self.data.to_dict(), "changes": list(self.changes), "data_notes": list(self.data_notes)}
        return {name: value for name, value in values.items() if name not in _OPTIONAL or value}

    def with_steps(self, steps: int) -> Self:
        """The same where the time has set the number of steps."""
        return replace(self, settings=self.settings | {"steps": steps})

    def judged_as(self, judged: dict[str, Any], metric_every: int | None) -> Self:
        """The same after a reading of the metric, and with how many steps there are between two."""
        return replace(self, judged=judged, settings=self.settings | {"metric_every": metric_every})

    def resumed_as(self, new: Self, step: int) -> Self:
        """What is `new`, and from which step on what differs from this: settings, versions, machine."""
        new = replace(new, began_with=self.began_with, judged=self.judged)
        before, after = self.to_dict(), new.to_dict()
        change = {name: _difference(before.get(name), after[name]) for name in after if before.get(name) != after[name]}
        changes = (*self.changes, {"step": step, **change}) if change else self.changes
        return replace(new, changes=changes)


def _difference(old: Any, new: Any) -> Any:
    """What is new: of two dictionaries the entries that differ."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {key: value for key, value in new.items() if old.get(key) != value}


def _is_never(value: Any) -> bool:
    return False


def _is_seed(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_time(value: Any) -> bool:
    return (type(value) is int or is_finite(value)) and 0 < value < 2**53


_JUDGED: dict[str, Check] = {
    "metric": is_name, "step": is_count, "value": is_number, "best_step": is_count, "best": is_number,
    "share": is_number,
}  # fmt: skip


def _is_judged(value: Any) -> bool:
    return table(_is_never, **_JUDGED)(value) and value.keys() == _JUDGED.keys()


# Known to every run, and counted on by its page; a variant's own settings are checked by the variant, on a resume.
_SETTINGS: dict[str, Check] = {"data": is_text, "seed": _is_seed, "steps": is_positive, "batch_size": is_positive}
_ENVIRONMENT: dict[str, Check] = {
    "python": is_text,
    "torch": is_text,
    "platform": is_text,
    "device": is_text,
    "precision": is_text,
    "threads": is_positive,
    "processes": is_positive,
}

_RULES: dict[str, Rule] = {
    "ganzoo": (is_text, TEXT),
    "variant": (is_name, "the name of a variant"),
    "package": (is_name, "the name of a package"),
    "package_version": (is_text, TEXT),
    "settings": (table(is_plain, **_SETTINGS), "a table of settings, seed, steps and batch_size whole numbers in it"),
    "data": (table(is_plain, columns=list_of(table(is_plain))), "a table of plain values, and of columns"),
    "data_size": (is_positive, "a whole number above 0"),
    "data_digest": (is_text, TEXT),
    "data_left_out": (table(is_text), "a table of texts"),
    "data_left_out_count": (is_count, "a whole number"),
    "data_notes": (list_of(is_text), "a list of texts"),
    "parameters": (table(is_count), "a table of whole numbers"),
    "seconds": (_is_time, "a number above 0"),
    "environment": (table(_is_never, **_ENVIRONMENT), f"a table of {', '.join(_ENVIRONMENT)}"),
    "changes": (list_of(lambda change: isinstance(change, dict)), "a list of tables"),
    "began_with": (
        table(_is_never, source=is_text, sha256=is_text, step=is_count, taken=is_positive, left=list_of(is_text)),
        "a table of source, sha256, step, taken and left",
    ),
    "judged": (_is_judged, "a table of metric, step, value, best_step, best and share"),
}
_DIMENSIONS = {"images": 3, "voxels": 4}  # which what draws them counts on
_FIXED = {"variant", "data", "changes", "began_with", "judged"}  # no resume changes these
_OPTIONAL = {"seconds", "changes", "data_notes", "began_with", "judged"}
_CHANGE: dict[str, Rule] = {"step": (is_count, "a whole number")} | {k: r for k, r in _RULES.items() if k not in _FIXED}
