"""The game: Generator, Discriminator, Loss, the Turn a loss sees, and the Players who move."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn


class Generator(nn.Module, ABC):
    """Makes samples from latents. Sets `self.latent_dim` in its `__init__`, or overrides `latent`."""

    latent_dim: int

    def latent(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw the inputs of n samples on `rng`'s device: (n, latent_dim) float32, standard normal by default."""
        return torch.randn(n, self.latent_dim, generator=rng, device=rng.device)

    @abstractmethod
    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, *shape) float32 in [-1, 1] from latents (N, latent_dim) and labels (N,) int64."""


class Discriminator(nn.Module, ABC):
    """Tells real from fake. No sigmoid: losses work on logits."""

    @property
    def mixes_samples(self) -> bool:
        """Whether a sample's logit depends on the rest of its batch; then real and fake go through separately.

        BatchNorm is found out; override it for minibatch discrimination and the like.
        """
        return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.modules())

    @abstractmethod
    def forward(self, x: Tensor, labels: Tensor | None = None) -> Any:
        """Logits (N,) of samples (N, *shape) in [-1, 1], or a named tuple that begins with them."""


class Networks(NamedTuple):
    """What a run trains."""

    generator: Generator
    discriminator: Discriminator
    loss: Loss


def logits_of(output: Any) -> Tensor:
    """The logits (N,) in what a discriminator returned; a turn has them as `real_logits` and `fake_logits`."""
    return output if isinstance(output, Tensor) else output[0]


@dataclass
class Draw:
    """One mini-batch and its latents, which the players of a step share, so that G(z) is computed once for both."""

    batch: dict[str, Tensor]
    z: Tensor
    generator: Generator
    keep_graph: bool
    _fake: Tensor | None = field(default=None, repr=False)

    def fake(self, with_graph: bool) -> Tensor:
        """G(z), (N, *shape). The graph back to the generator is kept if a later turn of this draw needs it."""
        if self._fake is None or (with_graph and not self._fake.requires_grad):
            with torch.set_grad_enabled(with_graph or self.keep_graph):
                self._fake = self.generator(self.z, self.batch.get("labels"))
        return self._fake if with_graph else self._fake.detach()

    def forget(self) -> None:
        """The generator moved: what it made before is no longer its own."""
        self._fake = None


class Turn:
    """One mini-batch as one player sees it. Each attribute is computed on first use, once; the rest is never computed.

    What the networks give carries gradients, even where it is first asked for under `torch.no_grad()`.
    `batch` holds all that the data set gave, `real` (N, *shape) and `labels` (N,) among it.
    """

    def __init__(
        self, draw: Draw, generator: Generator, discriminator: Discriminator, *, moves_generator: bool, joint: bool
    ) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self.batch = draw.batch
        self._draw = draw
        self._moves_generator = moves_generator
        self._joint = joint and not moves_generator

    @property
    def real(self) -> Tensor:
        """Real samples (N, *shape) float32 in [-1, 1]."""
        return self.batch["real"]

    @property
    def labels(self) -> Tensor | None:
        """Labels (N,) int64 of the real samples, which the fake ones are asked for too; None without classes."""
        return self.batch.get("labels")

    @property
    def z(self) -> Tensor:
        """The latents (N, latent_dim) behind `fake`."""
        return self._draw.z

    @cached_property
    def fake(self) -> Tensor:
        """G(z), (N, *shape); detached unless the generator is the one that moves."""
        return self._draw.fake(with_graph=self._moves_generator)

    @cached_property
    @torch.enable_grad()
    def on_real(self) -> Any:
        """The discriminator's output on `real`. In its own turn real and fake go through in one pass."""
        return self._on_both[0] if self._joint else self.discriminator(self.real, self.labels)

    @cached_property
    @torch.enable_grad()
    def on_fake(self) -> Any:
        """The discriminator's output on `fake`."""
        return self._on_both[1] if self._joint else self.discriminator(self.fake, self.labels)

    @cached_property
    def real_logits(self) -> Tensor:
        """The logits (N, ...) in `on_real`, alone or first of what the discriminator gives."""
        return logits_of(self.on_real)

    @cached_property
    def fake_logits(self) -> Tensor:
        """The logits (N, ...) in `on_fake`."""
        return logits_of(self.on_fake)

    def critic(self, x: Tensor) -> Tensor:
        """Logits (N,) of any samples x (N, *shape) under this turn's labels, for penalties."""
        return logits_of(self.discriminator(x, self.labels))

    @cached_property
    @torch.enable_grad()
    def _on_both(self) -> tuple[Any, Any]:
        n = len(self.real)
        labels = None if self.labels is None else torch.cat([self.labels, self.labels])
        output = self.discriminator(torch.cat([self.real, self.fake]), labels)
        if isinstance(output, Tensor):
            return output[:n], output[n:]
        return type(output)(*(part[:n] for part in output)), type(output)(*(part[n:] for part in output))


class Loss(nn.Module, ABC):
    """What the two players minimise: named terms, whose sum is the loss. State is kept in buffers, so it is resumed.

    A Loss never steps an optimizer and never calls `.item()`. An empty dict means: this player passes this turn.
    `boundary` is the logit above which D holds a sample for real; None for a critic, whose scores have no zero.
    `may_pass` says that whether a player passes hangs on a tensor: a turn may then read one value, and a GPU waits.
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
        """Further scalars to log by name, which nobody minimises, of the discriminator's last turn in a step.

        Use only what `for_discriminator` has asked of the turn: no network runs for a figure.
        """
        return {}


@dataclass
class Player:
    """Who moves: the parameters it owns, the optimizer that moves them, its terms, and its updates per step.

    `after_update` follows each update (WGAN clips there). While a player moves, nobody else's parameters collect
    gradients.
    """

    name: str
    parameters: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    terms: Callable[[Turn], dict[str, Tensor]]
    steps: int = 1
    after_update: Callable[[], None] | None = None


class PlayerFactory(Protocol):
    """What the functions below need of a variant: its hyperparameters, and an optimizer for a player."""

    config: Any

    def optimizer(self, player: str, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
        """The optimizer of the player of that name."""


def new_player(
    variant: PlayerFactory,
    name: str,
    modules: Iterable[nn.Module],
    terms: Callable[[Turn], dict[str, Tensor]],
    *,
    steps: int = 1,
    after_update: Callable[[], None] | None = None,
) -> Player:
    """A player that owns the parameters of `modules`, moved by the optimizer the variant gives it."""
    parameters = [p for module in modules for p in module.parameters()]
    return Player(name, parameters, variant.optimizer(name, parameters), terms, steps, after_update)


def two_players(variant: PlayerFactory, networks: Networks) -> list[Player]:
    """The game of arXiv:1406.2661, algorithm 1: the discriminator n_critic times, then the generator."""
    generator, discriminator, loss = networks
    return [
        new_player(variant, "discriminator", [discriminator], loss.for_discriminator, steps=variant.config.n_critic),
        new_player(variant, "generator", [generator], loss.for_generator),
    ]
