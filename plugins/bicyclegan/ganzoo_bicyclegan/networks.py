"""The networks of arXiv:1711.11586, section 3.4, at smaller widths."""

from __future__ import annotations

import torch
from ganzoo_pix2pix import depth_of
from torch import Tensor, nn

from ganzoo_bicyclegan import BicycleganConfig
from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_core.blocks import PatchDiscriminator, UNet, instance_norm, normal_weights


class BicycleganGenerator(Generator):
    """A U-Net whose input has a channel for each coordinate of z, the same all over (section 3.4, figure 3a)."""

    def __init__(self, config: BicycleganConfig, data: DataSpec) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        colours = data.column("source").shape[0] + config.latent_dim
        self.unet = UNet(colours, data.shape[0], config.width, depth_of(data, config.depth), norm=instance_norm)

    def forward(self, z: Tensor, labels: Tensor | None = None, *, source: Tensor) -> Tensor:
        """Samples (N, C, H, W) in [-1, 1] from `source` (N, C, H, W) and z (N, latent_dim); labels are not used."""
        everywhere = z[:, :, None, None].expand(-1, -1, *source.shape[2:])
        return self.unet(torch.cat([source, everywhere], dim=1))


class BicycleganDiscriminator(Discriminator):
    """A PatchGAN that sees the sample alone: section 4 found that better than with the source beside it."""

    def __init__(self, config: BicycleganConfig, data: DataSpec) -> None:
        super().__init__()
        self.patches = PatchDiscriminator(data.shape[0], config.discriminator_width, config.discriminator_layers)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (N, 1, h, w) of the patches of x (N, C, H, W); labels are not used."""
        return self.patches(x)


class Encoder(nn.Module):
    """E of section 3.4: convolutions, the mean over all places, and of it the mean and log variance of Q(z | x).

    Without normalisation, which would hide how much ink a picture has; the paper's has residual blocks.
    """

    def __init__(self, config: BicycleganConfig, data: DataSpec) -> None:
        super().__init__()
        width, layers, n_in = config.encoder_width, list[nn.Module](), data.shape[0]
        for n_out in (width, 2 * width, 4 * width):
            layers += [nn.Conv2d(n_in, n_out, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
            n_in = n_out
        self.layers = nn.Sequential(*layers)
        self.code = nn.Linear(n_in, 2 * config.latent_dim)
        normal_weights(self)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the log variance, (N, latent_dim) each, of the latents that x (N, C, H, W) may come from."""
        mean, log_variance = self.code(self.layers(x).mean(dim=(2, 3))).float().chunk(2, dim=1)
        return mean, log_variance
