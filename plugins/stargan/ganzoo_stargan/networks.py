"""StarGAN's generator and discriminator (arXiv:1711.09020, tables 4 and 5). Numbers in comments are those of 28x28."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_core.blocks import instance_norm, one_hot, residual_block
from ganzoo_stargan import StarganConfig

affine_norm = partial(instance_norm, affine=True)


class StarganGenerator(Generator):
    """The label joins the image as a plane for each class; then two layers down, residual blocks, two layers up.

    With `skip` the image itself is added before the tanh, so that a new generator leaves it as it is.
    """

    latent_dim = 0

    def __init__(self, config: StarganConfig, data: DataSpec) -> None:
        super().__init__()
        self.num_classes, colours, width = data.num_classes, data.shape[0], config.generator_channels
        down = partial(nn.Conv2d, kernel_size=4, stride=2, padding=1, bias=False)
        up = partial(nn.ConvTranspose2d, kernel_size=4, stride=2, padding=1, bias=False)
        self.layers = nn.Sequential(
            *_normed(nn.Conv2d(colours + self.num_classes, width, 7, padding=3, bias=False)),  # (16, 28, 28)
            *_normed(down(width, 2 * width)),  # (32, 14, 14)
            *_normed(down(2 * width, 4 * width)),  # (64, 7, 7)
            *(residual_block(4 * width, affine_norm) for _ in range(config.residual_blocks)),
            *_normed(up(4 * width, 2 * width)),  # (32, 14, 14)
            *_normed(up(2 * width, width)),  # (16, 28, 28)
            nn.Conv2d(width, colours, 7, padding=3, bias=False),  # (3, 28, 28)
        )
        self.skip = config.skip
        if self.skip:
            nn.init.normal_(self.layers[-1].weight, std=0.02)

    def forward(self, z: Tensor, labels: Tensor, *, source: Tensor) -> Tensor:
        """Images `source` (N, C, H, W) in [-1, 1] as ones of the classes `labels` (N,)."""
        planes = one_hot(labels, self.num_classes, source)[:, :, None, None]
        planes = planes.expand(-1, -1, source.shape[2], source.shape[3])
        changes = self.layers(torch.cat([source, planes], dim=1))
        return torch.tanh(changes + source if self.skip else changes)


class Verdict(NamedTuple):
    """`logits` (N, 1, h, w) of patches being real, `class_logits` (N, num_classes) of the whole."""

    logits: Tensor
    class_logits: Tensor


class StarganDiscriminator(Discriminator):
    """Layers of stride 2 without normalisation, and two answers from what is left: of each patch, and the class."""

    def __init__(self, config: StarganConfig, data: DataSpec) -> None:
        super().__init__()
        colours, height, width = data.shape
        count, first = config.discriminator_layers, config.discriminator_channels
        widths = [colours, *(first * 2**number for number in range(count))]
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):
            layers += [nn.Conv2d(n_in, n_out, 4, stride=2, padding=1), nn.LeakyReLU(0.01)]
        self.layers = nn.Sequential(*layers)  # (16, 14, 14), (32, 7, 7)
        self.source = nn.Conv2d(widths[-1], 1, 3, padding=1, bias=False)
        self.classes = nn.Conv2d(widths[-1], data.num_classes, (height >> count, width >> count), bias=False)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Verdict:
        """Patches and class of x (N, C, H, W); labels are not used, as the class is what it must tell."""
        features = self.layers(x)
        return Verdict(self.source(features), self.classes(features).flatten(1))


def _normed(layer: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    return [layer, affine_norm(layer.out_channels), nn.ReLU()]
