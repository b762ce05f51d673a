"""WGAN with gradient penalty: the critic's slope is held at one, in place of clipped weights (arXiv:1704.00028)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option
from ganzoo_core.errors import DataError

if TYPE_CHECKING:
    from ganzoo_core import Discriminator, Generator, Loss

GANZOO_API = 1


@dataclass(frozen=True, kw_only=True)
class WganGpConfig(ganzoo.Config):
    """Algorithm 1's defaults but for the learning rate, ten times the paper's: lambda = 10, n_critic = 5, beta1 = 0."""

    steps: int = option(3_000, "updates of the generator", minimum=1)
    latent_dim: int | None = option(  # type: ignore[assignment]
        None, "coordinates of the latent vector z; none: 128 for images, 2 for points and curves", minimum=1
    )
    generator_lr: float = option(1e-3, "learning rate of the generator", minimum=0)
    discriminator_lr: float = option(1e-3, "learning rate of the critic", minimum=0)
    beta1: float = option(0.0, "Adam's decay of the first moment", minimum=0, maximum=0.9999)
    beta2: float = option(0.9, "Adam's decay of the second moment", minimum=0, maximum=0.99999)
    n_critic: int = option(5, "updates of the critic per update of the generator", minimum=1)
    penalty: float | None = option(
        None, "lambda, the gradient penalty's factor; none: 10 for images, 0.1 for points and curves", minimum=0
    )
    ema_decay: float = option(
        0.998, "average the generator's weights with this decay and sample from the average; 0 is off",
        minimum=0, maximum=0.99999,
    )  # fmt: skip
    generator_channels: int = option(32, "images: channels before the last layer, doubled at each earlier", minimum=1)
    critic_channels: int = option(16, "images: channels after the first layer, doubled at each later", minimum=1)
    critic_hidden: int = option(256, "images: units of the critic's hidden layer before the score", minimum=1)
    widths: tuple[int, ...] = option((128, 128, 128), "points and curves: hidden layers of both networks", minimum=1)


class WganGp(ganzoo.Variant):
    """Convolutional on images, fully connected on points and curves."""

    name = "wgan-gp"
    title = "Improved Training of Wasserstein GANs"
    paper = "arXiv:1704.00028"
    year = 2017
    kinds = ("images", "points", "curves")
    Config: ClassVar[type[ganzoo.Config]] = WganGpConfig

    def generator(self, data: DataSpec) -> Generator:
        """DCGAN's on images, a stack of linear layers otherwise."""
        from ganzoo_wgan_gp.networks import ConvGenerator, DenseGenerator

        c = self.config
        if data.kind == "images":
            return ConvGenerator(c.latent_dim or 128, c.generator_channels, data.shape, doublings(data))
        return DenseGenerator(c.latent_dim or 2, c.widths, data.shape)

    def discriminator(self, data: DataSpec) -> Discriminator:
        """The critic: DCGAN's with LayerNorm for BatchNorm on images, a stack of linear layers otherwise."""
        from ganzoo_wgan_gp.networks import ConvCritic, DenseCritic

        c = self.config
        if data.kind == "images":
            return ConvCritic(data.shape, c.critic_channels, c.critic_hidden, doublings(data))
        return DenseCritic(data.shape, c.widths)

    def loss(self) -> Loss:
        """Equation 3."""
        from ganzoo_wgan_gp.loss import WassersteinGP

        return WassersteinGP(self.config.penalty)

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for images of a size that the convolutions can't make."""
        super().check_data(data)
        if data.kind == "images" and doublings(data) == 0:
            _, height, width = data.shape
            raise DataError(
                f"{self.name} takes square images whose side is 4 to 7 pixels doubled a few times, such as 28, 32, 64 "
                f"or 128, but {data.name} is {width}x{height}; use another image size"
            )


def doublings(data: DataSpec) -> int:
    """How often 4 to 7 pixels are doubled to make this image's side: 2 for 28, 3 for 32; 0 where that can't be."""
    _, height, width = data.shape
    times = int(math.log2(max(width, 4) / 4))
    return times if height == width and width % 2**times == 0 else 0


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer wgan-gp."""
    return [WganGp]
