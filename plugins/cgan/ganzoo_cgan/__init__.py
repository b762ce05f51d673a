"""The conditional GAN: both players are told the label (arXiv:1411.1784)."""

from __future__ import annotations

from dataclasses import dataclass

import ganzoo_core as ganzoo
from ganzoo_core import hookimpl, option

GANZOO_API = 2
OF_COLOUR = 0.9  # the decay of the average on colour pictures, where a longer one has a higher FID


@dataclass(frozen=True, kw_only=True)
class CganConfig(ganzoo.Config):
    """Section 4's condition y as a learned embedding; Adam in place of the paper's SGD with momentum.

    The generator's weights are averaged, which the paper does not do: at 2,500 steps on digits the average is read as
    asked twenty points more often than the last weights are.
    """

    steps: int = 10_000
    ema_decay: float | None = option(  # type: ignore[assignment]
        None, "average the generator's weights with this decay and sample from the average; none: 0.999, and "
        f"{OF_COLOUR} on colour pictures; 0 is off", minimum=0, maximum=0.99999,
    )  # fmt: skip
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
    Config = CganConfig

    Generator = ".networks:CganGenerator"
    Discriminator = ".networks:CganDiscriminator"
    Loss = "ganzoo_core.losses:NonSaturating"  # of equation 2; the condition is inside the networks

    def average_decay(self, data: ganzoo.DataSpec) -> float:
        """As `ema_decay` says."""
        if self.config.ema_decay is not None:
            return self.config.ema_decay
        return OF_COLOUR if data.kind == "images" and data.shape[0] > 1 else 0.999


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer cgan."""
    return [Cgan]
