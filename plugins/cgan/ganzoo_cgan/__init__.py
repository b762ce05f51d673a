"""The conditional GAN: both players are told the label (arXiv:1411.1784)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option

if TYPE_CHECKING:
    from ganzoo_core import Discriminator, Generator, Loss

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class CganConfig(ganzoo.Config):
    """Section 4's condition y as a learned embedding; Adam in place of the paper's SGD with momentum.

    The generator's weights are averaged, which the paper does not do: at 2,500 steps on digits the average is read as
    asked twenty points more often than the last weights are.
    """

    steps: int = option(10_000, "updates of the generator", minimum=1)
    ema_decay: float = option(
        0.999,
        "average the generator's weights with this decay and sample from the average; 0 is off",
        minimum=0,
        maximum=0.99999,
    )
    embedding_dim: int = option(32, "coordinates of the label embedding", minimum=1)
    generator_widths: tuple[int, ...] = option(
        (256, 512, 1024), "hidden layers of the generator, from the latent on", minimum=1
    )
    discriminator_widths: tuple[int, ...] = option(
        (1024, 512, 256), "hidden layers of the discriminator, from the sample on", minimum=1
    )
    dropout: float | None = option(
        None, "dropout in the discriminator; none: 0.3 on images, 0 on points and curves", minimum=0, maximum=0.9
    )


class Cgan(ganzoo.Variant):
    """Fully connected on labelled samples of any shape."""

    name = "cgan"
    title = "Conditional Generative Adversarial Nets"
    paper = "arXiv:1411.1784"
    year = 2014
    conditional = True
    kinds = ("images", "points", "curves", "voxels")
    Config: ClassVar[type[ganzoo.Config]] = CganConfig

    def generator(self, data: DataSpec) -> Generator:
        """(latent, label) - generator_widths - sample."""
        from ganzoo_cgan.networks import CganGenerator

        c = self.config
        return CganGenerator(c.latent_dim, data.num_classes, c.embedding_dim, c.generator_widths, data.shape)

    def discriminator(self, data: DataSpec) -> Discriminator:
        """(sample, label) - discriminator_widths - 1."""
        from ganzoo_cgan.networks import CganDiscriminator

        c = self.config
        dropout = c.dropout
        if dropout is None:
            dropout = 0.3 if data.has_pixels else 0.0
        return CganDiscriminator(data.shape, data.num_classes, c.embedding_dim, c.discriminator_widths, dropout)

    def loss(self) -> Loss:
        """Equation 2 in its non-saturating form; the condition is inside the networks."""
        from ganzoo_core.losses import NonSaturating

        return NonSaturating()


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer cgan."""
    return [Cgan]
