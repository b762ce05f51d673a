"""The semi-supervised GAN: a classifier with one class more, for what is made (arXiv:1606.01583)."""

from __future__ import annotations

from dataclasses import dataclass

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option
from ganzoo_core.errors import DataError

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class SganConfig(ganzoo.Config):
    """Few labels known; DCGAN's Adam at twice its learning rate."""

    steps: int = 1000
    generator_lr: float = 4e-4
    discriminator_lr: float = 4e-4
    ema_decay: float = 0.99
    labelled: float = option(0.05, "share of the pictures whose label is used", minimum=0.0001, maximum=1)
    choice: int = option(
        0, "which pictures these are, by a rule of each picture's own pixels; another number, others",
        minimum=0, maximum=9999,
    )  # fmt: skip
    class_weight: float = option(1.0, "weight of the class term on pictures whose label is used", minimum=0)
    generator_width: int = option(512, "hidden linear layer of the generator", minimum=1)
    generator_channels: int = option(32, "channels before the picture, twice as many before that", minimum=1)
    discriminator_channels: int = option(16, "channels after the first convolution, twice as many next", minimum=1)
    discriminator_width: int = option(256, "hidden linear layer of the discriminator", minimum=1)


class Sgan(ganzoo.Variant):
    """The discriminator says of a picture which class it is of, or that it was made; few labels are known."""

    name = "sgan"
    title = "Semi-Supervised Learning with Generative Adversarial Networks"
    paper = "arXiv:1606.01583"
    year = 2016
    Config = SganConfig

    Generator = ".networks:SganGenerator"
    Discriminator = ".networks:ClassOrMade"
    Loss = ".loss:SemiSupervised"

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for data without classes, and for images that can't be halved twice."""
        super().check_data(data)
        if not data.classes:
            raise DataError(
                f"sgan classifies, but {data.name} has no labels; choose labelled data (`ganzoo data`), of which "
                f"labelled says how much is used"
            )
        self.check_sides(data, multiple=4, least=16)


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer sgan."""
    return [Sgan]
