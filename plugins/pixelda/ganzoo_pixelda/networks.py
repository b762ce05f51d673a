"""PixelDA's three networks (arXiv:1612.05424, figure 2). Numbers in comments are those of 28x28 in colour."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_core.blocks import residual_block
from ganzoo_core.dropout import Dropout
from ganzoo_core.seeds import normal
from ganzoo_pixelda import PixeldaConfig


class PixeldaGenerator(Generator):
    """A layer makes a plane of the noise; it joins the source, and residual blocks work at the picture's full size."""

    latent_range = (-1.0, 1.0)

    def __init__(self, config: PixeldaConfig, data: DataSpec) -> None:
        super().__init__()
        self.latent_dim, width = config.latent_dim, config.generator_channels
        colours, *sides = data.shape
        planes = config.noise_planes
        self.project = nn.Sequential(
            nn.Linear(self.latent_dim, planes * sides[0] * sides[1]), nn.Unflatten(1, (planes, *sides))
        )
        self.colours = colours
        self.layers = nn.Sequential(
            nn.Conv2d(colours + planes, width, 3, padding=1),
            nn.ReLU(),
            *(residual_block(width, nn.BatchNorm2d) for _ in range(config.residual_blocks)),
            nn.Conv2d(width, colours, 3, padding=1),
            nn.Tanh(),
        )

    def latent(self, n: int, rng: torch.Generator) -> Tensor:
        """Uniform in [-1, 1]."""
        return 2 * torch.rand(n, self.latent_dim, generator=rng, device=rng.device) - 1

    def forward(self, z: Tensor, labels: Tensor | None = None, *, source: Tensor) -> Tensor:
        """Sources (N, 1 or C, H, W) in [-1, 1] as pictures (N, C, H, W) of the target domain; labels are not used."""
        return self.layers(torch.cat([in_colours(source, self.colours), self.project(z)], dim=1))


class PixeldaDiscriminator(Discriminator):
    """Convolutions of stride 2 down to 4 pixels, each with noise and dropout behind it."""

    def __init__(self, config: PixeldaConfig, data: DataSpec) -> None:
        super().__init__()
        colours, height, width = data.shape
        channels = config.discriminator_channels
        layers: list[nn.Module] = [nn.Conv2d(colours, channels, 3, padding=1), *_unsure(config)]  # (16, 28, 28)
        while min(height, width) > 4:  # (32, 14, 14), (64, 7, 7), (128, 4, 4)
            layers += [nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1), *_unsure(config)]
            channels, height, width = 2 * channels, (height + 1) // 2, (width + 1) // 2
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * height * width, 1))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (N,) of x (N, C, H, W); labels are not used."""
        return self.layers(x).squeeze(1)


class Noise(nn.Module):
    """Adds normal noise while it trains."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, x: Tensor) -> Tensor:
        """x (N, ...) with noise."""
        return x + self.deviation * normal(*x.shape, like=x) if self.training and self.deviation else x


def _unsure(config: PixeldaConfig) -> list[nn.Module]:
    return [nn.LeakyReLU(0.2), Dropout(config.discriminator_dropout), Noise(config.discriminator_noise)]


class Classifier(nn.Sequential):
    """T, for MNIST's size that of arXiv:1409.7495: two convolutions 5x5 with pooling, two layers of 100."""

    def __init__(self, config: PixeldaConfig, data: DataSpec) -> None:
        colours, height, width = data.shape
        first = config.classifier_channels
        second = first * 3 // 2
        super().__init__(
            *(nn.Conv2d(colours, first, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),  # (16, 14, 14)
            *(nn.Conv2d(first, second, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),  # (24, 7, 7)
            *(nn.Flatten(), nn.Linear(second * (height // 4) * (width // 4), 100), nn.ReLU()),
            *(nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, data.column("source_labels").shape[0])),
        )
        self.colours = colours

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) of pictures (N, 1 or C, H, W)."""
        return super().forward(in_colours(x, self.colours))


def in_colours(x: Tensor, colours: int) -> Tensor:
    """Grey pictures (N, 1, H, W) in so many colours, each the same; those that have them as they are."""
    return x.expand(-1, colours, -1, -1)
