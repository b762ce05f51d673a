"""What every variant guarantees about its turns, and its steps in a row, one rule each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import torch
from torch import Tensor

from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.testing.cases import BATCH, Case
from ganzoo_core.testing.host import HostReads, Strays
from ganzoo_core.testing.long_look import findings
from ganzoo_core.testing.steps import NotShown, borders, telling_steps, turns, turns_without_numbers
from ganzoo_core.training.engine import Engine
from ganzoo_core.training.microbatches import total


def terms(case: Case) -> None:
    """Loss terms are scalars by name, finite, and lead back to the mover's parameters."""
    for player, turn in turns(case.engine()):
        found = player.terms(turn)
        assert isinstance(found, dict), f"expected the {player.name}'s terms as a dict, but {type(found).__name__}"
        for name, term in found.items():
            where = f"the {player.name}'s term {name!r}"
            assert isinstance(name, str), f"expected {where} to be named by a string"
            assert isinstance(term, Tensor) and term.ndim == 0 and not term.is_complex(), (
                f"expected {where} to be a scalar tensor; mean over the batch"
            )
            assert bool(term.isfinite()), f"expected {where} to be finite, but it is {float(term.detach())}"
        if found:
            assert total(found).requires_grad, f"expected the {player.name}'s loss to have a gradient; was it detached?"


def gradients(case: Case) -> None:
    """In each phase every parameter in play gets a finite gradient from a player who owns it, and from no other."""
    engine = case.engine()
    names = {id(p): f"{part}.{n}" for part, m in engine.networks.by_name().items() for n, p in m.named_parameters()}
    wanted: dict[tuple[str | None, int], str] = {}
    given: set[tuple[str | None, int]] = set()
    passing: set[tuple[str | None, str]] = set()
    for player, turn in turns(engine):
        found, phase = player.terms(turn), engine.stage.name
        if not found:
            passing.add((phase, player.name))
            continue
        for parameter in _all_parameters(engine):
            parameter.grad = None
        in_play = [p for p in player.parameters if p.requires_grad]
        total(found).backward(inputs=in_play)
        wanted |= {(phase, id(p)): player.name for p in in_play}
        for parameter in _all_parameters(engine):
            where = names.get(id(parameter), "a parameter")
            if parameter.grad is None:
                continue
            assert any(parameter is p for p in in_play), f"expected {player.name}'s turn to leave {where} alone"
            assert bool(parameter.grad.isfinite().all()), (
                f"expected a finite gradient of {where} in {player.name}'s turn"
            )
            given.add((phase, id(parameter)))
    for key, player_name in wanted.items():
        during = "" if key[0] is None else f" in the phase {key[0]}; switch it off there in begin_phase"
        assert key in given, f"expected {names[key[1]]} to get a gradient from {player_name}, but it gets none{during}"
    frozen = {id(parameter) for parameter in engine.frozen_layers.values()}
    for player in engine.players:
        for parameter in [p for p in player.parameters if id(p) not in frozen]:
            shown = any(key == id(parameter) for _, key in wanted) or any(name == player.name for _, name in passing)
            assert shown, f"expected {names[id(parameter)]} to be in play in some phase, but it never is"
    _check_shown(engine, {player for _, player in passing}, wanted.values())


def moves(case: Case) -> None:
    """In a player's turn only its own parameters change, and they do change."""
    idle = set()
    for name in [player.name for player in case.engine().players]:
        engine = case.engine()
        step = next((s for s in telling_steps(engine) if _moves(engine, s, name)), None)
        if step is None:
            continue
        engine.go_to(step)
        before = {key: value.clone() for key, value in engine.state().items()}
        mover = next(player for player in engine.players if player.name == name)
        for player in engine.players:
            if player is not mover:
                player.terms = lambda turn: {}
        if not engine.train_step()[name].terms:
            idle.add(name)
            continue  # it passed
        owned = {id(p) for p in mover.parameters}
        for part, module in engine.networks.by_name().items():
            for key, parameter in module.named_parameters():
                changed = not torch.equal(before.get(f"{part}.{key}", parameter), parameter)
                assert changed <= (id(parameter) in owned), (
                    f"expected {name}'s turn to leave {part}.{key}, but it changed"
                )
        assert any(
            not torch.equal(before.get(f"{part}.{key}", parameter), parameter)
            for part, module in engine.networks.by_name().items()
            for key, parameter in module.named_parameters()
            if id(parameter) in owned
        ), f"expected {name} to move in its turn, but none of its parameters changed"
    if idle:
        raise NotShown(f"{', '.join(sorted(idle))} passed in every step that was looked at")


def _moves(engine: Engine, step: int, name: str) -> bool:
    engine.go_to(step)
    return any(player.name == name for player in engine.stage.movers(step))


def _check_shown(engine: Engine, passing: set[str], shown: Iterable[str]) -> None:
    """Raise `NotShown` for players who passed whenever they were looked at."""
    if silent := passing - set(shown):
        raise NotShown(f"{', '.join(sorted(silent))} passed in every step that was looked at")


def schedule(case: Case) -> None:
    """The discriminator is updated n_critic times a step, as the config says; begin_phase changes no tensor."""
    for n_critic in (1, 3):
        config = case.variant_class.Config(batch_size=BATCH, n_critic=n_critic)
        engine = Engine(case.variant_class(config), case.dataset, RunSettings(device="cpu"))
        steps = {player.name: player.steps for player in engine.players}
        assert steps.get("discriminator") == n_critic, (
            f"expected n_critic={n_critic} to give the discriminator {n_critic} updates a step, but found {steps}"
        )
    for border in borders(engine):
        before = {name: tensor.clone() for name, tensor in engine.state().items()}
        engine.go_to(border)
        for name, tensor in engine.state().items():
            assert torch.equal(before[name], tensor), (
                f"expected begin_phase({engine.stage.name!r}) to change no tensor, as a resume calls it too, but it "
                f"changes {name}"
            )


def no_host_sync(case: Case) -> None:
    """Loss and networks read no tensor's value on the host, and make no tensor there: it would stall a GPU."""
    engine = case.engine()
    allowed = int(engine.networks.loss.may_pass)
    for player, turn in turns(engine):
        with HostReads() as mode:
            player.terms(turn)
        assert mode.reads <= allowed, (
            f"expected the {player.name}'s turn to read {allowed or 'no'} tensor, but it reads {mode.reads}; "
            f".item(), F.one_hot, a mask for an index? A loss that must read one to pass its turn states "
            f"may_pass = True"
        )
    _check_device(case)


def _check_device(case: Case) -> None:
    """Whether turns make and take tensors on the run's device alone, as far as they can be tried without numbers."""
    for step in telling_steps(case.engine()):
        for player, turn in turns_without_numbers(case.engine(), step):
            with Strays() as mode, contextlib.suppress(Exception):
                player.terms(turn)
            assert mode.first is None, (
                f"expected the {player.name}'s turn to keep to the run's device, but {mode.first} makes or takes a "
                f"tensor on the CPU; let it be made with device=x.device, or register a buffer"
            )


def steady(case: Case) -> None:
    """Later steps keep the rules too: no value read, no other's weights changed, every term finite."""
    _found(case, "steady")


def stateless(case: Case) -> None:
    """A step changes registered tensors alone, so that a checkpoint holds all that a resume needs."""
    _found(case, "stateless")


def in_place(case: Case) -> None:
    """Tensors stay where they are, as a step recorded on a GPU works on the same memory each time."""
    _found(case, "in_place")
    if note := findings(case).note:
        raise NotShown(note)


def _found(case: Case, rule: str) -> None:
    found = findings(case)
    failure = found.by_rule.get(rule)
    assert failure is None, failure
    if found.error is not None and rule == "steady":
        raise found.error
    if found.error is not None or "steady" in found.by_rule:
        raise NotShown("the steps in a row ended early, as steady says")


def _all_parameters(engine: Engine) -> list[torch.nn.Parameter]:
    return [p for module in engine.networks.by_name().values() for p in module.parameters()]
