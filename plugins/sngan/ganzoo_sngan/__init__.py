"""Residual GANs with spectral normalisation: SNGAN, projection, SAGAN and BigGAN, each a step on from the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option
from ganzoo_core.settings import Settings

GANZOO_API = 2
_LEAST_SIDE = 8


@dataclass(frozen=True, kw_only=True)
class SnganConfig(ganzoo.Config):
    """arXiv:1802.05957's game, at an eighth of its generator's width and a quarter of its discriminator's.

    Small batches, and one update each, the discriminator's at twice the rate (arXiv:1706.08500).
    """

    is_conditional: ClassVar[bool] = False
    steps: int = 4000
    batch_size: int = 32
    latent_dim: int = 128
    generator_lr: float = 4e-4
    discriminator_lr: float = 8e-4
    beta1: float = 0.0
    beta2: float = 0.9
    n_critic: int = option(1, "discriminator updates per generator update; the paper: 5", minimum=1, maximum=1000)
    ema_decay: float = 0.99
    generator_width: int = option(32, "channels of the generator; the paper: 256", minimum=1)
    discriminator_width: int = option(32, "channels of the discriminator; the paper: 128", minimum=1)
    attention_side: int = option(
        0, "attention to feature maps of at most this side, the largest such; 0: none", minimum=0
    )
    spectral_generator: bool = option(False, "spectral normalisation in the generator too")


@dataclass(frozen=True, kw_only=True)
class ProjectionConfig(SnganConfig):
    """sngan's, of whose pictures each has a class."""

    is_conditional: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class SaganConfig(ProjectionConfig):
    """arXiv:1805.08318: one update each, at two learning rates; sngan's make all digits of a class alike here."""

    steps: int = 2000
    batch_size: int = 64
    n_critic: int = option(1, "discriminator updates per generator update", minimum=1, maximum=1000)
    generator_lr: float = 1e-4
    discriminator_lr: float = 4e-4
    attention_side: int = 16
    spectral_generator: bool = True


@dataclass(frozen=True, kw_only=True)
class BigganConfig(SaganConfig):
    """arXiv:1809.11096's regulariser; its learning rates, 5e-5 and 2e-4, are for batches of 2,048."""

    latent_dim: int = option(96, "coordinates of z, cut in parts: one to start with, one for each block", minimum=1)
    class_dim: int = option(32, "coordinates of a class's shared embedding; the paper: 128", minimum=1)
    orthogonal_weight: float = option(1e-4, "beta, the weight of orthogonal regularisation (equation 3)", minimum=0)
    beta2: float = 0.999


@dataclass(frozen=True, kw_only=True)
class BigganSampling(Settings):
    """The truncation trick."""

    truncation: float = option(
        0.0, "no coordinate of z beyond this (arXiv:1809.11096, section 3.1), such as 0.5; 0: as trained", minimum=0
    )


class Sngan(ganzoo.Variant):
    """Residual networks; every layer of the discriminator is divided by its spectral norm."""

    name, paper, year = "sngan", "arXiv:1802.05957", 2018
    title = "Spectral Normalization for Generative Adversarial Networks"
    Config = SnganConfig
    Generator = ".networks:ResnetGenerator"
    Discriminator = ".networks:ResnetDiscriminator"
    Loss = "ganzoo_core.losses:Hinge"

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for images that can't be halved twice to 2 or more."""
        super().check_data(data)
        self.check_sides(data, multiple=4, least=_LEAST_SIDE)


class Projection(Sngan):
    """sngan with classes: the logit's part for a class is a product of its embedding with the features."""

    name, paper, year = "projection", "arXiv:1802.05637", 2018
    title = "cGANs with Projection Discriminator"
    conditional = True
    Config = ProjectionConfig


class Sagan(Projection):
    """projection with self-attention, and with spectral normalisation in both networks."""

    name, paper, year = "sagan", "arXiv:1805.08318", 2018
    title = "Self-Attention Generative Adversarial Networks"
    Config = SaganConfig


class Biggan(Sagan):
    """sagan with a latent for each block, shared class embeddings, orthogonal weights, and truncation at sampling."""

    name, paper, year = "biggan", "arXiv:1809.11096", 2018
    title = "Large Scale GAN Training for High Fidelity Natural Image Synthesis"
    Config, Sampling = BigganConfig, BigganSampling
    Generator = ".big:BigganGenerator"
    Loss = ".big:OrthogonalHinge"


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer the four."""
    return [Sngan, Projection, Sagan, Biggan]
