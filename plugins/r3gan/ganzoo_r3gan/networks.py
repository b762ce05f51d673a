"""Residual networks without normalisation (arXiv:2501.05441, section 4). Comments: at 28x28 grey."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_core.blocks import halvings
from ganzoo_r3gan import R3ganConfig

_SLOPE = 0.2
_GAIN = (2 / (1 + _SLOPE**2)) ** 0.5  # keeps the variance through LeakyReLU (arXiv:1502.01852)


def convolution(n_in: int, n_out: int, size: int, gain: float, groups: int = 1) -> nn.Conv2d:
    """A convolution without bias, its weights drawn so that the variance grows by gain²."""
    layer = nn.Conv2d(n_in, n_out, size, padding=size // 2, groups=groups, bias=False)
    if gain:
        nn.init.normal_(layer.weight, std=gain / (n_in // groups * size**2) ** 0.5)
    else:
        nn.init.zeros_(layer.weight)
    return layer


class BiasedLeakyReLU(nn.Module):
    """LeakyReLU(0.2) of x plus a bias a channel: the networks have biases before activations alone (section 4.2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to the same."""
        return F.leaky_relu(x + self.bias.to(x.dtype), _SLOPE)  # in bf16 a sum with float32 would be float32


class Block(nn.Module):
    """x plus a bottleneck inside out: 1x1 to `expansion` times the channels, grouped 3x3, 1x1 back (section 4.2).

    As arXiv:1901.09321 has it: the last convolution starts from 0, the others are scaled down with the number of blocks
    in the network to the power of 1/4, so that the variance stays.
    """

    def __init__(self, config: R3ganConfig, total_blocks: int) -> None:
        super().__init__()
        inside = config.width * config.expansion
        gain = _GAIN * total_blocks**-0.25
        self.layers = nn.Sequential(
            convolution(config.width, inside, 1, gain),
            BiasedLeakyReLU(inside),
            convolution(inside, inside, 3, gain, groups=inside // config.group_width),
            BiasedLeakyReLU(inside),
            convolution(inside, config.width, 1, 0.0),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        return self.layers(x) + x  # in the memory format of the first: that of convolutions, the quick one


class R3ganGenerator(Generator):
    """A learned picture, scaled by z, levels of blocks with bilinear doubling between them, and 1x1 to colours."""

    def __init__(self, config: R3ganConfig, data: DataSpec) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        colours, height, width = data.shape
        doublings = halvings(height, width, least=4)
        total = (doublings + 1) * config.blocks
        self.basis = nn.Parameter(torch.randn(config.width, height >> doublings, width >> doublings))  # (48, 7, 7)
        self.linear = nn.Linear(config.latent_dim, config.width, bias=False)
        nn.init.normal_(self.linear.weight, std=config.latent_dim**-0.5)
        self.levels = nn.ModuleList(
            nn.Sequential(*(Block(config, total) for _ in range(config.blocks))) for _ in range(doublings + 1)
        )
        self.last = convolution(config.width, colours, 1, 1.0)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, C, H, W) in [-1, 1] from z (N, latent_dim)."""
        x = self.basis * self.linear(z)[:, :, None, None]  # (N, 48, 7, 7)
        for number, level in enumerate(self.levels):
            x = F.interpolate(x, scale_factor=2, mode="bilinear") if number else x
            x = level(x)  # ... (N, 48, 28, 28)
        return torch.tanh(self.last(x))


class R3ganDiscriminator(Discriminator):
    """The generator's mirror image: 1x1 from colours, levels with bilinear halving, a depthwise layer to one place."""

    def __init__(self, config: R3ganConfig, data: DataSpec) -> None:
        super().__init__()
        colours, height, width = data.shape
        halves = halvings(height, width, least=4)
        total = (halves + 1) * config.blocks
        self.first = convolution(colours, config.width, 1, 1.0)
        self.levels = nn.ModuleList(
            nn.Sequential(*(Block(config, total) for _ in range(config.blocks))) for _ in range(halves + 1)
        )
        places = (height >> halves) * (width >> halves)
        self.weights = nn.Parameter(torch.randn(config.width, places) / places**0.5)  # of a depthwise layer
        self.linear = nn.Linear(config.width, 1, bias=False)
        nn.init.normal_(self.linear.weight, std=config.width**-0.5)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (N,) of pictures x (N, C, H, W)."""
        x = self.first(x)
        for number, level in enumerate(self.levels):
            x = F.avg_pool2d(x, 2) if number else x  # bilinear to half is the mean of two by two
            x = level(x)
        return self.linear((x.flatten(2) * self.weights).sum(2)).squeeze(1)
