"""EBGAN and BEGAN: a discriminator that is an autoencoder (arXiv:1609.03126, arXiv:1703.10717)."""

from __future__ import annotations

from dataclasses import dataclass

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option

GANZOO_API = 2

_LEAST_SIDE = 14  # halved once, as every image is, it leaves 7


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig(ganzoo.Config):
    """Of the networks of both: small ones."""

    code_dim: int = option(64, "numbers that the autoencoder makes of an image", minimum=1)
    width: int = option(16, "channels at full size, doubled at each halving of the sides", minimum=1)


@dataclass(frozen=True, kw_only=True)
class EbganConfig(AutoencoderConfig):
    """The paper's weight of the repelling term; a margin for errors that are means over numbers."""

    steps: int = 1500
    generator_lr: float = 5e-4
    discriminator_lr: float = 5e-4
    latent_dim: int = 64
    ema_decay: float = 0.99
    margin: float = option(0.3, "m, up to which error the discriminator drives fakes", minimum=0)
    repelling: float = option(0.1, "weight of the pulling-away term, which keeps codes of fakes apart", minimum=0)


@dataclass(frozen=True, kw_only=True)
class BeganConfig(AutoencoderConfig):
    """The paper's batch; an autoencoder so small that it holds digits and little else, and a balance to match."""

    steps: int = 3000
    batch_size: int = 16
    generator_lr: float = 5e-4
    discriminator_lr: float = 5e-4
    latent_dim: int = 16
    ema_decay: float = 0.99
    code_dim: int = 10
    width: int = 8
    gamma: float = option(1.0, "the energy of fakes that is aimed at, as a part of real samples'", minimum=0, maximum=1)
    gain: float = option(0.02, "lambda_k, how fast the weight of fakes follows; the paper: 0.001", minimum=0)


class AutoencoderGan(ganzoo.Variant):
    """What both are: D rebuilds samples."""

    Discriminator = ".networks:AutoencoderDiscriminator"

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for images that can't be halved to 7 or more."""
        super().check_data(data)
        self.check_sides(data, multiple=2, least=_LEAST_SIDE)


class Ebgan(AutoencoderGan):
    """D rebuilds samples: well if they are real, and with an error up to a margin if they are not."""

    name, title, paper, year = "ebgan", "Energy-based Generative Adversarial Network", "arXiv:1609.03126", 2016
    Config = EbganConfig
    Generator = ".networks:DecodingGenerator"
    Loss = ".loss:EnergyMargin"


class Began(AutoencoderGan):
    """D's weight of fakes keeps their energy at a part of real samples', in place of a margin."""

    name, title, paper, year = "began", "Boundary Equilibrium Generative Adversarial Networks", "arXiv:1703.10717", 2017
    Config = BeganConfig
    Generator = ".networks:PlainGenerator"
    Loss = ".loss:Equilibrium"


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer both."""
    return [Ebgan, Began]
