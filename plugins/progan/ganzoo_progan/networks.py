"""The growing networks of ProGAN (arXiv:1710.10196, figure 2 and table 2)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_progan import ProganConfig
from ganzoo_progan.layers import EqualConv, EqualLinear, PixelNorm, channels, convolved, judge, sides


class Growing(nn.Module):
    """Computes the levels begun; the last of them may be mixed with the one below while it fades in (figure 2)."""

    fade: Tensor

    def _grow(self, blocks: Iterable[nn.Module], rgb: Iterable[nn.Module]) -> None:
        self.blocks, self.rgb = nn.ModuleList(blocks), nn.ModuleList(rgb)
        self.register_buffer("fade", torch.ones(()))  # alpha; the loss sets it
        self.begin_phase(str(len(self.blocks) - 1))

    def begin_phase(self, phase: str) -> None:
        """Compute, and train, what the phase "2 fades in" or "2" needs."""
        self.level, self.fades = int(phase.split()[0]), " " in phase
        for level, (block, rgb) in enumerate(zip(self.blocks, self.rgb, strict=True)):
            block.requires_grad_(level <= self.level)
            rgb.requires_grad_(self.level - self.fades <= level <= self.level)
        self.rest = 2 ** (len(self.blocks) - 1 - self.level)  # from the level's side to the data's


class ProganGenerator(Growing, Generator):
    """Doubling and two convolutions a level, each with PixelNorm; what lacks to the data's size is doubled plainly."""

    def __init__(self, config: ProganConfig, data: DataSpec) -> None:
        super().__init__()
        self.latent_dim, (height, width), widths = config.latent_dim, sides(data)[0], channels(config, data)
        first = EqualLinear(self.latent_dim, widths[0] * height * width, gain=1 / 8)  # the gain of the paper's code
        start = [PixelNorm(), first, nn.Unflatten(1, (widths[0], height, width)), nn.LeakyReLU(0.2), PixelNorm()]
        blocks = [nn.Sequential(*start, *convolved(widths[0], widths[0]), PixelNorm())]
        for a, b in pairwise(widths):
            layers = [*convolved(a, b), PixelNorm(), *convolved(b, b), PixelNorm()]
            blocks.append(nn.Sequential(nn.Upsample(scale_factor=2), *layers))
        self._grow(blocks, [EqualConv(width, data.shape[0], 1, gain=1.0) for width in widths])

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, C, H, W) in [-1, 1] of z (N, latent_dim)."""
        below = x = z
        for block in self.blocks[: self.level + 1]:
            below, x = x, block(x)
        image = self.rgb[self.level](x)
        if self.fades:
            image = torch.lerp(F.interpolate(self.rgb[self.level - 1](below), scale_factor=2), image, self.fade)
        return F.interpolate(torch.tanh(image), scale_factor=self.rest)


class ProganDiscriminator(Growing, Discriminator):
    """Two convolutions and halving a level, on images made as small as the level; minibatch standard deviation last."""

    mixes_samples = True

    def __init__(self, config: ProganConfig, data: DataSpec) -> None:
        super().__init__()
        widths = channels(config, data)
        blocks = [judge(widths[0], sides(data)[0])]
        for a, b in pairwise(widths):
            blocks.append(nn.Sequential(*convolved(b, b), *convolved(b, a), nn.AvgPool2d(2)))
        self._grow(blocks, [nn.Sequential(*convolved(data.shape[0], width, 1)) for width in widths])

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Scores (N,) of images x (N, C, H, W)."""
        x = F.avg_pool2d(x, self.rest)
        features = self.rgb[self.level](x)
        for level in range(self.level, 0, -1):
            features = self.blocks[level](features)
            if self.fades and level == self.level:
                features = torch.lerp(self.rgb[level - 1](F.avg_pool2d(x, 2)), features, self.fade)
        return self.blocks[0](features).squeeze(1)
