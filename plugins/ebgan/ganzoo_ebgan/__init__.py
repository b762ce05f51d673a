"""EBGAN: a discriminator that is an autoencoder (arXiv:1609.03126)."""

from __future__ import annotations

from dataclasses import dataclass

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option

GANZOO_API = 2

_LEAST_SIDE = 14  # halved once, as every image is, it leaves 7


@dataclass(frozen=True, kw_only=True)
class EbganConfig(ganzoo.Config):
    """The paper's weight of the repelling term; a margin for errors that are means over numbers, small networks."""

    steps: int = 1500
    generator_lr: float = 5e-4
    discriminator_lr: float = 5e-4
    latent_dim: int = 64
    ema_decay: float = 0.99
    code_dim: int = option(64, "numbers that the autoencoder makes of an image", minimum=1)
    width: int = option(16, "channels at full size, doubled at each halving of the sides", minimum=1)
    margin: float = option(0.3, "m, up to which error the discriminator drives fakes", minimum=0)
    repelling: float = option(0.1, "weight of the pulling-away term, which keeps codes of fakes apart", minimum=0)


class Ebgan(ganzoo.Variant):
    """D rebuilds samples: well if they are real, and with an error up to a margin if they are not."""

    name, title, paper, year = "ebgan", "Energy-based Generative Adversarial Network", "arXiv:1609.03126", 2016
    Config = EbganConfig
    Generator = ".networks:DecodingGenerator"
    Discriminator = ".networks:AutoencoderDiscriminator"
    Loss = ".loss:EnergyMargin"

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for images that can't be halved to 7 or more."""
        super().check_data(data)
        self.check_sides(data, multiple=2, least=_LEAST_SIDE)


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer ebgan."""
    return [Ebgan]
