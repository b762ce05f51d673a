"""An encoder beside the generator: bigan (arXiv:1605.09782) and aae (arXiv:1511.05644)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import ganzoo_core as ganzoo
from ganzoo_core import hookimpl, option

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class BiganConfig(ganzoo.Config):
    """The paper's latent and Adam for MNIST (section 4.2); layers a quarter as wide, and higher learning rates."""

    steps: int = 3000
    latent_dim: int = 50
    generator_lr: float = 4e-4
    discriminator_lr: float = 4e-4
    width: int = option(256, "units of the two hidden layers of each network; the paper: 1024", minimum=1)


@dataclass(frozen=True, kw_only=True)
class AaeConfig(ganzoo.Config):
    """The paper's latent for MNIST (appendix A); layers a quarter as wide, and Adam."""

    unused: ClassVar[dict[str, str]] = {"augment": "its discriminator sees latents, and no samples"}
    steps: int = 3000
    latent_dim: int = option(8, "coordinates of the latent vector z", minimum=1)
    generator_lr: float = 1e-3
    width: int = option(256, "units of the two hidden layers of each network; the paper: 1000", minimum=1)
    reconstruction_weight: float = option(20.0, "weight of the squared error of what was rebuilt", minimum=0)


class Bigan(ganzoo.Variant):
    """Generator and encoder against a discriminator that judges samples and latents in pairs."""

    name, title, year = "bigan", "Adversarial Feature Learning", 2016
    paper = "arXiv:1605.09782"
    Config = BiganConfig
    Generator = ".networks:BiganGenerator"
    Discriminator = ".networks:PairDiscriminator"
    Loss = ".loss:Bidirectional"


class Aae(ganzoo.Variant):
    """An autoencoder whose latents can't be told from normal ones, so that its decoder makes samples of these."""

    name, title, year = "aae", "Adversarial Autoencoders", 2015
    paper = "arXiv:1511.05644"
    Config = AaeConfig
    Generator = ".networks:AaeGenerator"
    Discriminator = ".networks:LatentDiscriminator"
    Loss = ".loss:AdversarialPrior"


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer both."""
    return [Bigan, Aae]
