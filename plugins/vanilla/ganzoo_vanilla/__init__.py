"""The original GAN: two fully connected networks, one game (arXiv:1406.2661)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ganzoo_core as ganzoo
from ganzoo_core import hookimpl, option

if TYPE_CHECKING:
    from ganzoo_core import Loss

GANZOO_API = 2
OF_COLOUR = 0.9  # the decay of the average on colour pictures, where a longer one has a higher FID


@dataclass(frozen=True, kw_only=True)
class VanillaConfig(ganzoo.Config):
    """The paper's game with today's usual numbers: Adam and LeakyReLU, which came after it.

    The generator's weights are averaged, which the paper does not do. Points and curves have a few coordinates where
    images have hundreds, so what is None here is smaller for them.
    """

    latent_dim: int | None = option(  # type: ignore[assignment]
        None, "coordinates of the latent vector z; none: 100 on images, 2 on points and curves", minimum=1
    )
    ema_decay: float | None = option(  # type: ignore[assignment]
        None, "average the generator's weights with this decay and sample from the average; none: 0.99, and "
        f"{OF_COLOUR} on colour pictures; 0 is off", minimum=0, maximum=0.99999,
    )  # fmt: skip
    generator_widths: tuple[int, ...] | None = option(
        None, "hidden layers of the generator; none: 256,512,1024 on images, 128,128 on points and curves", minimum=1
    )
    discriminator_widths: tuple[int, ...] | None = option(
        None, "hidden layers of the discriminator; none: 1024,512,256 on images, 128,128 else", minimum=1
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
    Config = VanillaConfig

    Generator = ".networks:VanillaGenerator"
    Discriminator = ".networks:VanillaDiscriminator"

    def average_decay(self, data: ganzoo.DataSpec) -> float:
        """As `ema_decay` says."""
        if self.config.ema_decay is not None:
            return self.config.ema_decay
        return OF_COLOUR if data.kind == "images" and data.shape[0] > 1 else 0.99

    def loss(self) -> Loss:
        """Section 3's loss, or with loss=minimax equation 1's."""
        from ganzoo_core.losses import Minimax, NonSaturating

        return Minimax() if self.config.loss == "minimax" else NonSaturating()


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer vanilla."""
    return [Vanilla]
