"""Residual networks (arXiv:1802.05957, appendix B.4) with classes (arXiv:1802.05637) and attention (arXiv:1805.08318).

Numbers in comments are those of 28x28 grey pictures.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_core.blocks import halvings, one_hot
from ganzoo_sngan import SnganConfig
from ganzoo_sngan.layers import Attention, CodedNorm, DownBlock, UpBlock, Wrap, convolution, plain, spectral


class ResnetGenerator(Generator):
    """A linear layer, blocks that double the sides, BatchNorm, ReLU, a convolution, tanh.

    A conditional one has a scale and a shift of each BatchNorm for each class (arXiv:1802.05637, section 4).
    """

    def __init__(self, config: SnganConfig, data: DataSpec) -> None:
        super().__init__()
        self.latent_dim, self.num_classes = config.latent_dim, data.num_classes if config.is_conditional else 0
        wrap = spectral if config.spectral_generator else plain
        self.body = UpBlocks(config, data, self.latent_dim, self.num_classes, wrap)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, C, H, W) in [-1, 1] from z (N, latent_dim) and, of a conditional one, labels (N,)."""
        code = one_hot(labels, self.num_classes, z) if self.num_classes else None
        return self.body(z, [code] * len(self.body.blocks))


class UpBlocks(nn.Module):
    """From a first vector (N, first_dim) to pictures (N, C, H, W) in [-1, 1], a code (N, code_dim) for each block."""

    def __init__(self, config: SnganConfig, data: DataSpec, first_dim: int, code_dim: int, wrap: Wrap) -> None:
        super().__init__()
        colours, height, width = data.shape
        doublings, channels = halvings(height, width, least=4), config.generator_width
        self.first = (channels, height >> doublings, width >> doublings)  # (32, 7, 7)
        linear = nn.Linear(first_dim, self.first[0] * self.first[1] * self.first[2])
        nn.init.xavier_uniform_(linear.weight)
        self.linear = wrap(linear)
        self.blocks = nn.ModuleList(UpBlock(channels, channels, code_dim, wrap) for _ in range(doublings))
        place = attention_place(
            [(height >> n, width >> n) for n in range(doublings - 1, -1, -1)], config.attention_side
        )
        self.attention_after = place
        self.attention = None if place is None else Attention(channels, wrap)
        self.norm, self.last = CodedNorm(channels, 0), wrap(convolution(channels, colours))

    def forward(self, first: Tensor, codes: list[Tensor | None]) -> Tensor:
        """`codes`: as many as there are blocks."""
        x = self.linear(first).unflatten(1, self.first)  # (N, 32, 7, 7)
        for number, block in enumerate(self.blocks):
            x = block(x, codes[number])  # (N, 32, 14, 14), (N, 32, 28, 28)
            if self.attention is not None and number == self.attention_after:
                x = self.attention(x)
        return torch.tanh(self.last(F.relu(self.norm(x, None))))


class ResnetDiscriminator(Discriminator):
    """Blocks that halve the sides to 8 or less, two more, ReLU, a sum over all places, a linear layer.

    Of classes, the product of a class's embedding with what was summed is added (arXiv:1802.05637, equation 9).
    """

    def __init__(self, config: SnganConfig, data: DataSpec) -> None:
        super().__init__()
        channels, (colours, height, width) = config.discriminator_width, data.shape
        depth = max(1, halvings(height, width, least=6))
        layers: list[nn.Module] = []
        sides = [(height >> n, width >> n) for n in range(1, depth + 1)]
        place = attention_place(sides, config.attention_side)
        for number in range(depth):
            layers.append(DownBlock(channels if number else colours, channels, spectral, is_first=not number))
            layers += [Attention(channels, spectral)] if number == place else []
        layers += [DownBlock(channels, channels, spectral, halves=False) for _ in range(2)]
        self.layers = nn.Sequential(*layers, nn.ReLU())
        linear = nn.Linear(channels, 1)
        nn.init.xavier_uniform_(linear.weight)
        self.linear = spectral(linear)
        self.num_classes = data.num_classes if config.is_conditional else 0
        self.classes = spectral(nn.Linear(self.num_classes, channels, bias=False)) if self.num_classes else None

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (N,) of pictures x (N, C, H, W), of a conditional one under labels (N,)."""
        features = self.layers(x).sum((2, 3))  # (N, 32)
        logits = self.linear(features).squeeze(1)
        if self.classes is None:
            return logits
        return logits + (self.classes(one_hot(labels, self.num_classes, features)) * features).sum(1)


def attention_place(sides: list[tuple[int, int]], at_most: int) -> int | None:
    """After which block attention comes: the one with the largest maps whose sides are even and at most that."""
    fit = [
        (max(side), place) for place, side in enumerate(sides) if max(side) <= at_most and not (side[0] | side[1]) & 1
    ]
    return max(fit)[1] if fit else None
