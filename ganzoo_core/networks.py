"""Generator and Discriminator, what of a batch they take, and networks that are never trained.

A keyword-only parameter of a network's `forward` names a column of the batch, which it then gets wherever it is called:
in training, sampling and export. One with a default may be missing.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Self

import torch
from torch import Tensor, nn

from ganzoo_core.errors import ContractError


class Part(nn.Module):
    """What a game is made of: a network, or the loss."""

    def begin_phase(self, phase: str | None) -> None:
        """Get ready for a phase: called when it begins, after a resume, and before samples of a trained generator.

        Set attributes that `forward` goes by, and with `requires_grad_` which parameters are in play; change no tensor.
        Later phases are not begun in between. `phase`: None in a game without phases.
        """


class Generator(Part, ABC):
    """Makes samples from latents, and from the columns of a batch that keyword-only parameters of `forward` name.

    Set `self.latent_dim` in `__init__`, 0 for no noise, or override `latent`. `latent_range`: the lowest and highest
    value to which tools that explore the latent set a coordinate; state it where `latent` is not normal, such as
    (-1, 1) of a uniform one, and None for numbers between which there is nothing, such as indices. `sampling`: the
    options of the variant's `Sampling`, as whoever asks for samples chose them; in training the defaults.
    """

    latent_dim: int
    latent_range: tuple[float, float] | None = (-4.0, 4.0)
    sampling: Any = None

    def latent(self, n: int, rng: torch.Generator) -> Tensor:
        """The latents of n samples, on `rng`'s device: (n, latent_dim) float32, standard normal by default."""
        return torch.randn(n, self.latent_dim, generator=rng, device=rng.device)

    # With both *_ and **columns a type checker lets a subclass name any further parameters, or none.
    @abstractmethod
    def forward(self, z: Tensor, labels: Tensor | None = None, *_: Any, **columns: Any) -> Tensor:
        """Samples (N, *shape) float32 in [-1, 1] from latents (N, latent_dim), labels (N,) int64 and named columns."""


class Discriminator(Part, ABC):
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


class Frozen(nn.Module):
    """A trained network that is used and never trained, such as the VGG of a perceptual loss (arXiv:1603.08155).

    It stays in eval mode, no player can own its parameters, and checkpoints hold its digest in place of its weights. A
    generator's file holds them all, so that it needs nothing else.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode."""
        return super().train(False)

    def forward(self, *arguments: Any) -> Any:
        """What the network makes of its arguments; gradients pass through to them."""
        return self.network(*arguments)


def frozen_names(module: nn.Module) -> tuple[str, ...]:
    """The names of a module's parts that are `Frozen`."""
    return tuple(name for name, part in module.named_modules() if isinstance(part, Frozen))


def own_state(module: nn.Module) -> dict[str, Tensor]:
    """The tensors of a module that training may change, by name: all but those of its `Frozen` parts."""
    frozen = tuple(f"{name}." for name in frozen_names(module))
    return {name: tensor for name, tensor in module.state_dict().items() if not name.startswith(frozen)}


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
