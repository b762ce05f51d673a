"""What many steps in a row show: what comes late, what is kept in Python, what is put in the place of a tensor."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ganzoo_core.errors import shorten
from ganzoo_core.interfaces import Player
from ganzoo_core.testing.cases import Case
from ganzoo_core.testing.steps import borders
from ganzoo_core.training.engine import Engine

STEPS = 40
_AFTER_A_BORDER = 3
_WARM = 3  # steps after which all is made that will be
_OF_TORCH = frozenset({"training", "T_destination", "call_super_init", "dump_patches"})

Findings = dict[str, str]


@functools.lru_cache(maxsize=4)
def findings(case: Case) -> Findings:
    """What is wrong in so many steps, and in a few behind each border, by rule: "steady", "stateless", "in_place"."""
    engine = case.engine()
    found: Findings = {}
    watch = _Watch(engine, found)
    for first, count in [(0, STEPS), *((border, _AFTER_A_BORDER) for border in borders(engine))]:
        engine.go_to(first)
        for k in range(count):
            before, stage = (watch.plain(), watch.places()), engine.stage
            engine.train_step()
            if "steady" in found:
                return found  # a weight may no longer be a number
            if engine.stage is stage:  # as a phase begins, attributes may change
                watch.compare(*before, is_warm=k >= _WARM)
        if found.keys() >= {"steady", "stateless", "in_place"}:
            break
    return found


class HostReads(TorchDispatchMode):
    """Notes each time a tensor's value is read on the host."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function."""
        self.reads += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


class _Watch:
    """Watches an engine's turns, and what of it is no tensor."""

    def __init__(self, engine: Engine, found: Findings) -> None:
        self.engine, self.found = engine, found
        self.parameters = {
            f"{part}.{name}": p for part, module in engine.networks.by_name().items()
            for name, p in module.named_parameters()
        }  # fmt: skip
        self._allowed = int(engine.networks.loss.may_pass)
        for player in engine.players:
            player.terms = self._watched(player, player.terms)
        self._play_turn = engine._play_turn
        engine._play_turn = self._watched_turn  # type: ignore[method-assign]

    def _watched(self, player: Player, terms: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(terms)
        def watched(turn: Any) -> Any:
            with HostReads() as mode:
                found = terms(turn)
            if mode.reads > self._allowed:
                self._note("steady", f"the {player.name}'s turn reads {mode.reads} tensors on the host; .item()?")
            return found

        return watched

    def _watched_turn(self, player: Player, batch: Any, owns_generator: bool) -> Any:
        before = self._norms()
        update = self._play_turn(player, batch, owns_generator)
        owned = {id(p) for p in player.parameters}
        for (name, p), old, new in zip(self.parameters.items(), before, self._norms(), strict=True):
            if id(p) not in owned and not torch.equal(old, new):
                self._note("steady", f"the {player.name}'s turn changes {name}, which it does not own")
        for name, term in update.terms.items():
            if not bool(term.isfinite()):
                self._note("steady", f"the {player.name}'s term {name} is {float(term.detach())}")
        return update

    def _norms(self) -> list[Tensor]:
        with torch.no_grad():
            return list(torch._foreach_norm(list(self.parameters.values())))

    def _note(self, rule: str, what: str) -> None:
        self.found.setdefault(rule, f"expected step {self.engine.step + 1} to keep the rules too, but {what}")

    def plain(self) -> dict[str, Any]:
        """What of the game is no registered tensor: numbers, texts, and tensors that are plain attributes, by place."""
        engine = self.engine
        found: dict[str, Any] = {}
        for part, module in engine.networks.by_name().items():
            for name, inner in module.named_modules(prefix=part):
                kept = {k: v for k, v in vars(inner).items() if not k.startswith("_") or _is_own(inner, k)}
                found |= {f"{name}.{key}": _copy(value) for key, value in kept.items() if key not in _OF_TORCH}
        found |= {f"{type(engine.variant).__name__}.{k}": _copy(v) for k, v in vars(engine.variant).items()}
        for player in engine.players:
            for what in (inspect.unwrap(player.terms), player.after_update):
                for name, value in _closure(what):
                    found[f"{name}, of the player {player.name}"] = _copy(value)
        return found

    def places(self) -> dict[str, int]:
        """Where in memory the tensors are on which a recorded step works."""
        state = self.engine.state().items()
        return {name: tensor.data_ptr() for name, tensor in state if not name.startswith(("carried.", "frozen."))}

    def compare(self, plain: dict[str, Any], places: dict[str, int], *, is_warm: bool) -> None:
        """Note what of these a step has changed, or moved."""
        for name, now in self.plain().items():
            before = plain.get(name)
            if before is not None and now is not None and not _same(before, now):
                told = "" if isinstance(now, Tensor) else f" from {_told(before)} to {_told(now)}"
                self.found.setdefault(
                    "stateless",
                    f"expected nothing but registered tensors to change in a step, but {name} went{told}; a resume "
                    f"loses it: keep it in a buffer, or go by turn.step",
                )
        for name, place in self.places().items():
            if is_warm and places.get(name, place) != place:
                self.found.setdefault(
                    "in_place",
                    f"expected tensors to stay in their places, but a step puts another in the place of {name}; change "
                    f"it by copy_, += or lerp_",
                )


def _is_own(module: nn.Module, name: str) -> bool:
    """Whether an attribute with an underscore is its author's, not torch's."""
    return not hasattr(nn.Module(), name) and not name.startswith(("_forward", "_backward", "_is_full", "_state_dict"))


def _closure(function: Any) -> Iterator[tuple[str, Any]]:
    """The plain variables that a function has about it."""
    code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None)
    for name, cell in zip(code.co_freevars if code else (), cells or (), strict=True):
        yield name, cell.cell_contents


def _copy(value: Any) -> Any:
    """A plain value, copied; None for what is none."""
    if isinstance(value, bool | int | float | str | Tensor):
        return value.detach().clone() if isinstance(value, Tensor) else value
    if isinstance(value, tuple | list) and all(isinstance(v, bool | int | float | str) for v in value):
        return list(value)
    if isinstance(value, dict) and all(isinstance(v, bool | int | float | str) for v in value.values()):
        return dict(value)
    return None


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and torch.equal(a, b)
    return type(a) is type(b) and bool(a == b)


def _told(value: Any) -> str:
    return shorten(repr(value), 60)
