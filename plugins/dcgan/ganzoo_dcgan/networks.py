"""Two pairs: the small one (28x28) and the paper's strided stacks (arXiv:1511.06434, figure 1 and section 3)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from ganzoo_core import Discriminator, Generator


class SmallGenerator(Generator):
    """Two linear layers and two transposed convolutions. Comments: at 28x28 grey, 64 channels before the image."""

    def __init__(self, latent_dim: int, channels: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        colours, height, width = shape
        hidden = 16 * channels  # 1024
        seed = (2 * channels, height // 4, width // 4)  # (128, 7, 7)
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, math.prod(seed)),  # 6272
            nn.BatchNorm1d(math.prod(seed)),
            nn.ReLU(),
            nn.Unflatten(1, seed),
            nn.ConvTranspose2d(2 * channels, channels, kernel_size=4, stride=2, padding=1),  # (64, 14, 14)
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.ConvTranspose2d(channels, colours, kernel_size=4, stride=2, padding=1),  # (1, 28, 28)
            nn.Tanh(),
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, C, H, W) in [-1, 1] from z (N, latent_dim); labels are not used."""
        return self.layers(z)


class SmallDiscriminator(Discriminator):
    """Two convolutions with max pooling and two linear layers, without BatchNorm."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        colours, height, width = shape
        seen = (64, _after_two(height), _after_two(width))  # (64, 4, 4)
        self.layers = nn.Sequential(
            nn.Conv2d(colours, 32, kernel_size=5),  # (32, 24, 24)
            nn.LeakyReLU(0.2),
            nn.MaxPool2d(2),  # (32, 12, 12)
            nn.Conv2d(32, 64, kernel_size=5),  # (64, 8, 8)
            nn.LeakyReLU(0.2),
            nn.MaxPool2d(2),  # (64, 4, 4)
            nn.Flatten(),
            nn.Linear(math.prod(seen), 1024),
            nn.LeakyReLU(0.2),
            nn.Linear(1024, 1),
        )

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (N,) of x (N, C, H, W); labels are not used."""
        return self.layers(x).squeeze(1)


def _after_two(side: int) -> int:
    """What two 5x5 convolutions, each pooled by 2, leave of a side: 28 -> 24 -> 12 -> 8 -> 4."""
    return ((side - 4) // 2 - 4) // 2


class PaperGenerator(Generator):
    """Figure 1: the latent projected to 4x4, then 5x5 convolutions of stride 1/2, BatchNorm and ReLU between.

    At 64 pixels and 128 channels: 1024 - 512 - 256 - 128 - image. No BatchNorm at the output (section 3).
    """

    def __init__(self, latent_dim: int, channels: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        colours, side, _ = shape
        doublings = int(math.log2(side // 4)) - 1
        wide = channels * 2**doublings
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, wide * 4 * 4, bias=False),
            nn.Unflatten(1, (wide, 4, 4)),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
        ]
        for _ in range(doublings):
            layers += [_enlarging(wide, wide // 2, bias=False), nn.BatchNorm2d(wide // 2), nn.ReLU()]
            wide //= 2
        self.layers = nn.Sequential(*layers, _enlarging(wide, colours, bias=True), nn.Tanh())
        self.apply(_initialise)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, C, S, S) in [-1, 1] from z (N, latent_dim); labels are not used."""
        return self.layers(z)


class PaperDiscriminator(Discriminator):
    """5x5 convolutions of stride 2 down to 4x4, BatchNorm from the second on (section 3), LeakyReLU 0.2; then linear.

    At 64 pixels and 64 channels: image - 64 - 128 - 256 - 512 - 1.
    """

    def __init__(self, shape: tuple[int, ...], channels: int) -> None:
        super().__init__()
        colours, side, _ = shape
        layers: list[nn.Module] = [nn.Conv2d(colours, channels, 5, stride=2, padding=2), nn.LeakyReLU(0.2)]
        for _ in range(int(math.log2(side // 4)) - 1):
            layers += [
                nn.Conv2d(channels, 2 * channels, 5, stride=2, padding=2, bias=False),
                nn.BatchNorm2d(2 * channels),
                nn.LeakyReLU(0.2),
            ]
            channels *= 2
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * 4 * 4, 1))
        self.apply(_initialise)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (N,) of x (N, C, S, S); labels are not used."""
        return self.layers(x).squeeze(1)


def _enlarging(n_in: int, n_out: int, *, bias: bool) -> nn.ConvTranspose2d:
    """A 5x5 convolution of stride 1/2: twice the side."""
    return nn.ConvTranspose2d(n_in, n_out, 5, stride=2, padding=2, output_padding=1, bias=bias)


def _initialise(module: nn.Module) -> None:
    """Section 4: weights from N(0, 0.02). BatchNorm's scale about 1, as in the authors' code; no bias at first."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0 if isinstance(module, nn.BatchNorm2d) else 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
