"""WGAN with gradient penalty: the critic's slope is held at one, in place of clipped weights (arXiv:1704.00028)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganzoo_wgan import WassersteinConfig, WassersteinVariant, doublings

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option

if TYPE_CHECKING:
    from ganzoo_core import Discriminator

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class WganGpConfig(WassersteinConfig):
    """Algorithm 1's defaults but for the learning rate, ten times the paper's: lambda = 10, n_critic = 5, beta1 = 0."""

    steps: int = 3_000
    latent_dim: int | None = option(  # type: ignore[assignment]
        None, "coordinates of the latent vector z; none: 128 for images, 2 for points and curves", minimum=1
    )
    generator_lr: float = 1e-3
    discriminator_lr: float = 1e-3
    beta1: float = 0.0
    beta2: float = 0.9
    critic_channels: int = option(16, "images: channels after the first layer, doubled at each later", minimum=1)
    critic_hidden: int = option(256, "images: units of the critic's hidden layer before the score", minimum=1)
    penalty: float | None = option(
        None, "lambda, the gradient penalty's factor; none: 10 for images, 0.1 for points and curves", minimum=0
    )


class WganGp(WassersteinVariant):
    """wgan's networks and game with a penalty for the clip, moved by Adam; on images the critic has no BatchNorm."""

    name = "wgan-gp"
    title = "Improved Training of Wasserstein GANs"
    paper = "arXiv:1704.00028"
    year = 2017
    image_latent_dim = 128
    Config = WganGpConfig
    Loss = ".loss:WassersteinGP"

    def image_critic(self, data: DataSpec) -> Discriminator:
        """DCGAN's discriminator with LayerNorm for BatchNorm, and a hidden layer."""
        from ganzoo_wgan_gp.networks import ConvCritic

        return ConvCritic(data.shape, self.config.critic_channels, self.config.critic_hidden, doublings(data))


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer wgan-gp."""
    return [WganGp]
