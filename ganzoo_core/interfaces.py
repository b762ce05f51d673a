"""The game: its networks, its Loss, and the Players, each with its own parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from ganzoo_core.errors import ContractError
from ganzoo_core.networks import (
    Discriminator,
    Frozen,
    Generator,
    Part,
    column_names,
    columns_of,
    frozen_names,
    logits_of,
)
from ganzoo_core.turn import Batch, Clock, Turn

__all__ = [
    "Batch", "Clock", "Discriminator", "Frozen", "Generator", "Loss", "Networks", "Part", "Player", "PlayerFactory",
    "Turn", "column_names", "columns_of", "logits_of", "new_player", "two_players",
]  # fmt: skip


class Loss(Part, ABC):
    """What the two players minimise: named terms, whose sum is the loss. Keep state in buffers, so that it is resumed.

    A Loss never steps an optimizer and never calls `.item()`. Return an empty dict to skip this player's update.
    `boundary`: logit above which D classifies a sample as real; None for a critic, whose scores have no fixed
    threshold. `may_pass`: set it if skipping an update depends on a tensor's value. One value per turn may then be
    read, which synchronises the GPU. `mixes_samples`: set it if a term is no mean over samples, each by itself, such as
    one that pulls them apart; a run with microbatches then says that it differs. `joins`: how a buffer that each
    microbatch changes becomes one again: "mean", "sum" of the changes, or "same" where all agree.
    """

    boundary: ClassVar[float | None] = 0.0
    may_pass: ClassVar[bool] = False
    mixes_samples: ClassVar[bool] = False
    joins: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """The discriminator's terms, scalars by name."""

    @abstractmethod
    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """The generator's terms, scalars by name."""

    def figures(self, turn: Turn) -> dict[str, Tensor]:
        """Extra scalars to log, not part of the loss, from the discriminator's last turn of a step.

        Use only outputs that `for_discriminator` already computed: no network runs for a logged number.
        """
        return {}


@dataclass(frozen=True)
class Networks:
    """The networks and the loss that a run trains. They unpack as three: `generator, discriminator, loss = networks`.

    `further`: other networks of the game by name, such as an encoder; a player owns their parameters.
    """

    generator: Generator
    discriminator: Discriminator
    loss: Loss
    further: Mapping[str, nn.Module] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Any]:
        yield from (self.generator, self.discriminator, self.loss)

    def by_name(self) -> dict[str, nn.Module]:
        """All of them, the further ones too."""
        return {"generator": self.generator, "discriminator": self.discriminator, "loss": self.loss, **self.further}


@dataclass
class Player:
    """One side of the game: the parameters it owns, their optimizer, its loss terms, and its updates per step.

    `after_update` is called after each update (WGAN clips there). `every`: of how many steps it moves in one, from the
    first on (lazy regularisation, arXiv:1912.04958, section 3.1); the last values of its terms are logged. `phases`:
    those that it moves in; None for all. Two players may share parameters and the optimizer. During a player's update,
    no other player's parameters receive gradients; nor do its own while `requires_grad` is False.
    """

    name: str
    parameters: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    terms: Callable[[Turn], dict[str, Tensor]]
    steps: int = 1
    after_update: Callable[[], None] | None = None
    every: int = 1
    phases: tuple[str, ...] | None = None


class PlayerFactory(Protocol):
    """What the functions below need from a variant: its hyperparameters, and an optimizer for each player."""

    config: Any

    def optimizer(self, player: str, parameters: Iterable[Any]) -> torch.optim.Optimizer:
        """The optimizer of the named player."""


def new_player(
    variant: PlayerFactory,
    name: str,
    modules: Iterable[nn.Module],
    terms: Callable[[Turn], dict[str, Tensor]],
    *,
    steps: int = 1,
    after_update: Callable[[], None] | None = None,
    every: int = 1,
    phases: tuple[str, ...] | None = None,
    lr: float | None = None,
    lr_factors: Mapping[str, float] | None = None,
) -> Player:
    """A player that owns the parameters of `modules`, with the variant's optimizer for it.

    `lr`: its learning rate, in place of the optimizer's own. `lr_factors`: what the rate is multiplied by, by the
    beginning of a parameter's name in its module: `{"mapping.": 0.01}` (arXiv:1812.04948, appendix C). Parameters of
    `Frozen` parts are left out. Raises `ContractError` for a name that no parameter begins with.
    """
    named = [
        (key, p) for module in modules for key, p in module.named_parameters()
        if not key.startswith(tuple(f"{frozen}." for frozen in frozen_names(module)))
    ]  # fmt: skip
    factors = dict(lr_factors or {})
    for start in factors:
        if not any(key.startswith(start) for key, _ in named):
            known = ", ".join(sorted({key.partition(".")[0] for key, _ in named}))
            raise ContractError(
                "moves", f"lr_factors of the player {name} names {start!r}, but its parameters begin with {known}"
            )
    groups: dict[str, list[nn.Parameter]] = {}
    for key, parameter in named:
        groups.setdefault(next(filter(key.startswith, factors), ""), []).append(parameter)
    parameters = [p for _, p in named]
    optimizer = variant.optimizer(name, [{"params": group} for group in groups.values()] if factors else parameters)
    if isinstance(optimizer, torch.optim.Optimizer):  # else the engine says what is wrong
        for start, group in zip(groups if factors else [""], optimizer.param_groups, strict=False):
            factor = factors.get(start, 1.0)
            group["lr"] = (group["lr"] if lr is None else lr) * factor
            group |= {"lr_factor": factor} if factors else {}
    return Player(name, parameters, optimizer, terms, steps, after_update, every, phases)


def two_players(variant: PlayerFactory, networks: Networks) -> list[Player]:
    """The game of arXiv:1406.2661, algorithm 1: the discriminator n_critic times, then the generator."""
    generator, discriminator, loss = networks
    return [
        new_player(variant, "discriminator", [discriminator], loss.for_discriminator, steps=variant.config.n_critic),
        new_player(variant, "generator", [generator], loss.for_generator),
    ]
