"""Coupled GANs: one latent makes a picture in each domain, without pairs (arXiv:1606.07536)."""

from __future__ import annotations

from dataclasses import dataclass

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option
from ganzoo_core.errors import DataError

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class CoganConfig(ganzoo.Config):
    """The paper's latent and Adam, at higher learning rates; generators an eighth as wide as the paper's."""

    steps: int = 1500
    batch_size: int = 32
    generator_lr: float = 1e-3
    discriminator_lr: float = 4e-4
    ema_decay: float = 0.99
    generator_channels: int = option(
        16, "channels before a generator's last layer, doubled towards the latent; the paper: 128", minimum=1
    )
    discriminator_channels: int = option(20, "channels after a discriminator's first layer; the paper: 20", minimum=1)
    discriminator_width: int = option(256, "hidden linear layer of the discriminators; the paper: 500", minimum=1)


class Cogan(ganzoo.Variant):
    """A generator and a discriminator of each domain; only the layers nearest to the picture are their own."""

    name = "cogan"
    title = "Coupled Generative Adversarial Networks"
    paper = "arXiv:1606.07536"
    year = 2016
    conditional = True
    default_data = "outlined-digits"
    Config = CoganConfig

    Generator = ".networks:CoupledGenerators"
    Discriminator = ".networks:CoupledDiscriminators"
    Loss = "ganzoo_core.losses:NonSaturating"  # of equation 4's games, each by its share of the batch

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for unlabelled data, for one domain, and for images that can't be halved twice."""
        super().check_data(data)
        if data.num_classes < 2:
            raise DataError(f"cogan couples two domains or more, but {data.name} has one class; add another")
        self.check_sides(data, multiple=4, least=16)


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer cogan."""
    return [Cogan]
