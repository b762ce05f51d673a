"""The smallest networks that convolve. Numbers in comments are those of 28x28 grey images."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ganzoo_conv import ConvConfig
from ganzoo_core import DataSpec, Discriminator, Generator


class ConvGenerator(Generator):
    """A linear layer draws a picture two pixels too large, two 2x2 convolutions clean it; tanh at the end."""

    def __init__(self, config: ConvConfig, data: DataSpec) -> None:
        super().__init__()
        self.latent_dim, channels = config.latent_dim, config.generator_channels
        colours, height, width = data.shape
        draft = (colours, height + 2, width + 2)  # each convolution takes one pixel off
        drawing = nn.Linear(self.latent_dim, math.prod(draft))  # 100 -> 900
        # Small, because the discriminator is blind to most of the noise that a larger start would leave in the draft.
        nn.init.normal_(drawing.weight, 0.0, 0.02)
        nn.init.zeros_(drawing.bias)
        self.layers = nn.Sequential(
            drawing,
            nn.LeakyReLU(0.2),
            nn.Unflatten(1, draft),  # (1, 30, 30)
            nn.Conv2d(colours, channels, kernel_size=2),  # (64, 29, 29)
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, colours, kernel_size=2),  # (1, 28, 28)
            nn.Tanh(),
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, C, H, W) in [-1, 1] from z (N, latent_dim); labels are not used."""
        return self.layers(z)


class ConvDiscriminator(Discriminator):
    """One 2x2 convolution that halves the picture, then two linear layers; no LeakyReLU after the last.

    All that it knows of a block of 2x2 pixels is one number a colour. That number starts as the block's mean: the
    generator's gradient is a multiple of these weights, and mixed signs would draw stripes that nobody punishes.
    """

    def __init__(self, config: ConvConfig, data: DataSpec) -> None:
        super().__init__()
        colours, height, breadth = data.shape
        halved = (colours, math.ceil(height / 2), math.ceil(breadth / 2))
        halving = nn.Conv2d(colours, colours, kernel_size=2, stride=2)
        with torch.no_grad():
            halving.weight.copy_(torch.eye(colours)[:, :, None, None].expand_as(halving.weight) / 4)
        self.layers = nn.Sequential(
            nn.ZeroPad2d((0, breadth % 2, 0, height % 2)),  # an odd side keeps its last pixel
            halving,  # (1, 14, 14)
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(math.prod(halved), config.discriminator_width),  # 196 -> 128
            nn.LeakyReLU(0.2),
            nn.Linear(config.discriminator_width, 1),
        )

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (N,) of x (N, C, H, W); labels are not used."""
        return self.layers(x).squeeze(1)
