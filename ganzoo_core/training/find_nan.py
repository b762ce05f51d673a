"""Finding the first non-finite number: the steps since the last checkpoint again, with each layer and term checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ganzoo_core.errors import FileError, NotFiniteError, TrainingError
from ganzoo_core.interfaces import Player, Turn
from ganzoo_core.storage import tensor_files
from ganzoo_core.training.diagnostics import all_finite
from ganzoo_core.training.engine import Engine


class _Found(Exception):
    """Ends the search; its text says what is not finite, and where."""


def find_first_nan(error: NotFiniteError, engine: Engine, path: Path, should_stop: Callable[[], bool]) -> TrainingError:
    """The same error with the step, the layer and the term at which it began, found by training again from `path`.

    The step number is the only clock, so the same numbers recur. Returns `error` unchanged if they do not, if there is
    no checkpoint, or if `should_stop` says so. The engine can't be used afterwards.
    """
    try:
        header, tensors = tensor_files.load(path, "checkpoint")
        engine.restore(header["step"], tensors, path)
    except FileError:
        return error
    _add_nan_hooks(engine)
    try:
        while engine.step < error.step and not should_stop():
            engine.train_step()
    except _Found as found:
        return NotFiniteError(f"{error.what}; it began at step {engine.step + 1}, where {found}", error.step)
    return error


def _add_nan_hooks(engine: Engine) -> None:
    """Have every layer, term and gradient raise `_Found` at the first number that is not finite."""
    for part, network in engine.networks.by_name().items():
        for name, module in network.named_modules():
            if not list(module.children()) and module is not network:
                module.register_forward_hook(_layer_hook(f"{part}.{name}"))
    engine.disable_graph()
    names = {id(p): f"{part}.{n}" for part, m in engine.networks.by_name().items() for n, p in m.named_parameters()}
    for player in engine.players:
        player.terms = _watched_terms(player)
        player.optimizer.register_step_pre_hook(_gradient_hook(player, names))
        player.optimizer.register_step_post_hook(_weight_hook(player, names))


def _layer_hook(name: str) -> Callable[..., None]:
    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if isinstance(output, Tensor) and not all_finite(output):
            raise _Found(f"the layer {name} gave a number that is not finite")

    return hook


def _watched_terms(player: Player) -> Callable[[Turn], dict[str, Tensor]]:
    original = player.terms

    def terms(turn: Turn) -> dict[str, Tensor]:
        found = original(turn)
        for name, term in found.items():
            if not all_finite(term):
                raise _Found(
                    f"the loss term {player.name}/{name} was {float(term.detach())}, though every layer was finite"
                )
        return found

    return terms


def _gradient_hook(player: Player, names: dict[int, str]) -> Callable[..., None]:
    def hook(*_: Any) -> None:
        for parameter in player.parameters:
            if parameter.grad is not None and not all_finite(parameter.grad):
                raise _Found(f"the gradient of {names[id(parameter)]} was not finite in the {player.name}'s turn")

    return hook


def _weight_hook(player: Player, names: dict[int, str]) -> Callable[..., None]:
    def hook(*_: Any) -> None:
        for parameter in player.parameters:
            if not all_finite(parameter):
                raise _Found(f"the {player.name}'s update made {names[id(parameter)]} not finite")

    return hook
