"""run.json: metadata and progress of a run. It may come from a stranger, so it is checked when read."""

from __future__ import annotations

import itertools
import math
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError, FileError, shorten
from ganzoo_core.hookspecs import VERSION
from ganzoo_core.runs.plan import Plan, effective_settings
from ganzoo_core.storage import json_files

if TYPE_CHECKING:
    from ganzoo_core.data import Dataset

Check = Callable[[Any], bool]
Rule = tuple[Check, str]

_LONGEST = 5000  # characters: paths have 4,096 bytes
_DEEPEST = 5
_MOST_LEFT_OUT = 10_000  # names of files: a folder may hold a text beside each of a million images
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,999}")  # a variant's, or a package's


@dataclass(frozen=True)
class RunMetadata:
    """What run.json holds. `ganzoo` and `package_version` are versions, `settings` all settings by name.

    `data_size`: the number of samples; `data_digest` tells them from others, `data_notes` how they were made.
    `parameters`: how many each network has. `environment`: versions, platform, device, precision, threads, processes.
    `seconds`: how long the run was to train, where its time ends it. `changes`: from which step on a resume changed
    what, a table each.
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
        for name in _REQUIRED:
            if not isinstance(values, dict) or name not in values:
                raise FileError(f"{path} is damaged: it holds no {name}")
        _check(path, "", values, _RULES)
        for table, names in {"settings": _SETTINGS, "environment": _ENVIRONMENT}.items():
            for name in names:
                if name not in values[table]:
                    raise FileError(f"{path} is damaged: its {table} hold no {name}")
        try:
            spec = DataSpec.from_dict(values["data"])
        except (DataError, TypeError) as error:
            raise FileError(f"{path} is damaged: its data is none that there can be ({shorten(error)})") from error
        for change in values.get("changes", []):
            _check(path, "changes: ", change, {"step": _STEP} | {k: r for k, r in _RULES.items() if k not in _FIXED})
            if "step" not in change:
                raise FileError(f"{path} is damaged: its changes hold no step")
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

    def resumed_as(self, new: Self, step: int) -> Self:
        """What is `new`, and from which step on what differs from this: settings, versions, machine."""
        before, after = self.to_dict(), new.to_dict()
        change = {name: _difference(before.get(name), after[name]) for name in after if before.get(name) != after[name]}
        changes = (*self.changes, {"step": step, **change}) if change else self.changes
        return replace(new, changes=changes)


def _difference(old: Any, new: Any) -> Any:
    """What is new: of two dictionaries the entries that differ."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {key: value for key, value in new.items() if old.get(key) != value}


def _check(path: Path, where: str, values: dict[str, Any], rules: dict[str, Rule]) -> None:
    for field, value in values.items():
        if field not in rules:
            raise FileError(
                f"{path} is damaged, or of a newer ganzoo: it holds an unknown field {where}{shorten(repr(field))}"
            )
        is_kept, rule = rules[field]
        if not is_kept(value):
            raise FileError(f"{path} is damaged: {where}{field} must be {rule}, but is {shorten(repr(value))}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _is_plain(value: Any) -> bool:
    """Whether a setting can have that value: a number, a text, a truth, none, or a list of such."""
    if isinstance(value, list):
        return not any(isinstance(v, list) for v in value) and all(map(_is_plain, value))
    return value is None or isinstance(value, int) or _is_text(value) or _is_finite(value)


def _is_finite(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _is_never(value: Any) -> bool:
    return False


def _table(check: Check, **known: Check) -> Check:
    """Whether a value is a table of texts to what `check` allows, or to what `known` says for that name."""
    return lambda value: (
        isinstance(value, dict) and all(_is_text(name) and known.get(name, check)(item) for name, item in value.items())
    )


def _is_seed(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_positive(value: Any) -> bool:
    return _is_count(value) and value > 0


def _is_time(value: Any) -> bool:
    return (type(value) is int or _is_finite(value)) and 0 < value < 2**53


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


# Known to every run, and counted on by its page; a variant's own settings are checked by the variant, on a resume.
_SETTINGS: dict[str, Check] = {"data": _is_text, "seed": _is_seed, "steps": _is_positive, "batch_size": _is_positive}
_ENVIRONMENT: dict[str, Check] = {
    "python": _is_text,
    "torch": _is_text,
    "platform": _is_text,
    "device": _is_text,
    "precision": _is_text,
    "threads": _is_positive,
    "processes": _is_positive,
}

_TEXT = f"text of at most {_LONGEST:,} characters"
_RULES: dict[str, Rule] = {
    "ganzoo": (_is_text, _TEXT),
    "variant": (_is_name, "the name of a variant"),
    "package": (_is_name, "the name of a package"),
    "package_version": (_is_text, _TEXT),
    "settings": (_table(_is_plain, **_SETTINGS), "a table of settings, seed, steps and batch_size whole numbers in it"),
    "data": (_table(_is_plain), "a table of plain values"),
    "data_size": (_is_positive, "a whole number above 0"),
    "data_digest": (_is_text, _TEXT),
    "data_left_out": (_table(_is_text), "a table of texts"),
    "data_left_out_count": (_is_count, "a whole number"),
    "data_notes": (_is_list_of_texts, "a list of texts"),
    "parameters": (_table(_is_count), "a table of whole numbers"),
    "seconds": (_is_time, "a number above 0"),
    "environment": (_table(_is_never, **_ENVIRONMENT), f"a table of {', '.join(_ENVIRONMENT)}"),
    "changes": (_is_list_of_tables, "a list of tables"),
}
_FIXED = {"variant", "data", "changes"}  # no resume changes these
_OPTIONAL = {"seconds", "changes", "data_notes"}
_REQUIRED = [field for field in _RULES if field not in _OPTIONAL]
_STEP: Rule = (_is_count, "a whole number")
