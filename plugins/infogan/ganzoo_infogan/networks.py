"""The networks of arXiv:1606.03657, appendix C.1, which arXiv:1809.03627 has too.

Numbers in comments are those of 28x28 grey and of the default widths.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_infogan import ClusterganConfig, CodesConfig, InfoganConfig


class Codes(NamedTuple):
    """`category` (N, categories): one-hot in a latent, logits where it was read. `continuous` (N, codes)."""

    category: Tensor
    continuous: Tensor


class Verdict(NamedTuple):
    """What infogan's discriminator says: `logits` (N,) of being real, and `features` (N, width), which Q reads too."""

    logits: Tensor
    features: Tensor


class InfoGenerator(Generator):
    """Makes samples of a category, continuous codes and noise, in this order in the latent."""

    def __init__(self, config: InfoganConfig, data: DataSpec) -> None:
        super().__init__()
        self.categories, self.continuous, self.noise_dim = config.categories, config.continuous, config.latent_dim
        self.layers = decoder(self.categories + self.continuous + self.noise_dim, config, data)

    def latent(self, n: int, rng: torch.Generator) -> Tensor:
        """Latents (n, categories + continuous + noise_dim) float32: one-hot, uniform in [-1, 1], standard normal.

        The noise has the distribution that is usual here; the paper names none.
        """
        continuous = torch.rand(n, self.continuous, generator=rng, device=rng.device) * 2 - 1
        noise = torch.randn(n, self.noise_dim, generator=rng, device=rng.device)
        return torch.cat([one_hot(n, self.categories, rng), continuous, noise], dim=1)

    def codes(self, z: Tensor) -> Codes:
        """The codes in latents z."""
        category, continuous, _ = z.split([self.categories, self.continuous, self.noise_dim], dim=1)
        return Codes(category, continuous)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, *shape) in [-1, 1] from latents z; labels are not used."""
        return self.layers(z)


class InfoDiscriminator(Discriminator):
    """D, and beside it Q (`reader`): they share the trunk, and each has a head (section 6)."""

    def __init__(self, config: InfoganConfig, data: DataSpec) -> None:
        super().__init__()
        self.split_at, n_out = config.categories, config.categories + config.continuous
        self.trunk, width = trunk(config, data, slope=0.1, norm=True)
        self.source = nn.Linear(width, 1)
        self.reader = nn.Sequential(
            nn.Linear(width, 128), nn.BatchNorm1d(128), nn.LeakyReLU(0.1), nn.Linear(128, n_out)
        )

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Verdict:
        """Logits (N,) and features of x (N, *shape); labels are not used."""
        features = self.trunk(x)
        return Verdict(self.source(features).squeeze(1), features)

    def read(self, features: Tensor) -> Codes:
        """Q: category logits (N, categories) and the means (N, continuous) of Gaussians with variance 1."""
        output = self.reader(features).float()
        return Codes(output[:, : self.split_at], output[:, self.split_at :])


class ClusterGenerator(Generator):
    """G, of a category and a continuous part; and `encoder`, which reads both off a sample (arXiv:1809.03627)."""

    latent_range = (-1.0, 1.0)

    def __init__(self, config: ClusterganConfig, data: DataSpec) -> None:
        super().__init__()
        self.categories, self.noise_dim, self.noise_std = config.categories, config.latent_dim, config.noise_std
        n = self.categories + self.noise_dim
        self.layers = decoder(n, config, data)
        features, width = trunk(config, data, slope=0.2)
        self.encoder = nn.Sequential(features, nn.Linear(width, n))

    def latent(self, n: int, rng: torch.Generator) -> Tensor:
        """Latents (n, categories + noise_dim) float32: one-hot, and normal with a small sigma."""
        noise = self.noise_std * torch.randn(n, self.noise_dim, generator=rng, device=rng.device)
        return torch.cat([one_hot(n, self.categories, rng), noise], dim=1)

    def codes(self, z: Tensor) -> Codes:
        """Category and continuous part of latents z, or of what the encoder gives."""
        return Codes(z[:, : self.categories], z[:, self.categories :])

    def encode(self, x: Tensor) -> Tensor:
        """The latents (N, categories + noise_dim) of samples x (N, *shape), with a probability for each category."""
        read = self.codes(self.encoder(x).float())
        return torch.cat([read.category.softmax(dim=1), read.continuous], dim=1)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, *shape) in [-1, 1] from latents z; labels are not used."""
        return self.layers(z)


class Critic(Discriminator):
    """A trunk without BatchNorm, which a penalty on each sample's slope does not allow, and a score."""

    def __init__(self, config: ClusterganConfig, data: DataSpec) -> None:
        super().__init__()
        features, width = trunk(config, data, slope=0.2)
        self.layers = nn.Sequential(features, nn.Linear(width, 1))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Scores (N,) of x (N, *shape); labels are not used."""
        return self.layers(x).squeeze(1)


def one_hot(n: int, categories: int, rng: torch.Generator) -> Tensor:
    """Categories drawn at even odds (n, categories) float32."""
    drawn = torch.randint(categories, (n,), generator=rng, device=rng.device)
    return torch.eye(categories, device=rng.device)[drawn]


def decoder(n_in: int, config: CodesConfig, data: DataSpec) -> nn.Sequential:
    """(N, n_in) to samples: two linear layers and two 4x4 convolutions of stride 1/2, or linear layers alone.

    ReLU, on images BatchNorm, and tanh at the end, as samples are in [-1, 1].
    """
    if data.kind != "images":
        sizes = [n_in, *config.widths]
        return nn.Sequential(*_dense(sizes, nn.ReLU()), nn.Linear(sizes[-1], math.prod(data.shape)), nn.Tanh())
    (colours, height, width), k = data.shape, config.filters
    seed = (2 * k, height // 4, width // 4)  # (32, 7, 7)
    size = math.prod(seed)
    return nn.Sequential(
        *(nn.Linear(n_in, config.width), nn.BatchNorm1d(config.width), nn.ReLU()),
        *(nn.Linear(config.width, size), nn.BatchNorm1d(size), nn.ReLU(), nn.Unflatten(1, seed)),
        *(nn.ConvTranspose2d(2 * k, k, 4, stride=2, padding=1), nn.BatchNorm2d(k), nn.ReLU()),  # (16, 14, 14)
        *(nn.ConvTranspose2d(k, colours, 4, stride=2, padding=1), nn.Tanh()),  # (1, 28, 28)
    )


def trunk(config: CodesConfig, data: DataSpec, slope: float, norm: bool = False) -> tuple[nn.Sequential, int]:
    """Samples to features, and how many: two 4x4 convolutions of stride 2 and a linear layer, or linear layers alone.

    LeakyReLU, and with `norm` BatchNorm on images, from the second layer on.
    """
    if data.kind != "images":
        sizes = [math.prod(data.shape), *config.widths]
        return nn.Sequential(*_dense(sizes, nn.LeakyReLU(slope))), sizes[-1]
    (colours, height, width), k = data.shape, config.filters
    size = 2 * k * (height // 4) * (width // 4)  # 1568
    layers = nn.Sequential(
        *(nn.Conv2d(colours, k, 4, stride=2, padding=1), nn.LeakyReLU(slope)),  # (16, 14, 14)
        nn.Conv2d(k, 2 * k, 4, stride=2, padding=1),  # (32, 7, 7)
        *(nn.BatchNorm2d(2 * k) if norm else nn.Identity(), nn.LeakyReLU(slope)),
        *(nn.Flatten(), nn.Linear(size, config.width)),
        *(nn.BatchNorm1d(config.width) if norm else nn.Identity(), nn.LeakyReLU(slope)),
    )
    return layers, config.width


def _dense(sizes: list[int], activation: nn.Module) -> list[nn.Module]:
    return [layer for n_in, n_out in pairwise(sizes) for layer in (nn.Linear(n_in, n_out), activation)]
