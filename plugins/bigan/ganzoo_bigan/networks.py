"""Networks of linear layers: samples of latents, latents of samples, and who judges one, the other or both."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ganzoo_bigan import AaeConfig, BiganConfig
from ganzoo_core import DataSpec, Discriminator, Generator


class AaeGenerator(Generator):
    """G, latent - width - width - sample, and `encoder` the other way; both of one player, one file, one average."""

    def __init__(self, config: AaeConfig | BiganConfig, data: DataSpec) -> None:
        super().__init__()
        self.latent_dim, width, size = config.latent_dim, config.width, math.prod(data.shape)
        self.layers = nn.Sequential(
            *_dense(self.latent_dim, width, size, nn.ReLU, norm=True), nn.Tanh(), nn.Unflatten(1, data.shape)
        )
        self.encoder = nn.Sequential(nn.Flatten(), *_dense(size, width, self.latent_dim, _leaky, norm=True))

    def encode(self, x: Tensor) -> Tensor:
        """The latents (N, latent_dim) of samples x (N, *shape) in [-1, 1]."""
        return self.encoder(x)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, *shape) in [-1, 1] from latents z; labels are not used."""
        return self.layers(z)


class BiganGenerator(AaeGenerator):
    """The same, of latents uniform in [-1, 1] (arXiv:1605.09782, section 4.2)."""

    latent_range = (-1.0, 1.0)

    def latent(self, n: int, rng: torch.Generator) -> Tensor:
        """Latents (n, latent_dim) float32, uniform in [-1, 1]."""
        return torch.rand(n, self.latent_dim, generator=rng, device=rng.device) * 2 - 1


class PairDiscriminator(Discriminator):
    """(sample, latent) - width - width - logit."""

    def __init__(self, config: BiganConfig, data: DataSpec) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        self.layers = nn.Sequential(*_dense(math.prod(data.shape) + self.latent_dim, config.width, 1, _leaky))

    def forward(self, x: Tensor, labels: Tensor | None = None, *, latents: Tensor | None = None) -> Tensor:
        """Logits (N,) of samples x (N, *shape) beside their latents; zeros stand in where there are none."""
        z = x.new_zeros(len(x), self.latent_dim) if latents is None else latents
        return self.layers(torch.cat([x.flatten(1), z], dim=1)).squeeze(1)


class LatentDiscriminator(Discriminator):
    """Latent - width - width - logit: whether a latent is of the prior (arXiv:1511.05644, figure 1)."""

    def __init__(self, config: AaeConfig, data: DataSpec) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        self.layers = nn.Sequential(*_dense(self.latent_dim, config.width, 1, _leaky))

    def forward(self, x: Tensor, labels: Tensor | None = None, *, latents: Tensor | None = None) -> Tensor:
        """Logits (N,) of latents; zeros stand in where there are none. Samples x and labels are not used."""
        z = x.new_zeros(len(x), self.latent_dim) if latents is None else latents
        return self.layers(z).squeeze(1)


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)


def _dense(
    n_in: int, width: int, n_out: int, activation: Callable[[], nn.Module], norm: bool = False
) -> list[nn.Module]:
    """n_in - width - width - n_out; with `norm` BatchNorm behind each hidden layer."""
    layers: list[nn.Module] = []
    for n in (n_in, width):
        layers += [nn.Linear(n, width), *([nn.BatchNorm1d(width)] if norm else []), activation()]
    return [*layers, nn.Linear(width, n_out)]
