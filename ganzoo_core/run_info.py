"""What run.json may hold. It may come from a stranger, and whoever reads a run counts on it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganzoo_core import json_files
from ganzoo_core.errors import DataError, FileError, shorten
from ganzoo_core.variant import DataSpec

Check = Callable[[Any], bool]
Rule = tuple[Check, str]

_LONGEST = 5000  # characters: paths have 4,096 bytes
_DEEPEST = 5
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,999}")  # a variant's, or a package's


def read(path: Path) -> dict[str, Any]:
    """The information in run.json. Raises `FileError` where it is damaged, in a sentence that names the field."""
    info = json_files.read(path, _DEEPEST)
    for field in _REQUIRED:
        if not isinstance(info, dict) or field not in info:
            raise FileError(f"{path} is damaged: it holds no {field}")
    _check(path, "", info, _RULES)
    for table, fields in {"settings": list(_SETTINGS), "environment": _OF_OLD}.items():
        for field in fields:
            if field not in info[table]:
                raise FileError(f"{path} is damaged: its {table} hold no {field}")
    try:
        DataSpec.from_dict(info["data"])
    except (DataError, TypeError) as error:
        raise FileError(f"{path} is damaged: its data is none that there can be ({shorten(error)})") from error
    for change in info.get("changes", []):
        _check(path, "changes: ", change, {"step": _STEP} | {k: r for k, r in _RULES.items() if k not in _FIXED})
        if "step" not in change:
            raise FileError(f"{path} is damaged: its changes hold no step")
    return info


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
_OF_OLD = ["python", "torch", "platform", "device", "threads"]  # a page counts on them

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
    "parameters": (_table(_is_count), "a table of whole numbers"),
    "seconds": (_is_time, "a number above 0"),
    "environment": (_table(_is_never, **_ENVIRONMENT), f"a table of {', '.join(_ENVIRONMENT)}"),
    "changes": (_is_list_of_tables, "a list of tables"),
}
_FIXED = {"variant", "data", "changes"}  # no resume changes these
_OPTIONAL = {
    "data_size",
    "data_digest",
    "data_left_out",
    "data_left_out_count",
    "seconds",
    "changes",
}  # older runs lack them
_REQUIRED = [field for field in _RULES if field not in _OPTIONAL]
_STEP: Rule = (_is_count, "a whole number")
