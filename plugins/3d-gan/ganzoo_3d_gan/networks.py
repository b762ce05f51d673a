"""The stacks of arXiv:1610.07584, figure 1 and appendix A. Numbers in comments are those of 32x32x32, 16 channels."""

from __future__ import annotations

from torch import Tensor, nn

from ganzoo_3d_gan import Gan3dConfig
from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_core.blocks import halvings, normal_weights

_LEAST = 4  # voxels a side, in the middle of both networks


class SolidGenerator(Generator):
    """The latent as a small cube, then 4x4x4 transposed convolutions of stride 2, BatchNorm and ReLU between.

    At 64 voxels and 64 channels: 512 - 256 - 128 - 64 - 1, as in figure 1. The paper ends in a sigmoid, voxels of 0 and
    1; ours are -1 and 1, and it ends in tanh.
    """

    def __init__(self, config: Gan3dConfig, data: DataSpec) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        sides, doublings = _middle(data)
        wide = config.generator_channels * 2 ** (doublings - 1)
        layers: list[nn.Module] = [
            nn.Unflatten(1, (-1, 1, 1, 1)),
            nn.ConvTranspose3d(self.latent_dim, wide, sides, bias=False),  # (64, 4, 4, 4)
            nn.BatchNorm3d(wide),
            nn.ReLU(),
        ]
        for _ in range(doublings - 1):
            layers += [_enlarging(wide, wide // 2, bias=False), nn.BatchNorm3d(wide // 2), nn.ReLU()]
            wide //= 2  # (32, 8, 8, 8), (16, 16, 16, 16)
        self.layers = normal_weights(nn.Sequential(*layers, _enlarging(wide, 1, bias=True), nn.Tanh()))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Voxels (N, 1, D, H, W) in [-1, 1] from z (N, latent_dim); labels are not used."""
        return self.layers(z)


class SolidDiscriminator(Discriminator):
    """The generator mirrored (section 3.1): convolutions of stride 2, LeakyReLU 0.2, then one logit."""

    def __init__(self, config: Gan3dConfig, data: DataSpec) -> None:
        super().__init__()
        sides, halves = _middle(data)
        has_norm = config.discriminator_norm == "batch"
        n_in, channels = 1, config.discriminator_channels
        layers: list[nn.Module] = []
        for k in range(halves):
            has_own = has_norm and k > 0
            layers.append(nn.Conv3d(n_in, channels, 4, stride=2, padding=1, bias=not has_own))
            layers += [nn.BatchNorm3d(channels)] if has_own else []
            layers.append(nn.LeakyReLU(0.2))  # (16, 16, 16, 16), (32, 8, 8, 8), (64, 4, 4, 4)
            n_in, channels = channels, 2 * channels
        self.layers = normal_weights(nn.Sequential(*layers, nn.Conv3d(n_in, 1, sides), nn.Flatten(0)))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (N,) of x (N, 1, D, H, W); labels are not used."""
        return self.layers(x)


def _middle(data: DataSpec) -> tuple[tuple[int, ...], int]:
    """The sides of the small cube in the middle of a network, and how often they double to those of the data."""
    _, depth, height, width = data.shape
    doublings = min(halvings(depth, height, _LEAST), halvings(height, width, _LEAST))
    return (depth >> doublings, height >> doublings, width >> doublings), doublings


def _enlarging(n_in: int, n_out: int, *, bias: bool) -> nn.ConvTranspose3d:
    """A convolution of stride 1/2: twice the sides."""
    return nn.ConvTranspose3d(n_in, n_out, kernel_size=4, stride=2, padding=1, bias=bias)
