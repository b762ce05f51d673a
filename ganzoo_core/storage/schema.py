"""What a JSON file from a stranger may hold: rules by field, and the checks they are made of. Needs nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from ganzoo_core.errors import FileError, shorten

Check = Callable[[Any], bool]
Rule = tuple[Check, str]  # and in words: what the value must be

LONGEST = 5000  # characters: paths have 4,096 bytes
TEXT = f"text of at most {LONGEST:,} characters"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,999}")
_SMALLEST, _LARGEST = 1e-100, 1e100  # with room to square and to add up


def check(path: Path, where: str, values: Any, rules: dict[str, Rule], optional: Collection[str] = ()) -> None:
    """Raise `FileError` where a table lacks a field that is not optional, has an unknown one, or breaks a rule.

    `where` says which table of the file it is, as in "changes: "; empty for the whole of it.
    """
    for name in rules:
        if not isinstance(values, dict) or (name not in values and name not in optional):
            raise FileError(f"{path} is damaged: it holds no {where}{name}")
    for field, value in values.items():
        if field not in rules:
            raise FileError(
                f"{path} is damaged, or of a newer ganzoo: it holds an unknown field {where}{shorten(repr(field))}"
            )
        is_kept, rule = rules[field]
        if not is_kept(value):
            raise FileError(f"{path} is damaged: {where}{field} must be {rule}, but is {shorten(repr(value))}")


def is_text(value: Any) -> bool:
    """Whether it is a text of some length at most."""
    return isinstance(value, str) and len(value) <= LONGEST


def is_name(value: Any) -> bool:
    """Whether it may be the name of a variant, or of a package."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def is_count(value: Any) -> bool:
    """Whether it is a whole number from 0 on that a float can tell from its neighbours."""
    return type(value) is int and 0 <= value < 2**53


def is_positive(value: Any) -> bool:
    """Whether it is a count above 0."""
    return is_count(value) and value > 0


def is_finite(value: Any) -> bool:
    """Whether it is a float, and neither NaN nor infinite."""
    return isinstance(value, float) and math.isfinite(value)


def is_number(value: Any) -> bool:
    """Whether it is a number that arithmetic can't take to infinity soon: 0, or between 1e-100 and 1e100 in size."""
    return type(value) in (int, float) and (value == 0 or _SMALLEST <= abs(value) <= _LARGEST)


def is_plain(value: Any) -> bool:
    """Whether a setting can have that value: a number, a text, a truth, none, or a list of such."""
    if isinstance(value, list):
        return not any(isinstance(v, list) for v in value) and all(map(is_plain, value))
    return value is None or isinstance(value, int) or is_text(value) or is_finite(value)


def optional(check: Check) -> Check:
    """Whether it is none, or what `check` allows."""
    return lambda value: value is None or check(value)


def list_of(check: Check) -> Check:
    """Whether it is a list of what `check` allows."""
    return lambda value: isinstance(value, list) and all(map(check, value))


def table(check: Check, **known: Check) -> Check:
    """Whether it is a table of texts to what `check` allows, or to what `known` says for that name."""
    return lambda value: (
        isinstance(value, dict) and all(is_text(name) and known.get(name, check)(item) for name, item in value.items())
    )
