"""The networks of arXiv:1611.07004, sections 3.2 and 6.1."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_core.blocks import PatchDiscriminator, UNet, instance_norm
from ganzoo_pix2pix import Pix2pixConfig, depth_of


class Pix2pixGenerator(Generator):
    """The U-Net of sections 3.2.1 and 6.1.1, its latent the noise that says which channels are dropped.

    The paper normalises by the statistics of the batch at hand, in sampling too, which is instance normalisation at its
    batches of one picture (section 3.3): so that it is here, at any batch size.
    """

    def __init__(self, config: Pix2pixConfig, data: DataSpec) -> None:
        super().__init__()
        colours, depth = data.column("source").shape[0], depth_of(data, config.depth)
        self.unet = UNet(
            colours, data.shape[0], config.width, depth, norm=instance_norm, dropout=config.dropout
        )  # fmt: skip
        self.latent_dim = self.unet.noise_dim

    def forward(self, z: Tensor, labels: Tensor | None = None, *, source: Tensor) -> Tensor:
        """Samples (N, C, H, W) in [-1, 1] from `source` (N, C, H, W) and z (N, latent_dim); labels are not used."""
        return self.unet(source, z)


class Pix2pixDiscriminator(Discriminator):
    """The PatchGAN of sections 3.2.2 and 6.1.2, which sees each sample beside its source."""

    def __init__(self, config: Pix2pixConfig, data: DataSpec) -> None:
        super().__init__()
        colours = data.column("source").shape[0] + data.shape[0]
        self.patches = PatchDiscriminator(colours, config.discriminator_width, config.discriminator_layers)

    def forward(self, x: Tensor, labels: Tensor | None = None, *, source: Tensor) -> Tensor:
        """Logits (N, 1, h, w) of the patches of x (N, C, H, W) and `source`; labels are not used."""
        return self.patches(torch.cat([source, x], dim=1))
