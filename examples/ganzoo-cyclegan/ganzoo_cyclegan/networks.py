"""Residual generators and patch discriminators (arXiv:1703.10593, section 7.2), two of each in one module."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_cyclegan import CycleganConfig


class TwoGenerators(Generator):
    """`into[label]` makes an image of that class from one of the other. There is no noise."""

    latent_dim = 0

    def __init__(self, config: CycleganConfig, data: DataSpec) -> None:
        super().__init__()
        self.shape, sizes = data.shape, (config.generator_channels, config.residual_blocks)
        self.into = nn.ModuleList([translator(data.shape[0], *sizes) for _ in range(2)])

    def forward(self, z: Tensor, labels: Tensor, *, source: Tensor) -> Tensor:
        """Images `source` (N, C, H, W) in [-1, 1] as ones of the classes `labels` (N,)."""
        if self.training:  # a batch is in class order: each network makes its half
            return torch.cat([into(images) for into, images in zip(self.into, source.chunk(2), strict=True)])
        return torch.where((labels == 0)[:, None, None, None], *(into(source) for into in self.into))


class TwoDiscriminators(Discriminator):
    """`of[label]` tells real images of that class from made ones."""

    def __init__(self, config: CycleganConfig, data: DataSpec) -> None:
        super().__init__()
        sizes = config.discriminator_channels, config.discriminator_layers
        self.of = nn.ModuleList([patch_discriminator(data.shape[0], *sizes) for _ in range(2)])

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Logits (N, 1, h, w) of the patches of x (N, C, H, W), by the discriminators of the classes `labels` (N,)."""
        return torch.where((labels == 0)[:, None, None, None], *(judge(x) for judge in self.of))


def translator(colours: int, k: int, blocks: int) -> nn.Sequential:
    """c7s1-k, d2k, d4k, residual blocks, u2k, uk, c7s1-colours: reflected borders, instance normalisation, ReLU."""
    same = partial(nn.Conv2d, padding="same", padding_mode="reflect", bias=False)
    down = partial(nn.Conv2d, kernel_size=3, stride=2, padding=1, bias=False)
    up = partial(nn.ConvTranspose2d, kernel_size=3, stride=2, padding=1, output_padding=1, bias=False)
    return _initialised(
        *(*_normed(same(colours, k, 7)), *_normed(down(k, 2 * k)), *_normed(down(2 * k, 4 * k))),
        *(Residual(*_normed(same(4 * k, 4 * k, 3)), *_normed(same(4 * k, 4 * k, 3))[:2]) for _ in range(blocks)),
        *(*_normed(up(4 * k, 2 * k)), *_normed(up(2 * k, k)), same(k, colours, 7, bias=True), nn.Tanh()),
    )


class Residual(nn.Sequential):
    """Layers whose output is added to their input."""

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) changed a little."""
        return x + super().forward(x)


def patch_discriminator(colours: int, channels: int, layers: int) -> nn.Sequential:
    """Ck, C2k, ... with 4x4 kernels, stride 2 but for the last two; no normalisation in the first; LeakyReLU 0.2."""
    widths = [channels * min(2**number, 8) for number in range(layers + 1)]
    parts: list[nn.Module] = [nn.Conv2d(colours, channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    for number, (n_in, n_out) in enumerate(pairwise(widths), start=1):
        stride = 2 if number < layers else 1
        parts += _normed(nn.Conv2d(n_in, n_out, 4, stride, padding=1, bias=False), slope=0.2)
    return _initialised(*parts, nn.Conv2d(widths[-1], 1, 4, padding=1))


def _initialised(*layers: nn.Module) -> nn.Sequential:
    """One after the other, with weights from N(0, 0.02) (section 7.1)."""
    network = nn.Sequential(*layers)
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.0, 0.02) if parameter.ndim > 1 else nn.init.zeros_(parameter)
    return network


def _normed(layer: nn.Conv2d | nn.ConvTranspose2d, slope: float = 0.0) -> list[nn.Module]:
    """Instance normalisation: on a processor `nn.InstanceNorm2d` has wrong gradients of a single image (torch 2.14)."""
    return [layer, nn.GroupNorm(layer.out_channels, layer.out_channels, affine=False), nn.LeakyReLU(slope)]
