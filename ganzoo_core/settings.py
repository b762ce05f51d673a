"""Frozen, validated, documented settings: the base of every Config and of every data set's options."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Self

from ganzoo_core.errors import SettingError, UnknownNameError, shorten

_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def option(
    default: Any,
    doc: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    """Declare one setting: its default, a one-line doc, and the rule its value keeps.

    `minimum` and `maximum` are inclusive and hold for each item of a tuple.
    """
    return field(default=default, metadata={"doc": doc, "minimum": minimum, "maximum": maximum, "choices": choices})


@dataclass(frozen=True)
class Option:
    """One setting as documentation shows it."""

    name: str
    type: str
    default: Any
    doc: str
    choices: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A frozen dataclass whose fields are declared with `option` and checked when it is made.

    A field's type is `int`, `float`, `bool`, `str`, `tuple[int, ...]` or the like, or one of these `| None`.
    Raises `SettingError` for a value of the wrong type or outside its rule.
    """

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for f in fields(self):
            object.__setattr__(self, f.name, _checked(f.name, hints[f.name], f.metadata, getattr(self, f.name)))

    @classmethod
    def options(cls) -> list[Option]:
        """Every setting with its type, default and doc, in the order declared."""
        hints = typing.get_type_hints(cls)
        return [
            Option(
                name=f.name,
                type=_type_name(hints[f.name]),
                default=None if f.default is MISSING else f.default,
                doc=f.metadata.get("doc", ""),
                choices=f.metadata.get("choices"),
            )
            for f in fields(cls)
        ]

    @classmethod
    def names(cls) -> set[str]:
        """The names of all settings."""
        return {f.name for f in fields(cls)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make settings from JSON or TOML values; the rest keep their defaults.

        Raises `UnknownNameError` for a key that is no setting, `SettingError` for a bad value.
        """
        for name in values:
            cls._check_name(name)
        return cls(**values)

    @classmethod
    def parse(cls, name: str, text: str) -> Any:
        """Read a value as it is typed on the command line: `KEY=VALUE`'s right side.

        Tuples are comma-separated; `none` stands for None where the type allows it. Raises as
        `from_dict` does.
        """
        cls._check_name(name)
        annotation = typing.get_type_hints(cls)[name]
        base, optional = _unwrap(annotation)
        if optional and text.lower() == "none":
            return None
        if typing.get_origin(base) is tuple:
            item = typing.get_args(base)[0]
            return tuple(_parse_scalar(name, item, part.strip()) for part in text.split(",") if part.strip())
        return _parse_scalar(name, base, text)

    @classmethod
    def _check_name(cls, name: str) -> None:
        if name not in cls.names():
            raise UnknownNameError("setting", name, cls.names())

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values."""
        pairs = ((f.name, getattr(self, f.name)) for f in fields(self))
        return {name: list(value) if isinstance(value, tuple) else value for name, value in pairs}


def _unwrap(annotation: Any) -> tuple[Any, bool]:
    """Split `X | None` into X and whether None is allowed."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        inner = [a for a in typing.get_args(annotation) if a is not type(None)]
        return inner[0], True
    return annotation, False


def _type_name(annotation: Any) -> str:
    base, optional = _unwrap(annotation)
    is_tuple = typing.get_origin(base) is tuple
    name = f"{typing.get_args(base)[0].__name__},..." if is_tuple else base.__name__
    return f"{name} or none" if optional else name


def _parse_scalar(name: str, kind: type, text: str) -> Any:
    lowered = text.lower()
    if kind is bool:
        if lowered in ("true", "yes", "on", "1"):
            return True
        if lowered in ("false", "no", "off", "0"):
            return False
    elif kind is str:
        return text
    else:
        try:
            return kind(text)
        except ValueError:
            pass
    raise SettingError(f"{name} must be {_KINDS[kind]}, but is {shorten(repr(text))}")


def _checked(name: str, annotation: Any, rule: Mapping[str, Any], value: Any) -> Any:
    base, optional = _unwrap(annotation)
    if value is None and optional:
        return None
    if typing.get_origin(base) is tuple:
        if not isinstance(value, list | tuple):
            raise SettingError(f"{name} must be a list, but is {shorten(repr(value))}")
        return tuple(_checked_scalar(name, typing.get_args(base)[0], rule, item) for item in value)
    return _checked_scalar(name, base, rule, value)


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _checked_scalar(name: str, kind: type, rule: Mapping[str, Any], value: Any) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = _as_float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise SettingError(f"{name} must be {_KINDS[kind]}, but is {shorten(repr(value))}")
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingError(f"{name} must be a finite number, but is {shorten(value)}")
    low, high, choices = rule.get("minimum"), rule.get("maximum"), rule.get("choices")
    if low is not None and value < low:
        raise SettingError(f"{name} must be at least {low}, but is {shorten(value)}")
    if high is not None and value > high:
        raise SettingError(f"{name} must be at most {high}, but is {shorten(value)}")
    if choices is not None and value not in choices:
        raise SettingError(f"{name} must be one of {', '.join(choices)}, but is {shorten(repr(value))}")
    return value
