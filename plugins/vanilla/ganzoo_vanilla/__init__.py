"""The original GAN: two fully connected networks, one game (arXiv:1406.2661)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option

if TYPE_CHECKING:
    from ganzoo_core import Discriminator, Generator, Loss

GANZOO_API = 1


@dataclass(frozen=True, kw_only=True)
class VanillaConfig(ganzoo.Config):
    """The paper's game with today's usual numbers: Adam and LeakyReLU, which came after it."""

    generator_widths: tuple[int, ...] = option(
        (256, 512, 1024), "hidden layers of the generator, from the latent on", minimum=1
    )
    discriminator_widths: tuple[int, ...] = option(
        (1024, 512, 256), "hidden layers of the discriminator, from the sample on", minimum=1
    )
    dropout: float | None = option(
        None, "dropout in the discriminator; none: 0.3 on images, 0 on points and curves", minimum=0, maximum=0.9
    )
    loss: str = option("non-saturating", "what the generator minimises", choices=("non-saturating", "minimax"))


class Vanilla(ganzoo.Variant):
    """Fully connected on samples of any shape."""

    name = "vanilla"
    title = "Generative Adversarial Nets"
    paper = "arXiv:1406.2661"
    year = 2014
    kinds = ("images", "points", "curves", "voxels")
    Config: ClassVar[type[ganzoo.Config]] = VanillaConfig

    def generator(self, data: DataSpec) -> Generator:
        """latent - generator_widths - sample."""
        from ganzoo_vanilla.networks import VanillaGenerator

        return VanillaGenerator(self.config.latent_dim, self.config.generator_widths, data.shape)

    def discriminator(self, data: DataSpec) -> Discriminator:
        """sample - discriminator_widths - 1."""
        from ganzoo_vanilla.networks import VanillaDiscriminator

        dropout = self.config.dropout
        if dropout is None:
            dropout = 0.3 if data.kind in ("images", "voxels") else 0.0
        return VanillaDiscriminator(data.shape, self.config.discriminator_widths, dropout)

    def loss(self) -> Loss:
        """Section 3's loss, or with loss=minimax equation 1's."""
        from ganzoo_core.losses import Minimax, NonSaturating

        return Minimax() if self.config.loss == "minimax" else NonSaturating()


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer vanilla."""
    return [Vanilla]
