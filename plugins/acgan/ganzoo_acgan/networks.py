"""A pair of convolutional networks for the game of arXiv:1610.09585. Numbers in comments are those of 28x28 grey."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganzoo_acgan import AcganConfig
from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_core.blocks import one_hot


class Verdict(NamedTuple):
    """What the discriminator says: `logits` (N,) of being real, `class_logits` (N, num_classes)."""

    logits: Tensor
    class_logits: Tensor


class AcganGenerator(Generator):
    """Two linear layers from (latent, one-hot class), then transposed convolutions, each doubling the sides."""

    def __init__(self, config: AcganConfig, data: DataSpec) -> None:
        super().__init__()
        self.latent_dim, self.num_classes, width = config.latent_dim, data.num_classes, config.generator_width
        colours, *sides = data.shape
        doublings = _halvings(*sides)
        wide = config.generator_channels * 2 ** (doublings - 1)
        first = (wide, *(side >> doublings for side in sides))  # (128, 7, 7)
        size = first[0] * first[1] * first[2]
        layers: list[nn.Module] = [
            *(nn.Linear(self.latent_dim + self.num_classes, width), nn.BatchNorm1d(width), nn.ReLU()),
            *(nn.Linear(width, size), nn.BatchNorm1d(size), nn.ReLU(), nn.Unflatten(1, first)),
        ]
        for _ in range(doublings - 1):
            layers += [_enlarging(wide, wide // 2), nn.BatchNorm2d(wide // 2), nn.ReLU()]  # (64, 14, 14)
            wide //= 2
        self.layers = nn.Sequential(*layers, _enlarging(wide, colours), nn.Tanh())  # (1, 28, 28)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, C, H, W) in [-1, 1] from z (N, latent_dim) and labels (N,)."""
        return self.layers(torch.cat([z, one_hot(labels, self.num_classes, z)], dim=1))


class AcganDiscriminator(Discriminator):
    """5x5 convolutions with max pooling, a linear layer, and two answers from it: the source and the class."""

    def __init__(self, config: AcganConfig, data: DataSpec) -> None:
        super().__init__()
        channels, width = config.discriminator_channels, config.discriminator_width
        n_in, *sides = data.shape
        layers: list[nn.Module] = []
        while min(sides) >= 12:  # what a convolution and a pooling leave of 12 is 4
            layers += [nn.Conv2d(n_in, channels, kernel_size=5), nn.LeakyReLU(0.2), nn.MaxPool2d(2)]
            sides = [(side - 4) // 2 for side in sides]  # (32, 12, 12), (64, 4, 4)
            n_in, channels = channels, 2 * channels
        self.layers = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(n_in * sides[0] * sides[1], width), nn.LeakyReLU(0.2)
        )
        self.source = nn.Linear(width, 1)
        self.classes = nn.Linear(width, data.num_classes)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Verdict:
        """Source and class of x (N, C, H, W); labels are not used, as the class is what it must tell."""
        features = self.layers(x)
        return Verdict(self.source(features).squeeze(1), self.classes(features))


def _halvings(height: int, width: int) -> int:
    """How often both sides halve without remainder while they stay at 4 or more: 28 -> 14 -> 7 gives 2."""
    count = 0
    while height % 2 == width % 2 == 0 and min(height, width) >= 8:
        height, width, count = height // 2, width // 2, count + 1
    return count


def _enlarging(n_in: int, n_out: int) -> nn.ConvTranspose2d:
    """A convolution of stride 1/2: twice the sides."""
    return nn.ConvTranspose2d(n_in, n_out, kernel_size=4, stride=2, padding=1)
