"""The game: Generator, Discriminator, Loss, the Turn a loss sees, and the Players, each with its own parameters.

A keyword-only parameter of a network's `forward` names a column of the batch, which it then gets wherever it is called:
in training, sampling and export. One with a default may be missing.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from ganzoo_core.errors import ContractError
from ganzoo_core.guards.contract import checked_logits, checked_samples


class Generator(nn.Module, ABC):
    """Makes samples from latents, and from the columns of a batch that keyword-only parameters of `forward` name.

    Set `self.latent_dim` in `__init__`, 0 for no noise, or override `latent`. `latent_range`: the lowest and highest
    value to which tools that explore the latent set a coordinate; state it where `latent` is not normal, such as
    (-1, 1) of a uniform one, and None for numbers between which there is nothing, such as indices.
    """

    latent_dim: int
    latent_range: tuple[float, float] | None = (-4.0, 4.0)

    def latent(self, n: int, rng: torch.Generator) -> Tensor:
        """The latents of n samples, on `rng`'s device: (n, latent_dim) float32, standard normal by default."""
        return torch.randn(n, self.latent_dim, generator=rng, device=rng.device)

    # With both *_ and **columns a type checker lets a subclass name any further parameters, or none.
    @abstractmethod
    def forward(self, z: Tensor, labels: Tensor | None = None, *_: Any, **columns: Any) -> Tensor:
        """Samples (N, *shape) float32 in [-1, 1] from latents (N, latent_dim), labels (N,) int64 and named columns."""


class Discriminator(nn.Module, ABC):
    """Tells real from fake. No sigmoid: losses take logits."""

    @property
    def mixes_samples(self) -> bool:
        """Whether a sample's logit depends on the rest of its batch; if so, real and fake are passed separately.

        BatchNorm is detected; override this for other layers that mix samples, such as minibatch discrimination.
        """
        return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.modules())

    @abstractmethod
    def forward(self, x: Tensor, labels: Tensor | None = None, *_: Any, **columns: Any) -> Any:
        """Logits (N,) of samples (N, *shape) in [-1, 1], or (N, ...) of their patches, or a tuple that begins so."""


class Networks(NamedTuple):
    """The networks and the loss that a run trains."""

    generator: Generator
    discriminator: Discriminator
    loss: Loss


def column_names(network: nn.Module) -> dict[str, bool]:
    """The columns that a network's `forward` names by keyword, and of each whether it must be there."""
    return _keywords(type(network).forward)


@cache
def _keywords(function: Callable[..., Any]) -> dict[str, bool]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default is p.empty for p in parameters if p.kind is p.KEYWORD_ONLY}


def columns_of(network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What of a batch a network takes beside samples and labels. Raises `ContractError` for what is not there."""
    names = column_names(network)
    for name, is_needed in names.items():
        if is_needed and name not in batch:
            raise ContractError(
                "inputs",
                f"{type(network).__name__}.forward takes {name}, but the batch has only {', '.join(sorted(batch))}",
            )
    return {name: batch[name] for name in names if name in batch}


def logits_of(output: Any) -> Tensor:
    """The logits (N, ...) in a discriminator's output; a turn has them as `real_logits` and `fake_logits`."""
    return output if isinstance(output, Tensor) else output[0]


@dataclass
class Batch:
    """One mini-batch and its latents, shared by the players of a step, so that G(z) is computed once for both."""

    columns: dict[str, Tensor]
    z: Tensor
    generator: Generator
    keep_graph: bool
    _fake: Tensor | None = field(default=None, repr=False)

    def fake(self, with_graph: bool) -> Tensor:
        """G(z), (N, *shape). The graph back to the generator is kept if a later turn on this batch needs it."""
        if self._fake is None or (with_graph and not self._fake.requires_grad):
            with torch.set_grad_enabled(with_graph or self.keep_graph):
                made = self.generator(self.z, self.columns.get("labels"), **columns_of(self.generator, self.columns))
            self._fake = checked_samples(self.generator, made, self.columns["real"])
        return self._fake if with_graph else self._fake.detach()

    def forget(self) -> None:
        """Drop G(z), as the generator has been updated since."""
        self._fake = None


class Turn:
    """One mini-batch as one player sees it. Attributes are computed lazily and cached.

    Network outputs keep their autograd graph even when first accessed under `torch.no_grad()`. `batch` holds all that
    the data set and the variant's `derive` gave, including `real` (N, *shape) and `labels` (N,). A loss whose
    discriminator judges pairs sets `real_logits` and `fake_logits` itself, so that the balance of the game is logged.
    """

    def __init__(
        self, batch: Batch, generator: Generator, discriminator: Discriminator, *, owns_generator: bool, joint: bool
    ) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self.batch = batch.columns
        self._shared = batch
        self._owns_generator = owns_generator
        self._joint = joint and not owns_generator

    @property
    def real(self) -> Tensor:
        """Real samples (N, *shape) float32 in [-1, 1]."""
        return self.batch["real"]

    @property
    def labels(self) -> Tensor | None:
        """Labels (N,) int64 of the real samples; the fakes are generated with the same labels. None without classes."""
        return self.batch.get("labels")

    @property
    def z(self) -> Tensor:
        """The latents (N, latent_dim) behind `fake`."""
        return self._shared.z

    @cached_property
    def fake(self) -> Tensor:
        """G(z), (N, *shape); detached unless it is the generator's turn."""
        return self._shared.fake(with_graph=self._owns_generator)

    @cached_property
    @torch.enable_grad()
    def on_real(self) -> Any:
        """The discriminator's output on `real`. In its own turn real and fake are passed together."""
        return self._on_both[0] if self._joint else self._judge(self.real, self.batch)

    @cached_property
    @torch.enable_grad()
    def on_fake(self) -> Any:
        """The discriminator's output on `fake`."""
        return self._on_both[1] if self._joint else self._judge(self.fake, self.batch)

    @cached_property
    def real_logits(self) -> Tensor:
        """The logits (N, ...) in `on_real`: all of the output, or its first item."""
        return logits_of(self.on_real)

    @cached_property
    def fake_logits(self) -> Tensor:
        """The logits (N, ...) in `on_fake`."""
        return logits_of(self.on_fake)

    def critic(self, x: Tensor, labels: Tensor | None = None, **columns: Tensor) -> Tensor:
        """Logits (N, ...) of any samples x (N, *shape) under this turn's labels and columns, or under others."""
        return logits_of(self._judge(x, self._changed(labels, columns)))

    def generate(self, z: Tensor | None = None, labels: Tensor | None = None, **columns: Tensor) -> Tensor:
        """What the generator makes (N, *shape) of this turn's latents, labels and columns, or of others.

        Detached unless it is the generator's turn. `fake` is shared between turns, and this is not.
        """
        batch = self._changed(labels, columns)
        with torch.set_grad_enabled(self._owns_generator):
            made = self.generator(self.z if z is None else z, batch.get("labels"), **columns_of(self.generator, batch))
        return checked_samples(self.generator, made, self.real)

    def _changed(self, labels: Tensor | None, columns: dict[str, Tensor]) -> dict[str, Tensor]:
        """The batch with other labels and columns. Raises `ContractError` for a column that the batch lacks."""
        if unknown := columns.keys() - self.batch.keys():
            known = ", ".join(sorted(self.batch))
            raise ContractError(
                "inputs", f"a turn was given {', '.join(sorted(unknown))}, but its batch has only {known}"
            )
        return self.batch | columns | ({} if labels is None else {"labels": labels})

    def _judge(self, x: Tensor, batch: dict[str, Tensor]) -> Any:
        output = self.discriminator(x, batch.get("labels"), **columns_of(self.discriminator, batch))
        return checked_logits(self.discriminator, output, x)

    @cached_property
    @torch.enable_grad()
    def _on_both(self) -> tuple[Any, Any]:
        n = len(self.real)
        named = {"labels", *column_names(self.discriminator)}
        twice = {name: torch.cat([column, column]) for name, column in self.batch.items() if name in named}
        output = self._judge(torch.cat([self.real, self.fake]), twice)
        if isinstance(output, Tensor):
            return output[:n], output[n:]
        return type(output)(*(part[:n] for part in output)), type(output)(*(part[n:] for part in output))


class Loss(nn.Module, ABC):
    """What the two players minimise: named terms, whose sum is the loss. Keep state in buffers, so that it is resumed.

    A Loss never steps an optimizer and never calls `.item()`. Return an empty dict to skip this player's update.
    `boundary`: logit above which D classifies a sample as real; None for a critic, whose scores have no fixed
    threshold. `may_pass`: set it if skipping an update depends on a tensor's value. One value per turn may then be
    read, which synchronises the GPU.
    """

    boundary: ClassVar[float | None] = 0.0
    may_pass: ClassVar[bool] = False

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


@dataclass
class Player:
    """One side of the game: the parameters it owns, their optimizer, its loss terms, and its updates per step.

    `after_update` is called after each update (WGAN clips there). During a player's update, no other player's
    parameters receive gradients.
    """

    name: str
    parameters: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    terms: Callable[[Turn], dict[str, Tensor]]
    steps: int = 1
    after_update: Callable[[], None] | None = None


class PlayerFactory(Protocol):
    """What the functions below need from a variant: its hyperparameters, and an optimizer for each player."""

    config: Any

    def optimizer(self, player: str, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
        """The optimizer of the named player."""


def new_player(
    variant: PlayerFactory,
    name: str,
    modules: Iterable[nn.Module],
    terms: Callable[[Turn], dict[str, Tensor]],
    *,
    steps: int = 1,
    after_update: Callable[[], None] | None = None,
) -> Player:
    """A player that owns the parameters of `modules`, with the variant's optimizer for it."""
    parameters = [p for module in modules for p in module.parameters()]
    return Player(name, parameters, variant.optimizer(name, parameters), terms, steps, after_update)


def two_players(variant: PlayerFactory, networks: Networks) -> list[Player]:
    """The game of arXiv:1406.2661, algorithm 1: the discriminator n_critic times, then the generator."""
    generator, discriminator, loss = networks
    return [
        new_player(variant, "discriminator", [discriminator], loss.for_discriminator, steps=variant.config.n_critic),
        new_player(variant, "generator", [generator], loss.for_generator),
    ]
