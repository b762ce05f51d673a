"""What of a game is no registered tensor: plain values, which a checkpoint doesn't hold, by where they are."""

from __future__ import annotations

import collections
import functools
import inspect
import random
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ganzoo_core.errors import shorten
from ganzoo_core.training.engine import Engine

_DEEP = 5  # attributes of attributes
_MANY = 200  # items of one container
_NOT_THEIRS = frozenset({"torch", "ganzoo_core", "numpy", "builtins", "logging", "abc", "typing", "enum", "pathlib"})
_Found = Iterator[tuple[str, Any]]


def plain_state(engine: Engine) -> dict[str, Any]:
    """The plain values of an engine's networks, loss, variant, and of what is bound in its players' functions.

    Numbers, texts, tensors that are not registered, random generators, how long containers are and what is in them; the
    attributes of classes and the globals of modules count too. What torch itself keeps does not.
    """
    walk = _Walk(engine)
    for part, module in engine.networks.by_name().items():
        for name, inner in module.named_modules(prefix=part):
            walk.attributes(name, inner)
    walk.attributes(type(engine.variant).__name__, engine.variant)
    for player in engine.players:
        for function in (inspect.unwrap(player.terms), player.after_update):
            walk.bound(f"the {player.name}'s", function)
    walk.found["Python's own random generator"] = random.getstate()
    walk.found["numpy's random generator"] = str(np.random.get_state(legacy=False))
    return walk.found


def difference(before: dict[str, Any], now: dict[str, Any]) -> str | None:
    """The first value that is another now, in words; None where all are the same."""
    for name in [*before, *(name for name in now if name not in before)]:
        old, new = before.get(name), now.get(name)
        if _same(old, new):
            continue
        if any(isinstance(value, Tensor) or len(repr(value)) > 60 for value in (old, new)):
            return f"{name} changed"
        return f"{name} went from {_told(old)} to {_told(new)}"
    return None


class _Items(int):
    """How many items a container has."""


class _Walk:
    """Goes through objects, and notes the plain values that it meets."""

    def __init__(self, engine: Engine) -> None:
        self.found: dict[str, Any] = {}
        modules = [inner for module in engine.networks.by_name().values() for inner in module.modules()]
        self._packages = {_package(type(one)) for one in (engine.variant, *modules)} - _NOT_THEIRS
        tensors = [tensor for one in modules for tensor in (*one.parameters(), *one.buffers())]
        self._registered = {id(tensor) for tensor in tensors}  # which `nn.GRU` has in a list besides
        self._seen: dict[int, Any] = {}  # kept, so that no number is given twice

    def attributes(self, name: str, owner: Any, depth: int = 0) -> None:
        """What an object, its class and its module hold."""
        if self._is_known(owner):
            return
        for key, value in _own_attributes(owner):
            self._note(f"{name}.{key}", value, depth + 1)
        for cls in type(owner).__mro__:
            if _package(cls) in self._packages and not self._is_known(cls):
                self._all(cls.__qualname__, vars(cls), depth)
                module = sys.modules.get(cls.__module__)
                if module is not None and not self._is_known(module):
                    self._all(cls.__module__, vars(module), depth)

    def bound(self, whose: str, function: Any) -> None:
        """What a function has about it: the object that it is a method of, its closure, what `partial` gave it."""
        if function is None or self._is_known(function):
            return
        if isinstance(function, functools.partial):
            for value in (*function.args, *function.keywords.values()):
                self._note(f"{whose} argument", value, 1)
            self.bound(whose, function.func)
            return
        owner = getattr(function, "__self__", None)
        if owner is not None and not isinstance(owner, nn.Module):
            self.attributes(f"{whose} {type(owner).__name__}", owner)
        code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None)
        for name, cell in zip(code.co_freevars if code else (), cells or (), strict=True):
            if cell != type(cell)():  # not empty
                self._note(f"{whose} {name}", cell.cell_contents, 1)

    def _all(self, name: str, values: Mapping[str, Any], depth: int) -> None:
        """The plain values among a class's or a module's own."""
        for key, value in list(values.items()):
            if not key.startswith("__") and not callable(value):
                self._note(f"{name}.{key}", value, depth + 1)

    def _note(self, name: str, value: Any, depth: int) -> None:
        if isinstance(value, bool | int | float | complex | str | bytes | type(None)):
            self.found[name] = value
        elif isinstance(value, Tensor):
            if id(value) not in self._registered:
                self.found[name] = value.detach().clone()
        elif isinstance(value, torch.Generator | random.Random | np.random.Generator):
            self.found[name] = _state_of(value)
        elif depth > _DEEP or isinstance(value, nn.Module | Optimizer | type):
            return
        elif isinstance(value, list | tuple | collections.deque | dict | set | frozenset):
            if not self._is_known(value):
                self._items(name, value, depth)
        elif callable(value) and not hasattr(value, "__dict__"):
            return
        elif inspect.isfunction(value) or inspect.ismethod(value) or isinstance(value, functools.partial):
            self.bound(name, value)
        elif hasattr(value, "__dict__") and _is_theirs(type(value)):
            self.attributes(name, value, depth)
        elif type(value).__module__ == "itertools":
            self.found[name] = repr(value)

    def _items(self, name: str, value: Any, depth: int) -> None:
        self.found[name] = _Items(len(value))
        pairs = value.items() if isinstance(value, dict) else enumerate(sorted(map(repr, value)))
        if isinstance(value, list | tuple | collections.deque):
            pairs = enumerate(value)
        for key, item in list(pairs)[:_MANY]:
            self._note(f"{name}[{shorten(repr(key), 30)}]", item, depth + 1)

    def _is_known(self, value: Any) -> bool:
        known = id(value) in self._seen
        self._seen[id(value)] = value
        return known


def _own_attributes(owner: Any) -> _Found:
    """The attributes that an object's author gave it, not torch."""
    if not isinstance(owner, nn.Module):
        yield from vars(owner).items()
        return
    kept = _of_modules()
    by_hooks = {name.removesuffix("_orig") for name in owner._parameters}  # spectral_norm sets `weight` anew
    by_hooks |= {name.removesuffix("_v") for name in owner._parameters}
    for name, value in vars(owner).items():
        if name not in kept and not (isinstance(value, Tensor) and name in by_hooks):
            yield name, value


@functools.cache
def _of_modules() -> frozenset[str]:
    """What torch keeps in each module."""
    return frozenset(vars(nn.Module())) | {"_compiled_call_impl", "_is_full_backward_hook"}


def _package(cls: type) -> str:
    return cls.__module__.partition(".")[0]


def _is_theirs(cls: type) -> bool:
    """Whether a class is neither torch's, nor ours, nor Python's."""
    root = _package(cls)
    return root not in _NOT_THEIRS and (root not in sys.stdlib_module_names or root == "types")


def _state_of(generator: Any) -> Any:
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    return generator.getstate() if isinstance(generator, random.Random) else str(generator.bit_generator.state)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and a.dtype == b.dtype and bool(((a == b) | (a != a) & (b != b)).all())
    return type(a) is type(b) and bool(a == b or a != a)


def _told(value: Any) -> str:
    return f"{int(value)} items" if isinstance(value, _Items) else repr(value)
