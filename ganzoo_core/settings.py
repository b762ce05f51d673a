"""Frozen, validated, documented settings: the base of every Config and of every data set's options."""

from __future__ import annotations

import functools
import inspect
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, NamedTuple, Self

from ganzoo_core.errors import PluginError, SettingError, UnknownNameError, shorten

_LARGEST = 3.4e38  # of float32
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def option(
    default: Any,
    doc: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    """Declare one setting: its default, a one-line doc, and the rule that its value must satisfy.

    `minimum` and `maximum` are inclusive and apply to each item of a tuple.
    """
    return field(default=default, metadata={"doc": doc, "minimum": minimum, "maximum": maximum, "choices": choices})


@dataclass(frozen=True)
class Option:
    """One setting, as the documentation shows it."""

    name: str
    type: str
    default: Any
    doc: str
    choices: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A frozen dataclass whose fields are declared with `option` and checked on construction.

    A field's type is `int`, `float`, `bool`, `str`, a tuple such as `tuple[int, ...]`, or one of these `| None`. Raises
    `SettingError` for a value of the wrong type or outside its rule. Check rules across fields in a subclass's
    `__post_init__`, after `super().__post_init__()`: raise `ValueError` with a sentence.

    A subclass may give an inherited setting another default, `steps: int = 500`: its doc and its rule stay.

    `unused` maps inherited settings that have no effect here to the reason. They keep their defaults, are not listed,
    and setting one raises `SettingError`. A subclass that declares one again makes it usable again.
    """

    unused: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let a plain default keep the doc and the rule that the setting has further up."""
        super().__init_subclass__(**kwargs)
        inherited = getattr(cls, "__dataclass_fields__", {})
        for name in inspect.get_annotations(cls).keys() & inherited.keys():
            default = vars(cls).get(name, MISSING)
            if default is not MISSING and not isinstance(default, Field):
                setattr(cls, name, field(default=default, metadata=inherited[name].metadata))

    def __post_init__(self) -> None:
        idle = self._idle()
        for f in fields(self):
            kind = self._types()[f.name]
            object.__setattr__(self, f.name, _checked(f.name, kind, f.metadata, getattr(self, f.name)))
            if f.name in idle and getattr(self, f.name) != f.default:
                self.check_effect(f.name, type(self).__name__)

    @classmethod
    def _types(cls) -> dict[str, _Type]:
        """The type of every setting. Raises `PluginError` for an unsupported type."""
        hints = {name: kind for owner in reversed(cls.__mro__) for name, kind in _hints(owner).items()}
        return {f.name: _read_type(f"{cls.__module__}.{cls.__name__}.{f.name}", hints[f.name]) for f in fields(cls)}

    @classmethod
    def _idle(cls) -> dict[str, str]:
        """Why each setting that has no effect here has none."""
        found: dict[str, str] = {}
        for owner in filter(is_dataclass, cls.__mro__):
            declared = {f.name: f for f in fields(owner)}
            stated = {} if "unused" in declared else vars(owner).get("unused", {})
            where = f"{owner.__module__}.{owner.__name__}.unused"
            if not isinstance(stated, Mapping):
                raise PluginError(f"{where} must give a reason for each setting by name, but is {stated!r}")
            for name, reason in stated.items():
                if name not in declared:
                    raise PluginError(f"{where} names {name!r}, which is no setting of it")
                if cls.__dataclass_fields__[name] is declared[name]:  # not declared again since
                    found.setdefault(name, reason)
        return found

    @classmethod
    def _fields(cls) -> list[Field[Any]]:
        """The settings that have an effect."""
        idle = cls._idle()
        return [f for f in fields(cls) if f.name not in idle]

    @classmethod
    def options(cls) -> list[Option]:
        """Every setting with its type, default and doc, in declaration order."""
        types_ = cls._types()
        return [
            Option(
                name=f.name,
                type=str(types_[f.name]),
                default=None if f.default is MISSING else f.default,
                doc=f.metadata.get("doc", ""),
                choices=f.metadata.get("choices"),
            )
            for f in cls._fields()
        ]

    @classmethod
    def names(cls) -> set[str]:
        """The names of all settings."""
        return {f.name for f in cls._fields()}

    @classmethod
    def check_effect(cls, name: str, owner: str) -> None:
        """Raise `SettingError` if the setting is `unused`; the message names `owner`."""
        if reason := cls._idle().get(name):
            raise SettingError(f"{name} has no effect on {owner}: {reason}; leave it out")

    @classmethod
    def effective(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Stored values without settings that are `unused` now, but were not when the file was written."""
        idle = cls._idle()
        return {name: value for name, value in values.items() if name not in idle}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make settings from JSON or TOML values; settings not given keep their defaults.

        Raises `UnknownNameError` for an unknown key, `SettingError` for a bad value or an unused setting.
        """
        for name in values:
            cls._check_name(name)
        return cls(**values)

    @classmethod
    def parse(cls, name: str, text: str) -> Any:
        """Parse a value as typed on the command line: the right side of `KEY=VALUE`.

        Tuples are comma-separated; `none` means None if the type allows it. Raises as `from_dict` does.
        """
        cls._check_name(name)
        kind = cls._types()[name]
        if kind.optional and text.lower() == "none":
            return None
        if kind.many:
            return tuple(_parse_scalar(name, kind.scalar, part.strip()) for part in text.split(",") if part.strip())
        return _parse_scalar(name, kind.scalar, text)

    @classmethod
    def _check_name(cls, name: str) -> None:
        cls.check_effect(name, cls.__name__)
        if name not in cls.names():
            raise UnknownNameError("setting", name, cls.names())

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values."""
        pairs = ((f.name, getattr(self, f.name)) for f in self._fields())
        return {name: list(value) if isinstance(value, tuple) else value for name, value in pairs}


class _Type(NamedTuple):
    """What a setting's annotation says: one `scalar` or `many`, and whether None is allowed."""

    scalar: type
    many: bool
    optional: bool

    def __str__(self) -> str:
        name = f"{self.scalar.__name__},..." if self.many else self.scalar.__name__
        return f"{name} or none" if self.optional else name


@functools.cache  # of what all variants inherit, once: it takes a part of the time that `ganzoo list` does
def _hints(owner: type) -> dict[str, Any]:
    """What a class itself annotates, evaluated."""
    return inspect.get_annotations(owner, eval_str=True)


def _read_type(field_name: str, annotation: Any) -> _Type:
    is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    members = typing.get_args(annotation) if is_union else (annotation,)
    kinds = [member for member in members if member is not type(None)]
    many = [typing.get_origin(kind) is tuple for kind in kinds] == [True]
    scalars = set(typing.get_args(kinds[0])) - {...} if many else set(kinds)
    if len(scalars) != 1 or not scalars <= _KINDS.keys():
        raise PluginError(
            f"{field_name} must be declared as int, float, bool, str, a tuple of one of these such as "
            f"tuple[int, ...], or one of all these | None, but is {annotation!r}"
        )
    return _Type(scalars.pop(), many, is_union)


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


def _checked(name: str, kind: _Type, rule: Mapping[str, Any], value: Any) -> Any:
    if value is None and kind.optional:
        return None
    if kind.many:
        if not isinstance(value, list | tuple):
            raise SettingError(f"{name} must be a list, but is {shorten(repr(value))}")
        return tuple(_checked_scalar(name, kind.scalar, rule, item) for item in value)
    return _checked_scalar(name, kind.scalar, rule, value)


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
    if isinstance(value, float) and abs(value) > _LARGEST:
        raise SettingError(f"{name} must be at most {_LARGEST:g} in size, as float32 holds no more, but is {value:g}")
    low, high, choices = rule.get("minimum"), rule.get("maximum"), rule.get("choices")
    if low is not None and value < low:
        raise SettingError(f"{name} must be at least {low}, but is {shorten(value)}")
    if high is not None and value > high:
        raise SettingError(f"{name} must be at most {high}, but is {shorten(value)}")
    if choices is not None and value not in choices:
        raise SettingError(f"{name} must be one of {', '.join(choices)}, but is {shorten(repr(value))}")
    return value
