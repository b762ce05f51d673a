"""FastGAN: a light generator and a discriminator that rebuilds pictures, for a few hundred of them."""

from __future__ import annotations

from dataclasses import dataclass

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option

GANZOO_API = 2
_LEAST_SIDE = 28


@dataclass(frozen=True, kw_only=True)
class FastganConfig(ganzoo.Config):
    """The Adam of the authors' code and their augmentation, at a quarter of their width."""

    steps: int = 2000
    batch_size: int = 32
    latent_dim: int = 64
    ema_decay: float = 0.99
    augment: str = "diffaugment"
    width: int = option(16, "channels of features of 64 pixels a side, halved; the authors' code: 64", minimum=2)
    rebuild_weight: float = option(1.0, "weight of what the discriminator's decoders miss of real pictures", minimum=0)


class Fastgan(ganzoo.Variant):
    """Early features say which channels of late ones count; decoders rebuild real pictures of what D sees in them."""

    name, paper, year = "fastgan", "arXiv:2101.04775", 2021
    title = "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis"
    Config = FastganConfig
    Generator = ".networks:FastganGenerator"
    Discriminator = ".networks:FastganDiscriminator"
    Loss = ".loss:RebuildingHinge"

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for images that can't be halved twice to 7 or more."""
        super().check_data(data)
        self.check_sides(data, multiple=4, least=_LEAST_SIDE)


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer fastgan."""
    return [Fastgan]
