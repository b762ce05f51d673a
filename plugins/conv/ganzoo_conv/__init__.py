"""The smallest convolutional pair: three convolutions in all, after arXiv:1406.2661."""

from __future__ import annotations

from dataclasses import dataclass

import ganzoo_core as ganzoo
from ganzoo_core import hookimpl, option

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class ConvConfig(ganzoo.Config):
    """The 28x28 pair's widths; Adam with arXiv:1511.06434's beta1.

    D is five times as slow as G: as fast, it gets ahead, and G loses classes the longer it is trained.
    """

    steps: int = 6000
    generator_lr: float = 1e-3
    discriminator_lr: float = 2e-4
    ema_decay: float = 0.999
    generator_channels: int = option(64, "channels between the generator's two convolutions", minimum=1)
    discriminator_width: int = option(128, "hidden layer of the discriminator", minimum=1)


class Conv(ganzoo.Variant):
    """Two convolutions make the image, one looks at it; the rest is fully connected."""

    name = "conv"
    title = "The smallest convolutional GAN"
    paper = "arXiv:1406.2661"
    year = 2014
    Config = ConvConfig

    Generator = ".networks:ConvGenerator"
    Discriminator = ".networks:ConvDiscriminator"
    Loss = "ganzoo_core.losses:NonSaturating"  # section 3


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer conv."""
    return [Conv]
