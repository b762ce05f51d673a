"""A small pair for the game of arXiv:1606.01583. Numbers in comments are those of 28x28 grey images of ten classes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_sgan import SganConfig


class Verdict(NamedTuple):
    """`logits` (N,) of being real, `class_logits` (N, num_classes), both float32."""

    logits: Tensor
    class_logits: Tensor


class SganGenerator(Generator):
    """Two linear layers and two convolutions of stride 1/2, BatchNorm and ReLU between; tanh at the end."""

    def __init__(self, config: SganConfig, data: DataSpec) -> None:
        super().__init__()
        self.latent_dim, width, k = config.latent_dim, config.generator_width, config.generator_channels
        colours, *sides = data.shape
        seed = (2 * k, sides[0] // 4, sides[1] // 4)  # (64, 7, 7)
        size = seed[0] * seed[1] * seed[2]
        self.layers = nn.Sequential(
            *(nn.Linear(self.latent_dim, width), nn.BatchNorm1d(width), nn.ReLU()),
            *(nn.Linear(width, size), nn.BatchNorm1d(size), nn.ReLU(), nn.Unflatten(1, seed)),
            *(nn.ConvTranspose2d(2 * k, k, 4, stride=2, padding=1), nn.BatchNorm2d(k), nn.ReLU()),  # (32, 14, 14)
            *(nn.ConvTranspose2d(k, colours, 4, stride=2, padding=1), nn.Tanh()),  # (1, 28, 28)
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, C, H, W) in [-1, 1] from z (N, latent_dim); labels are not used."""
        return self.layers(z)


class ClassOrMade(Discriminator):
    """A classifier with num_classes + 1 outputs, the last for what was made (section 2).

    Of a softmax over all outputs, the log-odds of being real are log sum exp of the classes' less the last.
    """

    def __init__(self, config: SganConfig, data: DataSpec) -> None:
        super().__init__()
        k, width = config.discriminator_channels, config.discriminator_width
        colours, *sides = data.shape
        seen = 2 * k * _after_two(sides[0]) * _after_two(sides[1])  # 512
        self.layers = nn.Sequential(
            *(nn.Conv2d(colours, k, 5), nn.LeakyReLU(0.2), nn.MaxPool2d(2)),  # (16, 12, 12)
            *(nn.Conv2d(k, 2 * k, 5), nn.LeakyReLU(0.2), nn.MaxPool2d(2)),  # (32, 4, 4)
            *(nn.Flatten(), nn.Linear(seen, width), nn.LeakyReLU(0.2)),
            nn.Linear(width, data.num_classes + 1),
        )

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Verdict:
        """Whether x (N, C, H, W) is real, and its class; labels are not used."""
        outputs = self.layers(x).float()  # (N, 11)
        classes = outputs[:, :-1]
        return Verdict(torch.logsumexp(classes, 1) - outputs[:, -1], classes)


def _after_two(side: int) -> int:
    """What two 5x5 convolutions, each pooled by 2, leave of a side: 28 -> 24 -> 12 -> 8 -> 4."""
    return ((side - 4) // 2 - 4) // 2
