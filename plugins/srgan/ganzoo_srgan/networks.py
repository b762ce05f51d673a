"""The networks of SRGAN (arXiv:1609.04802, figure 4) and ESRGAN's generator (arXiv:1809.00219, section 3.1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_core.blocks import residual_block
from ganzoo_srgan import EsrganConfig, SrganConfig

_RESIDUAL_SCALE = 0.2  # beta of arXiv:1809.00219, section 4.1


class Verdict(NamedTuple):
    """What the discriminator says: `logits` (N,), and `features` (N, C, h, w), what its last convolution gave."""

    logits: Tensor
    features: Tensor


def smaller(images: Tensor, scale: int) -> Tensor:
    """Images (N, C, H, W) in [-1, 1] at a `scale`th of their sides, by bicubic interpolation without aliasing.

    As section 3.2 asks: its Gaussian filter is what `antialias` does.
    """
    sides = [side // scale for side in images.shape[2:]]
    return F.interpolate(images, sides, mode="bicubic", antialias=True).clamp(-1, 1)


class SrganGenerator(Generator):
    """A picture of `scale` times the sides, whatever these are (figure 4).

    Its answer is added to the source as bicubic interpolation enlarges it (as in arXiv:1511.04587) and cut to [-1, 1],
    where the paper's is the picture itself: what is known need not be learnt. Twice as near after as many steps.
    """

    latent_dim = 0

    def __init__(self, config: SrganConfig, data: DataSpec) -> None:
        super().__init__()
        colours, c = data.shape[0], config.width
        self.first = nn.Sequential(_conv(colours, c, 9), nn.PReLU())
        blocks = [residual_block(c, norm=nn.BatchNorm2d, activation=nn.PReLU) for _ in range(config.blocks)]
        self.body = nn.Sequential(*blocks, _conv(c, c, bias=False), nn.BatchNorm2d(c))
        self.last = nn.Sequential(*_doublings(c, config.scale, nn.PReLU), _conv(c, colours, 9))
        self.scale = config.scale

    def forward(self, z: Tensor, labels: Tensor | None = None, *, source: Tensor) -> Tensor:
        """(N, C, scale H, scale W) in [-1, 1] of `source` (N, C, H, W); z has no coordinates, labels are not used."""
        x = self.first(source)
        large = F.interpolate(source, scale_factor=self.scale, mode="bicubic")
        return (large + self.last(x + self.body(x))).clamp(-1, 1)


class EsrganGenerator(SrganGenerator):
    """The same without batch normalisation, of residual-in-residual dense blocks (arXiv:1809.00219, figure 4).

    It doubles sides by pixel shuffles as SRGAN's does, of which the paper says that it keeps the architecture.
    """

    def __init__(self, config: EsrganConfig, data: DataSpec) -> None:
        Generator.__init__(self)
        colours, c = data.shape[0], config.width
        self.first = _conv(colours, c)
        self.body = nn.Sequential(*(_rrdb(c, config.growth) for _ in range(config.blocks)), _conv(c, c))
        self.last = nn.Sequential(*_doublings(c, config.scale, _leaky), _conv(c, c), _leaky(), _conv(c, colours))
        self.scale = config.scale


class Scaled(nn.Sequential):
    """Layers of whose output a fifth is added to their input (arXiv:1809.00219, section 3.1: residual scaling)."""

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) changed a little, of the same shape."""
        return x + _RESIDUAL_SCALE * super().forward(x)


class Dense(nn.Module):
    """Five convolutions, each of which sees all that those before it gave (arXiv:1608.06993), `width` channels again.

    Weights begin at a tenth of those of arXiv:1502.01852 (arXiv:1809.00219, section 3.1: smaller initialisation).
    """

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            _conv(width + number * growth, growth if number < 4 else width) for number in range(5)
        )
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, a=0.2).data.mul_(0.1)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        for layer in self.layers[:-1]:
            x = torch.cat([x, F.leaky_relu(layer(x), 0.2)], dim=1)
        return self.layers[-1](x)


class SrganDiscriminator(Discriminator):
    """Pairs of convolutions 3x3, the second to half the sides, at 1, 2, 4 and 8 times the width (figure 4).

    Of pictures smaller than the paper's 96 pixels there are fewer pairs: sides halve until they are 4 or less.
    """

    def __init__(self, config: SrganConfig, data: DataSpec) -> None:
        super().__init__()
        colours, *sides = data.shape
        pairs = min(4, math.ceil(math.log2(min(sides) / 4)))
        widths = [config.discriminator_width * 2**number for number in range(pairs)]
        layers: list[nn.Module] = [_conv(colours, widths[0]), _leaky()]
        for number, (n_in, n_out) in enumerate(pairwise([widths[0], *widths])):
            if number:
                layers += [_conv(n_in, n_out, bias=False), nn.BatchNorm2d(n_out), _leaky()]
            layers += [_conv(n_out, n_out, stride=2, bias=False), nn.BatchNorm2d(n_out), _leaky()]
        self.layers = nn.Sequential(*layers[:-1])
        pixels = math.prod(-(-side // 2**pairs) for side in sides)
        hidden = 16 * config.discriminator_width
        self.verdict = nn.Sequential(
            _leaky(), nn.Flatten(), nn.Linear(widths[-1] * pixels, hidden), _leaky(),
            nn.Linear(hidden, 1),
        )  # fmt: skip

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Verdict:
        """Logits, and features before their activation, of x (N, C, H, W); labels are not used."""
        features = self.layers(x)
        return Verdict(self.verdict(features).squeeze(1), features)


def _conv(n_in: int, n_out: int, size: int = 3, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """A convolution that keeps the sides, or halves them, rounded up."""
    return nn.Conv2d(n_in, n_out, size, stride, size // 2, bias=bias)


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)


def _doublings(width: int, scale: int, activation: Callable[[], nn.Module]) -> list[nn.Module]:
    """Sub-pixel convolutions (arXiv:1609.05158), each to twice the sides."""
    count = scale.bit_length() - 1
    return [layer for _ in range(count) for layer in (_conv(width, 4 * width), nn.PixelShuffle(2), activation())]


def _rrdb(width: int, growth: int) -> Scaled:
    """A residual-in-residual dense block: three dense blocks, each residual, and all three residual again."""
    return Scaled(*(Scaled(Dense(width, growth)) for _ in range(3)))
