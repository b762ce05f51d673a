"""The smallest convolutional pair: three convolutions in all, after arXiv:1406.2661."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option

if TYPE_CHECKING:
    from ganzoo_core import Discriminator, Generator, Loss

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class ConvConfig(ganzoo.Config):
    """The 28x28 pair's widths; Adam with arXiv:1511.06434's beta1."""

    steps: int = option(6000, "updates of the generator", minimum=1)
    generator_lr: float = option(1e-3, "learning rate of the generator", minimum=0)
    discriminator_lr: float = option(1e-3, "learning rate of the discriminator", minimum=0)
    ema_decay: float = option(
        0.999, "average the generator's weights with this decay and sample from the average; 0 is off",
        minimum=0, maximum=0.99999,
    )  # fmt: skip
    generator_channels: int = option(64, "channels between the generator's two convolutions", minimum=1)
    discriminator_width: int = option(128, "hidden layer of the discriminator", minimum=1)


class Conv(ganzoo.Variant):
    """Two convolutions make the image, one looks at it; the rest is fully connected."""

    name = "conv"
    title = "The smallest convolutional GAN"
    paper = "arXiv:1406.2661"
    year = 2014
    Config: ClassVar[type[ganzoo.Config]] = ConvConfig

    def generator(self, data: DataSpec) -> Generator:
        """latent - 900 (a 30x30 picture for 28x28 samples) - 64 channels - sample."""
        from ganzoo_conv.networks import ConvGenerator

        return ConvGenerator(self.config.latent_dim, self.config.generator_channels, data.shape)

    def discriminator(self, data: DataSpec) -> Discriminator:
        """sample - half its size - 128 - 1."""
        from ganzoo_conv.networks import ConvDiscriminator

        return ConvDiscriminator(data.shape, self.config.discriminator_width)

    def loss(self) -> Loss:
        """The non-saturating loss of arXiv:1406.2661, section 3."""
        from ganzoo_core.losses import NonSaturating

        return NonSaturating()


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer conv."""
    return [Conv]
