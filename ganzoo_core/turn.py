"""One mini-batch as one player sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.errors import ContractError
from ganzoo_core.guards.contract import checked_logits, checked_samples
from ganzoo_core.networks import Discriminator, Generator, column_names, columns_of, logits_of


@dataclass(frozen=True)
class Clock:
    """Where a step stands: the phase's name, and two scalar tensors on the device, set anew before each step.

    `step`: int64, how many steps of the run were made before this one. `progress`: float32 from 0 to 1, the part of the
    phase that is over (of the run, without phases). Tensors, so that a recorded graph and a compiled step stay right.
    """

    phase: str | None = None
    step: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.int64))
    progress: Tensor = field(default_factory=lambda: torch.zeros(()))


@dataclass
class Batch:
    """One mini-batch and its latents, shared by the players of a step, so that G(z) is computed once for both."""

    columns: dict[str, Tensor]
    z: Tensor
    generator: Generator
    keep_graph: bool
    clock: Clock = field(default_factory=Clock)
    make: Callable[..., Any] | None = field(default=None, repr=False)  # the generator compiled
    _fake: Tensor | None = field(default=None, repr=False)

    def fake(self, with_graph: bool) -> Tensor:
        """G(z), (N, *shape). The graph back to the generator is kept if a later turn on this batch needs it."""
        if self._fake is None or (with_graph and not self._fake.requires_grad):
            with torch.set_grad_enabled(with_graph or self.keep_graph):
                make = self.generator if self.make is None else self.make
                made = make(self.z, self.columns.get("labels"), **columns_of(self.generator, self.columns))
            self._fake = checked_samples(self.generator, made, self.columns["real"])
        return self._fake if with_graph else self._fake.detach()

    def forget(self) -> None:
        """Drop G(z), as the generator has been updated since."""
        self._fake = None


class Turn:
    """One mini-batch as one player sees it. Attributes are computed lazily and cached.

    Network outputs keep their autograd graph even when first accessed under `torch.no_grad()`, and are float32 whatever
    the networks compute in. `further`: the game's further networks by name. `batch` holds all that
    the data set and the variant's `derive` gave, including `real` (N, *shape) and `labels` (N,). A loss whose
    discriminator judges pairs sets `real_logits` and `fake_logits` itself, so that the balance of the game is logged.
    """

    def __init__(
        self,
        batch: Batch,
        generator: Generator,
        discriminator: Discriminator,
        *,
        owns_generator: bool,
        joint: bool,
        further: Mapping[str, nn.Module] | None = None,
        augment: Callable[..., tuple[Tensor, dict[str, Tensor]]] | None = None,
        judge: Callable[..., Any] | None = None,
    ) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self.further = further or {}
        self._augment = augment
        # Compiled code has no gradient of a gradient, so that `critic` goes without.
        self._compiled = discriminator if judge is None else judge
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

    @property
    def phase(self) -> str | None:
        """The phase of the run; None in a game without phases."""
        return self._shared.clock.phase

    @property
    def step(self) -> Tensor:
        """How many steps of the run were made before this one: a scalar tensor, int64, on the device."""
        return self._shared.clock.step

    @property
    def progress(self) -> Tensor:
        """The part of the phase that is over: a scalar tensor, float32 in [0, 1], on the device.

        Without phases, the part of the run. In a run that its time ends there is no telling, and it stays near 0.
        """
        return self._shared.clock.progress

    @cached_property
    def fake(self) -> Tensor:
        """G(z), (N, *shape); detached unless it is the generator's turn."""
        return self._shared.fake(with_graph=self._owns_generator)

    @cached_property
    @torch.enable_grad()
    def on_real(self) -> Any:
        """The discriminator's output on `real`. In its own turn real and fake are passed together."""
        return self._on_both[0] if self._joint else self._judge(self._compiled, self.real, self.batch)

    @cached_property
    @torch.enable_grad()
    def on_fake(self) -> Any:
        """The discriminator's output on `fake`."""
        return self._on_both[1] if self._joint else self._judge(self._compiled, self.fake, self.batch)

    @cached_property
    def real_logits(self) -> Tensor:
        """The logits (N, ...) in `on_real`: all of the output, or its first item."""
        return logits_of(self.on_real)

    @cached_property
    def fake_logits(self) -> Tensor:
        """The logits (N, ...) in `on_fake`."""
        return logits_of(self.on_fake)

    @property
    def has_logits(self) -> bool:
        """Whether the loss has asked for the logits of both, or set them."""
        computed = self.__dict__.keys()
        return not (computed.isdisjoint({"on_real", "real_logits"}) or computed.isdisjoint({"on_fake", "fake_logits"}))

    @property
    def has_fake(self) -> bool:
        """Whether the loss has asked for samples of the turn's latents."""
        return "fake" in self.__dict__

    def critic(self, x: Tensor, labels: Tensor | None = None, **columns: Tensor) -> Tensor:
        """Logits (N, ...) of any samples x (N, *shape) under this turn's labels and columns, or under others."""
        return logits_of(self._judge(self.discriminator, x, self._changed(self.discriminator, labels, columns)))

    def generate(self, z: Tensor | None = None, labels: Tensor | None = None, **columns: Tensor) -> Tensor:
        """What the generator makes (N, *shape) of this turn's latents, labels and columns, or of others.

        Detached unless it is the generator's turn. `fake` is shared between turns, and this is not.
        """
        batch = self._changed(self.generator, labels, columns)
        with torch.set_grad_enabled(self._owns_generator):
            made = self.generator(self.z if z is None else z, batch.get("labels"), **columns_of(self.generator, batch))
        return checked_samples(self.generator, made, self.real)

    def _changed(self, network: nn.Module, labels: Tensor | None, columns: dict[str, Tensor]) -> dict[str, Tensor]:
        """The batch with other labels and columns. Raises `ContractError` for one that is not there and not taken."""
        if unknown := columns.keys() - self.batch.keys() - column_names(network).keys():
            known = ", ".join(sorted(self.batch))
            raise ContractError(
                "inputs",
                f"a turn was given {', '.join(sorted(unknown))}, but its batch has only {known}, and "
                f"{type(network).__name__}.forward takes no such keyword",
            )
        return self.batch | columns | ({} if labels is None else {"labels": labels})

    def _judge(self, judge: Callable[..., Any], x: Tensor, batch: dict[str, Tensor]) -> Any:
        x, columns = self._seen(x, columns_of(self.discriminator, batch))
        return checked_logits(self.discriminator, judge(x, batch.get("labels"), **columns), x)

    def _seen(self, x: Tensor, columns: dict[str, Tensor], copies: int = 1) -> tuple[Tensor, dict[str, Tensor]]:
        """So many batches of samples, and columns, as the discriminator sees them: augmented, where that is asked."""
        return (x, columns) if self._augment is None else self._augment(x, columns, copies)

    @cached_property
    @torch.enable_grad()
    def _on_both(self) -> tuple[Any, Any]:
        n, columns = len(self.real), columns_of(self.discriminator, self.batch)
        twice = {name: torch.cat([column, column]) for name, column in columns.items()}
        labels = None if self.labels is None else torch.cat([self.labels, self.labels])
        x, twice = self._seen(torch.cat([self.real, self.fake]), twice, copies=2)
        output = checked_logits(self.discriminator, self._compiled(x, labels, **twice), x)
        if isinstance(output, Tensor):
            return output[:n], output[n:]
        return type(output)(*(part[:n] for part in output)), type(output)(*(part[n:] for part in output))
