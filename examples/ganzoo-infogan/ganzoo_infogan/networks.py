"""The networks of arXiv:1606.03657, appendix C.1, and a dense pair. Numbers in comments are those of 28x28 grey."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganzoo_core import DataSpec, Discriminator, Generator


class Codes(NamedTuple):
    """`category` (N, categories): one-hot in a latent, logits from Q. `continuous` (N, codes): in [-1, 1], or means."""

    category: Tensor
    continuous: Tensor


class Verdict(NamedTuple):
    """What the discriminator says: `logits` (N,) of being real, and the `features` (N, width) that Q reads too."""

    logits: Tensor
    features: Tensor


class InfoGenerator(Generator):
    """Makes samples of a category, continuous codes and noise, in this order in the latent."""

    def __init__(self, categories: int, continuous: int, noise_dim: int, layers: nn.Module) -> None:
        super().__init__()
        self.categories, self.continuous, self.noise_dim = categories, continuous, noise_dim
        self.layers = layers

    def latent(self, n: int, rng: torch.Generator) -> Tensor:
        """Latents (n, categories + continuous + noise_dim) float32: one-hot, uniform in [-1, 1], standard normal.

        The noise has the distribution that is usual here; the paper names none.
        """
        device = rng.device
        drawn = torch.randint(self.categories, (n,), generator=rng, device=device)
        category = torch.eye(self.categories, device=device)[drawn]
        continuous = torch.rand(n, self.continuous, generator=rng, device=device) * 2 - 1
        noise = torch.randn(n, self.noise_dim, generator=rng, device=device)
        return torch.cat([category, continuous, noise], dim=1)

    def codes(self, z: Tensor) -> Codes:
        """The codes in latents z."""
        category, continuous, _ = z.split([self.categories, self.continuous, self.noise_dim], dim=1)
        return Codes(category, continuous)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, *shape) in [-1, 1] from latents z; labels are not used."""
        return self.layers(z)


class InfoDiscriminator(Discriminator):
    """D, and beside it Q (`reader`): they share the trunk, and each has a head (section 6)."""

    def __init__(self, trunk: nn.Module, width: int, categories: int, continuous: int) -> None:
        super().__init__()
        self.split_at = categories
        self.trunk = trunk
        self.source = nn.Linear(width, 1)
        self.reader = nn.Sequential(
            nn.Linear(width, 128), nn.BatchNorm1d(128), nn.LeakyReLU(0.1), nn.Linear(128, categories + continuous)
        )

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Verdict:
        """Logits (N,) and features of x (N, *shape); labels are not used."""
        features = self.trunk(x)
        return Verdict(self.source(features).squeeze(1), features)

    def read(self, features: Tensor) -> Codes:
        """Q: category logits (N, categories) and the means (N, continuous) of Gaussians with variance 1."""
        output = self.reader(features).float()
        return Codes(output[:, : self.split_at], output[:, self.split_at :])


def image_generator(n_in: int, shape: tuple[int, ...]) -> nn.Sequential:
    """Two linear layers, two 4x4 convolutions of stride 1/2, ReLU and BatchNorm between; tanh, where the paper has none
    stated, so that samples stay in [-1, 1].
    """
    colours, height, width = shape
    seed = (128, height // 4, width // 4)  # (128, 7, 7)
    size = math.prod(seed)
    return nn.Sequential(
        *(nn.Linear(n_in, 1024), nn.BatchNorm1d(1024), nn.ReLU()),
        *(nn.Linear(1024, size), nn.BatchNorm1d(size), nn.ReLU(), nn.Unflatten(1, seed)),
        *(nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1), nn.BatchNorm2d(64), nn.ReLU()),  # (64, 14, 14)
        *(nn.ConvTranspose2d(64, colours, 4, stride=2, padding=1), nn.Tanh()),  # (1, 28, 28)
    )


def image_trunk(shape: tuple[int, ...]) -> tuple[nn.Sequential, int]:
    """Two 4x4 convolutions of stride 2 and a linear layer, LeakyReLU 0.1, BatchNorm from the second on; its width."""
    colours, height, width = shape
    size = 128 * (height // 4) * (width // 4)  # 6272
    trunk = nn.Sequential(
        *(nn.Conv2d(colours, 64, 4, stride=2, padding=1), nn.LeakyReLU(0.1)),  # (64, 14, 14)
        *(nn.Conv2d(64, 128, 4, stride=2, padding=1), nn.BatchNorm2d(128), nn.LeakyReLU(0.1)),  # (128, 7, 7)
        *(nn.Flatten(), nn.Linear(size, 1024), nn.BatchNorm1d(1024), nn.LeakyReLU(0.1)),
    )
    return trunk, 1024


def dense_generator(n_in: int, widths: Sequence[int], data: DataSpec) -> nn.Sequential:
    """latent - widths - sample, ReLU between, tanh at the end."""
    layers = _dense([n_in, *widths], nn.ReLU())
    return nn.Sequential(*layers, nn.Linear([n_in, *widths][-1], math.prod(data.shape)), nn.Tanh())


def dense_trunk(shape: tuple[int, ...], widths: Sequence[int]) -> tuple[nn.Sequential, int]:
    """sample - widths, LeakyReLU 0.1 behind each; the last width."""
    sizes = [math.prod(shape), *widths]
    return nn.Sequential(*_dense(sizes, nn.LeakyReLU(0.1))), sizes[-1]


def _dense(sizes: Sequence[int], activation: nn.Module) -> list[nn.Module]:
    return [layer for n_in, n_out in pairwise(sizes) for layer in (nn.Linear(n_in, n_out), activation)]
