"""The Wasserstein GAN: a critic that scores, its weights clipped, in place of a judge (arXiv:1701.07875)."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option
from ganzoo_core.errors import DataError

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from ganzoo_core import Discriminator, Generator, Networks, Player

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class WassersteinConfig(ganzoo.Config):
    """What a game with a critic has in any case: algorithm 1's n_critic = 5, and the sizes of the networks."""

    n_critic: int = option(5, "updates of the critic per update of the generator", minimum=1, maximum=1000)
    ema_decay: float = 0.998
    generator_channels: int = option(32, "images: channels before the last layer, doubled at each earlier", minimum=1)
    critic_channels: int = option(32, "images: channels after the first layer, doubled at each later", minimum=1)
    widths: tuple[int, ...] = option((128, 128, 128), "points and curves: hidden layers of both networks", minimum=1)


class WassersteinVariant(ganzoo.Variant):
    """A generator against a critic: convolutional on images, fully connected on points and curves.

    `image_latent_dim` are the coordinates of a latent of images where the config's `latent_dim` is None.
    """

    kinds = ("images", "points", "curves")
    image_latent_dim: ClassVar[int]

    def generator(self, data: DataSpec) -> Generator:
        """DCGAN's on images, a stack of linear layers otherwise."""
        from ganzoo_wgan.networks import ConvGenerator, DenseGenerator

        c = self.config
        if data.kind == "images":
            latent_dim = c.latent_dim or self.image_latent_dim
            return ConvGenerator(latent_dim, c.generator_channels, data.shape, doublings(data))
        return DenseGenerator(c.latent_dim or 2, c.widths, data.shape)

    def discriminator(self, data: DataSpec) -> Discriminator:
        """The critic f: `image_critic` on images, a stack of linear layers otherwise; no sigmoid."""
        from ganzoo_wgan.networks import DenseCritic

        return self.image_critic(data) if data.kind == "images" else DenseCritic(data.shape, self.config.widths)

    @abstractmethod
    def image_critic(self, data: DataSpec) -> Discriminator:
        """A new critic of images."""

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for images of a size that the convolutions can't make."""
        super().check_data(data)
        if data.kind == "images" and doublings(data) == 0:
            _, height, width = data.shape
            raise DataError(
                f"{self.name} takes images whose shorter side is 4 to 7 pixels doubled a few times, such as 28, 32, 64 "
                f"or 128, and whose longer side halves as often, but {data.name} is {height}x{width}; use "
                f"another image size"
            )


def doublings(data: DataSpec) -> int:
    """How often 4 to 7 pixels are doubled to make the shorter side: 2 for 28, 3 for 32; 0 where that can't be."""
    _, height, width = data.shape
    times = int(math.log2(max(min(height, width), 4) / 4))
    return times if height % 2**times == width % 2**times == 0 else 0


@dataclass(frozen=True, kw_only=True)
class WganConfig(WassersteinConfig):
    """Algorithm 1's defaults: c = 0.01, m = 64, n_critic = 5.

    alpha = 0.00005 holds on points and curves; on images it is ten times that, so that digits take minutes on a CPU.
    """

    unused: ClassVar[dict[str, str]] = {
        "beta1": "it is trained with RMSProp, which has no first moment",
        "beta2": "it is trained with RMSProp, whose own decay stays at 0.99",
    }
    steps: int = 4000
    latent_dim: int | None = option(  # type: ignore[assignment]
        None, "coordinates of the latent vector z; none: 100 for images, 2 for points and curves", minimum=1
    )
    generator_lr: float | None = option(  # type: ignore[assignment]
        None, "learning rate of the generator; none: 5e-4 on images, 5e-5 on points and curves", minimum=0
    )
    discriminator_lr: float | None = option(  # type: ignore[assignment]
        None, "learning rate of the critic; none: 5e-4 on images, 5e-5 on points and curves", minimum=0
    )
    clip: float = option(0.01, "c: after each update the critic's weights are clipped to [-c, c]", minimum=0)


class Wgan(WassersteinVariant):
    """Convolutional on images, fully connected on points and curves."""

    name = "wgan"
    title = "Wasserstein GAN"
    paper = "arXiv:1701.07875"
    year = 2017
    image_latent_dim = 100
    Config = WganConfig
    Loss = "ganzoo_core.losses:Wasserstein"  # equation 2's difference of mean scores: no log

    def image_critic(self, data: DataSpec) -> Discriminator:
        """DCGAN's discriminator."""
        from ganzoo_wgan.networks import ConvCritic

        return ConvCritic(data.shape, self.config.critic_channels, doublings(data))

    def optimizer(self, player: str, parameters: Iterable[Any]) -> Optimizer:
        """RMSProp: section 4 finds momentum, and so Adam with beta1 > 0, unstable for a critic that moves on."""
        from torch.optim import RMSprop

        lr = self.config.generator_lr if player == "generator" else self.config.discriminator_lr
        made = RMSprop(parameters, lr=5e-5 if lr is None else lr)
        if lr is None and any(p.ndim == 4 for group in made.param_groups for p in group["params"]):  # images
            for group in made.param_groups:
                group["lr"] = 5e-4
        return made

    def players(self, networks: Networks) -> list[Player]:
        """The critic n_critic times, clipped after each update, then the generator."""
        from ganzoo_wgan.networks import clip

        critic, generator = super().players(networks)
        critic.after_update = lambda: clip(critic.parameters, self.config.clip)
        return [critic, generator]


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer wgan."""
    return [Wgan]
