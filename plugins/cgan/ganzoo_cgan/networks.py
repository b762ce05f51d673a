"""Stacks of linear layers that see the label's embedding beside their input (arXiv:1411.1784, figure 1)."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from ganzoo_cgan import CganConfig
from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_core.dropout import Dropout


class CganGenerator(Generator):
    """(latent, embedding) - widths - sample, LeakyReLU 0.2 between, tanh at the end."""

    def __init__(self, config: CganConfig, data: DataSpec) -> None:
        super().__init__()
        self.latent_dim, self.shape = config.latent_dim, data.shape
        self.embedding = nn.Embedding(data.num_classes, config.embedding_dim)
        sizes = [config.latent_dim + config.embedding_dim, *config.generator_widths]
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], math.prod(data.shape)), nn.Tanh())

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, *shape) in [-1, 1] from z (N, latent_dim) and labels (N,)."""
        return self.layers(torch.cat([z, self.embedding(labels)], dim=1)).unflatten(1, self.shape)


class CganDiscriminator(Discriminator):
    """(sample, embedding) - widths - 1, LeakyReLU 0.2 and dropout between."""

    def __init__(self, config: CganConfig, data: DataSpec) -> None:
        super().__init__()
        dropout = (0.3 if data.has_pixels else 0.0) if config.dropout is None else config.dropout
        self.embedding = nn.Embedding(data.num_classes, config.embedding_dim)
        sizes = [math.prod(data.shape) + config.embedding_dim, *config.discriminator_widths]
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(0.2), Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (N,) of x (N, *shape) under labels (N,)."""
        return self.layers(torch.cat([x.flatten(1), self.embedding(labels)], dim=1)).squeeze(1)
