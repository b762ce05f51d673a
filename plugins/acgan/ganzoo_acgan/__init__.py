"""The auxiliary classifier GAN: the discriminator also says which class it sees (arXiv:1610.09585)."""

from __future__ import annotations

from dataclasses import dataclass

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class AcganConfig(ganzoo.Config):
    """Adam with appendix A's beta1; class terms on fake samples lighter than the paper's 1."""

    steps: int = 3000
    generator_lr: float = 4e-4
    discriminator_lr: float = 4e-4
    ema_decay: float = 0.99
    generator_width: int = option(1024, "hidden linear layer of the generator", minimum=1)
    generator_channels: int = option(64, "channels before the image, doubled at each layer to the latent", minimum=1)
    discriminator_channels: int = option(32, "channels after the first convolution, doubled at each next", minimum=1)
    discriminator_width: int = option(1024, "hidden linear layer of the discriminator", minimum=1)
    class_on_real: float = option(1.0, "weight of the discriminator's class term on real samples", minimum=0)
    class_on_fake: float = option(0.05, "weight of the discriminator's class term on fake samples", minimum=0)
    class_for_generator: float = option(0.1, "weight of the generator's class term", minimum=0)


class Acgan(ganzoo.Variant):
    """Convolutional; the generator is told the class, the discriminator must tell it."""

    name = "acgan"
    title = "Conditional Image Synthesis with Auxiliary Classifier GANs"
    paper = "arXiv:1610.09585"
    year = 2016
    conditional = True
    Config = AcganConfig

    Generator = ".networks:AcganGenerator"
    Discriminator = ".networks:AcganDiscriminator"
    Loss = ".loss:AuxiliaryClassifier"

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for unlabelled data, and for images that can't be halved twice."""
        super().check_data(data)
        self.check_sides(data, multiple=4, least=16)


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer acgan."""
    return [Acgan]
