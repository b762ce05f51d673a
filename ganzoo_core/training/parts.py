"""The parts of a game as a variant's factories gave them, checked before the first step."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import ContractError
from ganzoo_core.guards.contract import described
from ganzoo_core.interfaces import Discriminator, Frozen, Generator, Loss, Networks, Player
from ganzoo_core.variant import Variant

_RESERVED = ("generator", "discriminator", "loss", "average", "optimizer", "augment", "carried", "frozen")


def new_networks(variant: Variant, data: DataSpec) -> Networks:
    """The variant's networks and loss. Raises `ContractError` for what is none."""
    made = Networks(
        variant.generator(data), variant.discriminator(data), variant.loss(), variant.further_networks(data)
    )
    names = ("generator", "discriminator", "loss")
    for name, part, kind in zip(names, made, (Generator, Discriminator, Loss), strict=True):
        if not isinstance(part, kind):
            raise ContractError("parts", f"{name} must give a ganzoo_core.{kind.__name__}, but gives {described(part)}")
    size = getattr(made.generator, "latent_dim", None)
    if type(made.generator).latent is Generator.latent and not (type(size) is int and size >= 0):
        name = type(made.generator).__name__
        raise ContractError("samples", f"{name} must set latent_dim, a whole number, but it is {described(size)}")
    _check_further(variant, made)
    made.generator.sampling = variant.Sampling()
    boundary = made.loss.boundary
    if not (boundary is None or isinstance(boundary, numbers.Real)):
        name = type(made.loss).__name__
        raise ContractError("terms", f"{name}.boundary must be a number or None, but is {described(boundary)}")
    return made


def _check_further(variant: Variant, made: Networks) -> None:
    """Raise `ContractError` for further networks, or averaged ones, that can't be."""
    further: Any = made.further
    if not isinstance(further, dict) or not all(isinstance(one, nn.Module) for one in further.values()):
        raise ContractError("parts", f"further_networks must give modules by name, but gives {described(further)}")
    for name in further:
        if not (isinstance(name, str) and name.isidentifier()) or name.startswith(_RESERVED):
            rule = f"an identifier that begins with none of {', '.join(_RESERVED)}"
            raise ContractError("parts", f"a further network must be named by {rule}, but one is called {name!r}")
    for name in variant.averaged:
        if name == "loss" or name not in made.by_name():
            known = ", ".join(key for key in made.by_name() if key != "loss")
            raise ContractError("parts", f"averaged must name networks, {known}, but names {name!r}")


def new_players(variant: Variant, networks: Networks) -> list[Player]:
    """The variant's players. Raises `ContractError` for one who can't move, or whose optimizer moves others."""
    players: Any = variant.players(networks)
    if not (isinstance(players, list | tuple) and players and all(isinstance(p, Player) for p in players)):
        raise ContractError("schedule", f"players must give a list of Players, but gives {described(players)}")
    names = [player.name for player in players]
    if len(set(names)) < len(names) or not all(isinstance(name, str) and name for name in names):
        raise ContractError("schedule", f"each player must have a name of its own, but they are {names}")
    parts = networks.by_name().values()
    frozen = [part for module in parts for part in module.modules() if isinstance(part, Frozen)]
    everything = {id(p) for module in parts for p in module.parameters()}
    everything -= {id(p) for part in frozen for p in part.parameters()}
    for player in players:
        for rule, text in _mistakes(player, everything):
            raise ContractError(rule, text)
    generator = {id(p) for p in networks.generator.parameters()}
    if not any(id(p) in generator for player in players for p in player.parameters):
        raise ContractError("moves", f"a player must own the generator's parameters, but {', '.join(names)} own none")
    return list(players)


def _mistakes(player: Player, everything: set[int]) -> Iterator[tuple[str, str]]:
    """The rules that a player breaks, with what was found."""
    whose, found = f"the player {player.name}", player.parameters
    if not (isinstance(found, list | tuple) and found and all(isinstance(p, nn.Parameter) for p in found)):
        yield "moves", f"{whose} must own a list of parameters, but owns {described(found)}"
    if any(id(p) not in everything for p in found):
        yield "moves", f"{whose} must own parameters of the networks that are not Frozen, but owns another"
    if not isinstance(player.optimizer, torch.optim.Optimizer):
        yield "moves", f"{whose} must have an optimizer of torch.optim, but has {described(player.optimizer)}"
    moved = {id(p) for group in player.optimizer.param_groups for p in group["params"]}
    if moved != {id(p) for p in found}:
        yield "moves", f"the optimizer of {whose} must move the parameters that the player owns, and no others"
    if not (type(player.steps) is int and player.steps > 0):
        yield "schedule", f"{whose} must move a positive whole number of times, but steps is {described(player.steps)}"
    if not (type(player.every) is int and player.every > 0):
        yield "schedule", f"every of {whose} must be a positive whole number, but is {described(player.every)}"
    phases = player.phases
    if not (phases is None or (isinstance(phases, tuple) and phases and all(isinstance(p, str) for p in phases))):
        yield "schedule", f"phases of {whose} must be a tuple of names or None, but are {described(phases)}"
    if not callable(player.terms):
        yield "terms", f"the terms of {whose} must be a function of a turn, but are {described(player.terms)}"
    if not (player.after_update is None or callable(player.after_update)):
        yield "moves", f"after_update of {whose} must be a function or None, but is {described(player.after_update)}"
