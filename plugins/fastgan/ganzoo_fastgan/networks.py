"""FastGAN's networks (arXiv:2101.04775, figures 2 to 4). Comments: of pictures (1, 28, 28), at width 16."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_core.blocks import halvings
from ganzoo_core.seeds import uniform
from ganzoo_fastgan import FastganConfig

_WIDER = (16, 8, 4, 2, 2, 1, 0.5, 0.25)  # than `width`, of features of 4, 8, 16, ... pixels, as in the authors' code
_SPAN = 4  # levels from the features that excite to those that are excited: 8x8 to 128x128 (section 3.1)


def channels(width: int, side: int) -> int:
    """Of features of about `side` pixels: 16 times `width` at 4, half of that at 8, and so on; of more, `width`."""
    return max(4, int(width * _WIDER[min(round(math.log2(side / 4)), len(_WIDER) - 1)]))


def convolution(n_in: int, n_out: int, size: int = 3, stride: int = 1, padding: int | None = None) -> nn.Module:
    """A convolution without bias, divided by its largest singular value (arXiv:1802.05957)."""
    padding = (size - 1) // 2 if padding is None else padding
    return spectral_norm(nn.Conv2d(n_in, n_out, size, stride, padding, bias=False))


class Gated(nn.Module):
    """A gated linear unit (arXiv:1612.08083): half of the channels, each times the sigmoid of one of the other half.

    The gradient of `nn.GLU` is in another memory format than that of convolutions: BatchNorm's then takes many times as
    long on a CPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, 2 C, H, W) to (N, C, H, W)."""
        linear, gate = x.chunk(2, dim=1)
        return linear * torch.sigmoid(gate)


def doubled(n_in: int, n_out: int) -> nn.Sequential:
    """Nearest doubling, convolution, BatchNorm and a gated linear unit: (N, n_in, H, W) to (N, n_out, 2 H, 2 W)."""
    layers = convolution(n_in, 2 * n_out), nn.BatchNorm2d(2 * n_out), Gated()
    return nn.Sequential(nn.Upsample(scale_factor=2), *layers)


class Excitation(nn.Module):
    """Skip-layer excitation: late features, each channel times what early ones say, from 0 to 1 (equation 1)."""

    def __init__(self, early: int, late: int) -> None:
        super().__init__()
        squeeze = nn.AdaptiveAvgPool2d(4), convolution(early, late, 4, padding=0), nn.LeakyReLU(0.1)
        self.layers = nn.Sequential(*squeeze, convolution(late, late, 1), nn.Sigmoid())

    def forward(self, early: Tensor, late: Tensor) -> Tensor:
        """early (N, early, h, w) and late (N, late, H, W) to the late one's shape."""
        return late * self.layers(early)


class FastganGenerator(Generator):
    """A convolution a level, doubled; levels far apart are joined by excitation, in place of deeper networks."""

    def __init__(self, config: FastganConfig, data: DataSpec) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        colours, height, width = data.shape
        doublings = halvings(height, width, least=4)
        sides = [max(height, width) >> k for k in range(doublings, -1, -1)]
        widths = [channels(config.width, side) for side in sides]  # (128, 64, 32)
        smallest = height >> doublings, width >> doublings
        start = nn.ConvTranspose2d(self.latent_dim, 2 * widths[0], smallest, bias=False)
        self.start = nn.Sequential(spectral_norm(start), nn.BatchNorm2d(2 * widths[0]), Gated())
        self.levels = nn.ModuleList(doubled(a, b) for a, b in pairwise(widths))
        self.span = min(_SPAN, doublings)
        pairs = zip(widths, widths[self.span :], strict=False)
        self.excitations = nn.ModuleList(Excitation(early, late) for early, late in pairs)
        self.last = nn.Sequential(convolution(widths[-1], colours), nn.Tanh())

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, C, H, W) in [-1, 1] of z (N, latent_dim)."""
        features = [self.start(z[:, :, None, None])]  # (N, 128, 7, 7)
        for number, level in enumerate(self.levels, start=1):
            x = level(features[-1])  # ... (N, 32, 28, 28)
            if number >= self.span:
                x = self.excitations[number - self.span](features[number - self.span], x)
            features.append(x)
        return self.last(features[-1])


class Halved(nn.Module):
    """Half the sides in two ways, the mean of both: convolutions 4x4 and 3x3, and pooling and 1x1 (figure 4)."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.long = nn.Sequential(
            convolution(n_in, n_out, 4, stride=2), nn.BatchNorm2d(n_out), nn.LeakyReLU(0.2),
            convolution(n_out, n_out), nn.BatchNorm2d(n_out), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.short = nn.Sequential(
            nn.AvgPool2d(2), convolution(n_in, n_out, 1), nn.BatchNorm2d(n_out), nn.LeakyReLU(0.2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, n_in, H, W) to (N, n_out, H / 2, W / 2)."""
        return (self.long(x) + self.short(x)) / 2


class Judged(NamedTuple):
    """What the discriminator says of pictures: logits of patches, its last two features, and what it was shown."""

    logits: Tensor  # (N, 1, h - 3, w - 3)
    late: Tensor  # (N, C, h, w)
    earlier: Tensor  # (N, C, 2 h, 2 w)
    seen: Tensor  # (N, colours, H, W)


class Rebuilt(NamedTuple):
    """What the decoders make of features, and what they should: whole pictures at half their sides, and quarters."""

    whole: Tensor  # (N, colours, H / 2, W / 2), as all of these
    real_whole: Tensor
    quarter: Tensor
    real_quarter: Tensor


class FastganDiscriminator(Discriminator):
    """Halves pictures to 7 to 13 pixels a side; two decoders rebuild them from its features, so that these tell all."""

    def __init__(self, config: FastganConfig, data: DataSpec) -> None:
        super().__init__()
        colours, height, width = data.shape
        halves = halvings(height, width, least=7)
        sides = [max(height, width) >> k for k in range(1, halves + 1)]
        widths = [channels(config.width, side) for side in sides]  # (64, 128)
        self.first = nn.Sequential(convolution(colours, widths[0], 4, stride=2), nn.LeakyReLU(0.2))
        self.blocks = nn.ModuleList(Halved(a, b) for a, b in pairwise(widths))
        n = widths[-1]
        self.judge = nn.Sequential(
            convolution(n, n, 1), nn.BatchNorm2d(n), nn.LeakyReLU(0.2), convolution(n, 1, 4, padding=0)
        )
        self.decode_whole = _decoder(n, halves - 1, colours)
        self.decode_quarter = _decoder(widths[-2], halves - 1, colours)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Judged:
        """Logits and features of x (N, C, H, W)."""
        features = [self.first(x)]
        for block in self.blocks:
            features.append(block(features[-1]))
        return Judged(self.judge(features[-1]), features[-1], features[-2], x)

    def rebuild(self, judged: Judged) -> Rebuilt:
        """What the decoders make of the last features, and of a quarter of the earlier ones, chosen by chance."""
        quarter = (uniform(len(judged.seen), like=judged.seen) * 4).long()
        return Rebuilt(
            self.decode_whole(judged.late),
            F.avg_pool2d(judged.seen, 2),
            self.decode_quarter(quarters(judged.earlier, quarter)),
            quarters(judged.seen, quarter),
        )


def quarters(x: Tensor, which: Tensor) -> Tensor:
    """Of each of x (N, C, 2 H, 2 W) the quarter (C, H, W) that `which` (N,) says: 0 and 1 above, 2 and 3 below."""
    n, c, height, width = x.shape
    parts = x.view(n, c, 2, height // 2, 2, width // 2).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
    return parts[torch.arange(n, device=x.device), which]


def _decoder(n: int, doublings: int, colours: int) -> nn.Sequential:
    """Doubled so often, with half the channels each time; then colours in [-1, 1] (figure 4)."""
    widths = [max(n >> k, 4) for k in range(doublings + 1)]
    return nn.Sequential(*(doubled(a, b) for a, b in pairwise(widths)), convolution(widths[-1], colours), nn.Tanh())
