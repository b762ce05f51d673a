"""DCGAN's networks for images, stacks of linear layers for points and curves, and the clip (arXiv:1701.07875)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ganzoo_core import Discriminator, Generator


class ConvGenerator(Generator):
    """latent - a small square - doubled again and again by transposed convolutions (arXiv:1511.06434, figure 1)."""

    def __init__(self, latent_dim: int, channels: int, shape: tuple[int, ...], doublings: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        side = shape[-1] // 2**doublings
        widths = [channels * 2**k for k in reversed(range(doublings))]
        self.project = nn.Sequential(
            nn.Linear(latent_dim, widths[0] * side * side),
            nn.Unflatten(1, (widths[0], side, side)),  # (N, widths[0], side, side)
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        )
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):  # each (N, n_out, 2 side, 2 side)
            layers += [nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1), nn.BatchNorm2d(n_out), nn.ReLU()]
        self.grow = nn.Sequential(*layers)
        self.paint = nn.Sequential(nn.ConvTranspose2d(widths[-1], shape[0], 4, stride=2, padding=1), nn.Tanh())

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (N, *shape) in [-1, 1] from z (N, latent_dim); labels are not used."""
        return self.paint(self.grow(self.project(z)))


class ConvCritic(Discriminator):
    """The generator's mirror: strided convolutions, LeakyReLU 0.2, BatchNorm on all but the first, one score."""

    def __init__(self, shape: tuple[int, ...], channels: int, doublings: int) -> None:
        super().__init__()
        side = shape[-1] // 2**doublings
        widths = [channels * 2**k for k in range(doublings)]
        layers: list[nn.Module] = [nn.Conv2d(shape[0], channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for n_in, n_out in pairwise(widths):
            layers += [nn.Conv2d(n_in, n_out, 4, stride=2, padding=1), nn.BatchNorm2d(n_out), nn.LeakyReLU(0.2)]
        self.shrink = nn.Sequential(*layers)
        self.score = nn.Linear(widths[-1] * side * side, 1)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Scores (N,), of no fixed scale, of x (N, *shape); labels are not used."""
        maps = self.shrink(x).permute(0, 2, 3, 1)  # (N, side, side, channels): as they lie in memory, so no copy
        return self.score(maps.flatten(1)).squeeze(1)


class DenseGenerator(Generator):
    """latent - widths - sample, ReLU between, tanh at the end."""

    def __init__(self, latent_dim: int, widths: Sequence[int], shape: tuple[int, ...]) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.shape = shape
        self.layers = nn.Sequential(*dense([latent_dim, *widths, math.prod(shape)]), nn.Tanh())

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, *shape) in [-1, 1] from z (N, latent_dim); labels are not used."""
        return self.layers(z).unflatten(1, self.shape)


class DenseCritic(Discriminator):
    """sample - widths - one score, ReLU between."""

    def __init__(self, shape: tuple[int, ...], widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.Sequential(*dense([math.prod(shape), *widths, 1]))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Scores (N,), of no fixed scale, of x (N, *shape); labels are not used."""
        return self.layers(x.flatten(1)).squeeze(1)


def dense(sizes: Sequence[int]) -> list[nn.Module]:
    """Linear layers from size to size with ReLU between, their weights drawn for it (arXiv:1502.01852, equation 10)."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        linear = nn.Linear(n_in, n_out)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return layers[:-1]


@torch.no_grad()
def clip(parameters: Iterable[nn.Parameter], bound: float) -> None:
    """Clip each parameter to [-bound, bound], in place: the critic stays K-Lipschitz for some K (section 3)."""
    for parameter in parameters:
        parameter.clamp_(-bound, bound)
