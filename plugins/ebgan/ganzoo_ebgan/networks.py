"""A generator, and an autoencoder whose decoder is built like it. Numbers in comments are those of 28x28 in grey."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_core.blocks import Norm, halvings
from ganzoo_ebgan import AutoencoderConfig


def decoder(n_in: int, width: int, shape: tuple[int, ...], norm: Norm = nn.Identity) -> nn.Sequential:
    """Numbers (N, n_in) to images (N, *shape), not bounded: each pixel four times, then a convolution."""
    colours, height, side = shape
    levels = halvings(height, side, least=7)
    n = width << levels
    small = (n, height >> levels, side >> levels)  # (64, 7, 7)
    layers: list[nn.Module] = [nn.Linear(n_in, n * small[1] * small[2]), nn.Unflatten(1, small), norm(n), nn.ELU()]
    for _ in range(levels):
        layers += [nn.Upsample(scale_factor=2), nn.Conv2d(n, n // 2, 3, padding=1), norm(n // 2), nn.ELU()]
        n //= 2  # (32, 14, 14), (16, 28, 28)
    return nn.Sequential(*layers, nn.Conv2d(n, colours, 3, padding=1))


def encoder(n_out: int, width: int, shape: tuple[int, ...]) -> nn.Sequential:
    """Images (N, *shape) to numbers (N, n_out): half the sides at each layer, and twice the channels."""
    colours, height, side = shape
    levels = halvings(height, side, least=7)
    layers: list[nn.Module] = []
    n_in, n = colours, 2 * width
    for _ in range(levels):
        layers += [nn.Conv2d(n_in, n, 4, stride=2, padding=1), nn.ELU()]  # (32, 14, 14), (64, 7, 7)
        n_in, n = n, 2 * n
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(n_in * (height >> levels) * (side >> levels), n_out))


class DecodingGenerator(Generator):
    """The decoder with BatchNorm, and a tanh; latents are uniform in [-1, 1]."""

    latent_range = (-1.0, 1.0)
    norm: Norm = nn.BatchNorm2d

    def __init__(self, config: AutoencoderConfig, data: DataSpec) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        self.layers = decoder(config.latent_dim, config.width, data.shape, self.norm)

    def latent(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, latent_dim) from U(-1, 1)."""
        return torch.rand(n, self.latent_dim, generator=rng, device=rng.device) * 2 - 1

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] from z (N, latent_dim); labels are not used."""
        return torch.tanh(self.layers(z))


class PlainGenerator(DecodingGenerator):
    """The decoder as the discriminator has it, and a tanh."""

    norm: Norm = nn.Identity


class Rebuilt(NamedTuple):
    """`logits` (N,): minus the mean absolute error; `code` (N, code_dim): what the encoder made of it."""

    logits: Tensor
    code: Tensor


class AutoencoderDiscriminator(Discriminator):
    """An encoder and a decoder: what comes out again is not far from what went in, where that is like the data."""

    def __init__(self, config: AutoencoderConfig, data: DataSpec) -> None:
        super().__init__()
        self.encoder = encoder(config.code_dim, config.width, data.shape)
        self.decoder = decoder(config.code_dim, config.width, data.shape)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Rebuilt:
        """How well x (N, C, H, W) is rebuilt, and its code; labels are not used."""
        code = self.encoder(x)
        return Rebuilt(-(self.decoder(code) - x).abs().flatten(1).mean(dim=1), code)
