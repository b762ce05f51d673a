"""DCGAN's networks for images, its critic without BatchNorm; linear layers for points and curves (arXiv:1704.00028)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

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
    """Strided convolutions with LayerNorm on all but the first, a hidden layer, one score; LeakyReLU 0.2 between.

    No BatchNorm: the penalty is on each sample's own gradient, which must not depend on the batch (section 4).
    GroupNorm with one group is LayerNorm over (C, H, W) with a gain and a bias per channel.
    """

    def __init__(self, shape: tuple[int, ...], channels: int, hidden: int, doublings: int) -> None:
        super().__init__()
        side = shape[-1] // 2**doublings
        widths = [channels * 2**k for k in range(doublings)]
        layers: list[nn.Module] = [nn.Conv2d(shape[0], channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for n_in, n_out in pairwise(widths):
            layers += [nn.Conv2d(n_in, n_out, 4, stride=2, padding=1), nn.GroupNorm(1, n_out), nn.LeakyReLU(0.2)]
        self.shrink = nn.Sequential(*layers)
        self.hidden = nn.Sequential(nn.Linear(widths[-1] * side * side, hidden), nn.LeakyReLU(0.2))
        self.score = nn.Linear(hidden, 1)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Scores (N,), of no fixed scale, of x (N, *shape); labels are not used."""
        maps = self.shrink(x).permute(0, 2, 3, 1)  # (N, side, side, channels): as they lie in memory, so no copy
        return self.score(self.hidden(maps.flatten(1))).squeeze(1)


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
