"""Stacks of linear layers (arXiv:1406.2661, section 5: multilayer perceptrons)."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn

from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_core.dropout import Dropout
from ganzoo_vanilla import VanillaConfig


class VanillaGenerator(Generator):
    """latent - widths - sample, LeakyReLU 0.2 between (the paper: ReLU and sigmoid), tanh at the end."""

    def __init__(self, config: VanillaConfig, data: DataSpec) -> None:
        super().__init__()
        is_large, shape = data.has_pixels, data.shape
        latent_dim = (100 if is_large else 2) if config.latent_dim is None else config.latent_dim
        widths = config.generator_widths
        if widths is None:
            widths = (256, 512, 1024) if is_large else (128, 128)
        self.latent_dim = latent_dim
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise([latent_dim, *widths]):
            layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear([latent_dim, *widths][-1], math.prod(shape)), nn.Tanh())
        self.shape = shape

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, *shape) in [-1, 1] from z (N, latent_dim); labels are not used."""
        return self.layers(z).unflatten(1, self.shape)


class VanillaDiscriminator(Discriminator):
    """sample - widths - 1, LeakyReLU 0.2 and dropout between (the paper: maxout and dropout)."""

    def __init__(self, config: VanillaConfig, data: DataSpec) -> None:
        super().__init__()
        is_large, widths = data.has_pixels, config.discriminator_widths
        if widths is None:
            widths = (1024, 512, 256) if is_large else (128, 128)
        dropout = (0.3 if is_large else 0.0) if config.dropout is None else config.dropout
        sizes = [math.prod(data.shape), *widths]
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(0.2), Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (N,) of x (N, *shape); labels are not used."""
        return self.layers(x.flatten(1)).squeeze(1)
