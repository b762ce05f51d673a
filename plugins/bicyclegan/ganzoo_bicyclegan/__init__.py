"""BicycleGAN: many pictures made of one, as the latent says (arXiv:1711.11586)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ganzoo_pix2pix import Pix2pix, Pix2pixConfig

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option

if TYPE_CHECKING:
    from torch import nn

    from ganzoo_core import Networks, Player

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class BicycleganConfig(Pix2pixConfig):
    """Section 4's weights; for a CPU small networks, larger batches and a quicker generator."""

    unused: ClassVar[dict[str, str]] = {"dropout": "its noise is the latent, a part of the U-Net's input"}
    steps: int = 1000
    latent_dim: int = option(8, "coordinates of the latent vector z", minimum=1)
    encoder_width: int = option(32, "channels of the encoder's first layer, doubled at each next", minimum=1)
    l1_weight: float = 10.0
    latent_weight: float = option(0.5, "weight of the latent's recovery (lambda_latent)", minimum=0)
    kl_weight: float = option(0.01, "weight of the code's divergence from N(0, 1) (lambda_KL)", minimum=0)


class Bicyclegan(Pix2pix):
    """pix2pix with an encoder: a picture's latent can be read from it, so that each latent makes another."""

    name = "bicyclegan"
    title = "Toward Multimodal Image-to-Image Translation"
    paper = "arXiv:1711.11586"
    year = 2017
    default_data = "digit-pens"
    Config = BicycleganConfig

    Generator = ".networks:BicycleganGenerator"
    Discriminator = ".networks:BicycleganDiscriminator"
    Loss = ".loss:BicycleganLoss"

    def further_networks(self, data: DataSpec) -> dict[str, nn.Module]:
        """The encoder E, which reads a latent from a target."""
        from ganzoo_bicyclegan.networks import Encoder

        return {"encoder": Encoder(self.config, data)}

    def players(self, networks: Networks) -> list[Player]:
        """The discriminator; the generator and the encoder together (equation 8)."""
        from ganzoo_core.interfaces import new_player

        generator, discriminator, loss = networks
        steps, encoder = self.config.n_critic, networks.further["encoder"]
        return [
            new_player(self, "discriminator", [discriminator], loss.for_discriminator, steps=steps),
            new_player(self, "generator", [generator, encoder], loss.for_generator),
        ]


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer bicyclegan."""
    return [Bicyclegan]
