"""Residual generators and patch discriminators (arXiv:1703.10593, section 7.2), two of each in one module."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ganzoo_core import DataSpec, Discriminator, Generator


class TwoGenerators(Generator):
    """`into[label]` makes an image of that class from one of the other. There is no noise."""

    latent_dim = 0

    def __init__(self, shape: tuple[int, ...], channels: int, blocks: int) -> None:
        super().__init__()
        self.shape = shape
        self.into = nn.ModuleList([Translator(shape[0], channels, blocks) for _ in range(2)])

    def forward(self, z: Tensor, labels: Tensor, *, source: Tensor) -> Tensor:
        """Images `source` (N, C, H, W) in [-1, 1] as ones of the classes `labels` (N,)."""
        if self.training:  # a batch is in class order: each network makes its half
            return torch.cat([into(images) for into, images in zip(self.into, source.chunk(2), strict=True)])
        return _of(labels, [into(source) for into in self.into])


class TwoDiscriminators(Discriminator):
    """`of[label]` tells real images of that class from made ones."""

    def __init__(self, data: DataSpec, channels: int, layers: int) -> None:
        super().__init__()
        self.of = nn.ModuleList([patch_discriminator(data.shape[0], channels, layers) for _ in range(2)])

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Logits (N, 1, h, w) of the patches of x (N, C, H, W), by the discriminators of the classes `labels` (N,)."""
        return _of(labels, [judge(x) for judge in self.of])


def _of(labels: Tensor, each: list[Tensor]) -> Tensor:
    return torch.where((labels == 0)[:, None, None, None], *each)


class Translator(nn.Sequential):
    """c7s1-k, d2k, d4k, residual blocks, u2k, uk, c7s1-colours: reflected borders, instance normalisation, ReLU."""

    def __init__(self, colours: int, k: int, blocks: int) -> None:
        super().__init__(
            *(_same(colours, k, 7), *_normed(k)),
            *(nn.Conv2d(k, 2 * k, 3, stride=2, padding=1, bias=False), *_normed(2 * k)),
            *(nn.Conv2d(2 * k, 4 * k, 3, stride=2, padding=1, bias=False), *_normed(4 * k)),
            *(Residual(4 * k) for _ in range(blocks)),
            *(nn.ConvTranspose2d(4 * k, 2 * k, 3, 2, padding=1, output_padding=1, bias=False), *_normed(2 * k)),
            *(nn.ConvTranspose2d(2 * k, k, 3, 2, padding=1, output_padding=1, bias=False), *_normed(k)),
            *(_same(k, colours, 7, bias=True), nn.Tanh()),
        )
        self.apply(initialise)


class Residual(nn.Sequential):
    """Two 3x3 convolutions whose output is added to the input."""

    def __init__(self, k: int) -> None:
        super().__init__(_same(k, k, 3), *_normed(k), _same(k, k, 3), _norm(k))

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) changed a little."""
        return x + super().forward(x)


def patch_discriminator(colours: int, channels: int, layers: int) -> nn.Sequential:
    """Ck, C2k, ... with 4x4 kernels, stride 2 but for the last two; no normalisation in the first; LeakyReLU 0.2."""
    widths = [channels * min(2**number, 8) for number in range(layers + 1)]
    parts: list[nn.Module] = [nn.Conv2d(colours, channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    for number, (n_in, n_out) in enumerate(pairwise(widths), start=1):
        stride = 2 if number < layers else 1
        parts += [nn.Conv2d(n_in, n_out, 4, stride, padding=1, bias=False), _norm(n_out), nn.LeakyReLU(0.2)]
    return nn.Sequential(*parts, nn.Conv2d(widths[-1], 1, 4, padding=1)).apply(initialise)


def initialise(module: nn.Module) -> None:
    """Section 7.1: weights from N(0, 0.02)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _same(n_in: int, n_out: int, kernel: int, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(n_in, n_out, kernel, padding=kernel // 2, padding_mode="reflect", bias=bias)


def _norm(channels: int) -> nn.Module:
    """Instance normalisation: on a processor `nn.InstanceNorm2d` has wrong gradients of a single image (torch 2.14)."""
    return nn.GroupNorm(channels, channels, affine=False)


def _normed(channels: int) -> tuple[nn.Module, nn.Module]:
    return _norm(channels), nn.ReLU()
