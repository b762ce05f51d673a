"""Two tiny variants for the tests: found through an entry point as any plugin is, trained in a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import ganzoo_core as ganzoo
from ganzoo_core import hookimpl, option

GANZOO_API = 1


@dataclass(frozen=True, kw_only=True)
class ToyConfig(ganzoo.Config):
    steps: int = option(30, "updates of the generator", minimum=1)
    batch_size: int = option(16, "samples per update", minimum=1)
    latent_dim: int = option(4, "coordinates of the latent vector z", minimum=1)
    width: int = option(8, "hidden units", minimum=1)
    poison_step: int | None = option(None, "the step at which a loss term becomes NaN")


class Toy(ganzoo.Variant):
    """Dropout in D, state in the loss."""

    name = "toy"
    title = "A toy"
    paper = "arXiv:0000.00000"
    year = 2026
    kinds = ("images", "points", "curves", "voxels")
    Config: ClassVar[type[ganzoo.Config]] = ToyConfig

    def generator(self, data):
        from ganzoo_toy.networks import ToyGenerator

        return ToyGenerator(self.config.latent_dim, self.config.width, data.shape, 0)

    def discriminator(self, data):
        from ganzoo_toy.networks import ToyDiscriminator

        return ToyDiscriminator(self.config.width, data.shape, 0)

    def loss(self):
        from ganzoo_toy.networks import CountingLoss

        return CountingLoss(self.config.poison_step)


class ToyConditional(Toy):
    """Labels for both players, BatchNorm in G."""

    name = "toy-conditional"
    conditional = True

    def generator(self, data):
        from ganzoo_toy.networks import ToyGenerator

        return ToyGenerator(self.config.latent_dim, self.config.width, data.shape, data.num_classes)

    def discriminator(self, data):
        from ganzoo_toy.networks import ToyDiscriminator

        return ToyDiscriminator(self.config.width, data.shape, data.num_classes)


@hookimpl
def ganzoo_variants():
    return [Toy, ToyConditional]
