"""Networks of several domains that share their layers, all but those nearest to the picture (arXiv:1606.07536)."""

from __future__ import annotations

from torch import Tensor, nn

from ganzoo_cogan import CoganConfig
from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_core.blocks import one_hot


class PerDomain(nn.Module):
    """A layer of each domain, of which a sample takes its own domain's.

    As one layer with as many channels as all of them have: a label is never read on the host.
    """

    def __init__(self, n_in: int, n_out: int, kernel_size: int, domains: int, padding: int = 0) -> None:
        super().__init__()
        self.domains = domains
        self.layers = nn.Conv2d(n_in, domains * n_out, kernel_size, padding=padding)

    def forward(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """(N, n_in, H, W) in domains (N,) to (N, n_out, H', W')."""
        made = self.layers(x).unflatten(1, (self.domains, -1))  # (N, domains, n_out, H', W')
        chosen = one_hot(labels, self.domains, made)[:, None]  # (N, 1, domains)
        return (chosen @ made.flatten(2)).squeeze(1).unflatten(1, made.shape[2:])


class CoupledGenerators(Generator):
    """Generators that share all but their last layer (section 3, appendix A). Comments are of 28x28 grey images.

    The shared layers do not see the domain, so what they make of a latent is the same in each.
    """

    def __init__(self, config: CoganConfig, data: DataSpec) -> None:
        super().__init__()
        self.latent_dim, k = config.latent_dim, config.generator_channels
        colours, height, width = data.shape
        seed = (8 * k, height // 4, width // 4)  # (128, 7, 7)
        size = seed[0] * seed[1] * seed[2]
        self.shared = nn.Sequential(
            *(nn.Linear(self.latent_dim, size), nn.Unflatten(1, seed), nn.BatchNorm2d(8 * k), nn.PReLU()),
            *(nn.Conv2d(8 * k, 4 * k, 3, padding=1), nn.BatchNorm2d(4 * k), nn.PReLU()),  # (64, 7, 7)
            *(_enlarging(4 * k, 2 * k), nn.BatchNorm2d(2 * k), nn.PReLU()),  # (32, 14, 14)
            *(_enlarging(2 * k, k), nn.BatchNorm2d(k), nn.PReLU()),  # (16, 28, 28)
        )
        self.last = PerDomain(k, colours, 5, data.num_classes, padding=2)  # (1, 28, 28)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, C, H, W) in [-1, 1] from z (N, latent_dim), in domains (N,)."""
        return self.last(self.shared(z), labels).tanh()


class CoupledDiscriminators(Discriminator):
    """Discriminators that share all but their first layer (section 3, appendix A)."""

    def __init__(self, config: CoganConfig, data: DataSpec) -> None:
        super().__init__()
        colours, height, width = data.shape
        k, hidden = config.discriminator_channels, config.discriminator_width
        first, second = k, k * 5 // 2  # 20, 50
        seen = second * _after_two(height) * _after_two(width)  # 800
        self.first = PerDomain(colours, first, 5, data.num_classes)  # (20, 24, 24)
        self.shared = nn.Sequential(
            nn.MaxPool2d(2),  # (20, 12, 12)
            *(nn.Conv2d(first, second, 5), nn.MaxPool2d(2), nn.Flatten()),  # (50, 4, 4)
            *(nn.Linear(seen, hidden), nn.PReLU(), nn.Linear(hidden, 1)),
        )

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (N,) of x (N, C, H, W) in domains (N,)."""
        return self.shared(self.first(x, labels)).squeeze(1)


def _enlarging(n_in: int, n_out: int) -> nn.ConvTranspose2d:
    """A convolution of stride 1/2: twice the sides."""
    return nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1)


def _after_two(side: int) -> int:
    """What two 5x5 convolutions, each pooled by 2, leave of a side: 28 -> 24 -> 12 -> 8 -> 4."""
    return ((side - 4) // 2 - 4) // 2
