"""The parts that a variant states as class attributes: a class, or where it is. Imported and made when asked for."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from typing import Any

from ganzoo_core.errors import ContractError, shorten

PARTS = ("Generator", "Discriminator", "Loss")
_PLACE = re.compile(r"\.?\w+(\.\w+)*:\w+")
_ANY_NUMBER = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def is_part(value: Any) -> bool:
    """Whether a value can say what a part is. Whether it is there shows when it is made."""
    return value is None or inspect.isclass(value) or (isinstance(value, str) and bool(_PLACE.fullmatch(value)))


def make_part(variant: type, attribute: str, given: dict[str, Any]) -> Any:
    """What a variant's class attribute says, made with what is given as far as its `__init__` names it.

    Raises `ContractError` where there is no such class, or it asks for more.
    """
    owner = next(cls for cls in variant.__mro__ if attribute in vars(cls))
    stated = vars(owner)[attribute]
    where = f"{owner.__name__}.{attribute} is {stated!r}"
    part = _imported(stated, owner, where) if isinstance(stated, str) else stated
    if not inspect.isclass(part):
        raise ContractError("parts", f"{owner.__name__}.{attribute} must be a class, but is {shorten(repr(part))}")
    if lacking := ", ".join(sorted(getattr(part, "__abstractmethods__", ()))):
        raise ContractError("parts", f"{owner.__name__}.{attribute} is {part.__name__}, which lacks {lacking}")
    names = inspect.signature(part).parameters
    wanted = [one.name for one in names.values() if one.default is one.empty and one.kind not in _ANY_NUMBER]
    if unknown := [name for name in wanted if name not in given]:
        raise ContractError(
            "parts",
            f"{owner.__name__}.{attribute} is {part.__name__}, whose __init__ asks for {', '.join(unknown)}, but it is "
            f"made with {' and '.join(given)} alone; take the rest from there, or write the method "
            f"{attribute.lower()} that makes it",
        )
    return part(**{name: value for name, value in given.items() if name in names})


def _imported(place: str, owner: type, where: str) -> Any:
    """The class at "package.module:Class", or at ".module:Class" beside its owner. Raises `ContractError`."""
    module, _, name = place.partition(":")
    package = getattr(sys.modules.get(owner.__module__), "__package__", None)
    if module.startswith(".") and not package:
        raise ContractError(
            "parts",
            f"{where}, whose dot means beside it in its package, but {owner.__name__} is in none; give the class "
            f"itself, or leave out the dot",
        )
    try:
        found = importlib.import_module(module, package)
    except ModuleNotFoundError as error:
        if error.name != (f"{package}{module}" if module.startswith(".") else module):
            raise  # of what that module imports
        raise ContractError("parts", f"{where}, but there is no such module") from error
    if not hasattr(found, name):
        raise ContractError("parts", f"{where}, but {found.__name__} has no {name}")
    return getattr(found, name)
