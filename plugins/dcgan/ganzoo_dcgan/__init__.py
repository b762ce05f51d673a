"""Deep convolutional GANs: strides instead of pooling, batch normalisation, Adam (arXiv:1511.06434)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option
from ganzoo_core.errors import DataError

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from ganzoo_core.interfaces import Discriminator, Generator

GANZOO_API = 2

PAPER_SIDES = (32, 64, 128)


@dataclass(frozen=True, kw_only=True)
class DcganConfig(ganzoo.Config):
    """Section 4's Adam with beta1 of 0.5, at twice its learning rate of 0.0002; at half of it for the small D."""

    steps: int = 4000
    generator_lr: float = 4e-4
    discriminator_lr: float | None = option(  # type: ignore[assignment]
        None, "learning rate of the discriminator; none: 1e-4 for the small one, 4e-4 for the paper's", minimum=0
    )
    ema_decay: float = 0.99
    arch: str = option(
        "auto",
        "which networks; paper: figure 1's strided stacks, for sides of 32, 64 and 128; small: for 28; auto: by size",
        choices=("auto", "small", "paper"),
    )
    generator_channels: int = option(
        128, "arch=paper: channels before the image, doubled at each layer towards the latent (figure 1)", minimum=1
    )
    small_channels: int = option(
        64, "arch=small: channels before the image; twice as many before these, 16 times in the linear layer", minimum=1
    )
    discriminator_channels: int = option(
        64, "arch=paper: channels after the discriminator's first layer, doubled at each next", minimum=1
    )


class Dcgan(ganzoo.Variant):
    """Convolutional on images: a small pair at 28x28, the paper's at 32, 64 and 128 pixels."""

    name = "dcgan"
    title = "Unsupervised Representation Learning with Deep Convolutional GANs"
    paper = "arXiv:1511.06434"
    year = 2015
    Config = DcganConfig
    Loss = "ganzoo_core.losses:NonSaturating"  # arXiv:1406.2661, section 3

    def generator(self, data: DataSpec) -> Generator:
        """Figure 1, or the small net with two transposed convolutions."""
        from ganzoo_dcgan.networks import PaperGenerator, SmallGenerator

        c = self.config
        if self.is_paper(data):
            return PaperGenerator(c.latent_dim, c.generator_channels, data.shape)
        return SmallGenerator(c.latent_dim, c.small_channels, data.shape)

    def discriminator(self, data: DataSpec) -> Discriminator:
        """Section 3's strided stack, or the small net with two convolutions and max pooling."""
        from ganzoo_dcgan.networks import PaperDiscriminator, SmallDiscriminator

        if self.is_paper(data):
            return PaperDiscriminator(data.shape, self.config.discriminator_channels)
        return SmallDiscriminator(data.shape)

    def optimizer(self, player: str, parameters: Iterable[Any]) -> Optimizer:
        """Adam, with the rate that goes with the discriminator's networks where none is asked for.

        At the generator's rate the small one tells nearly all samples, and FID is worse after some thousand steps.
        """
        if player == "generator" or self.config.discriminator_lr is not None:
            return super().optimizer(player, parameters)
        made = type(self)(dataclasses.replace(self.config, discriminator_lr=4e-4)).optimizer(player, parameters)
        if sum(p.ndim == 2 for group in made.param_groups for p in group["params"]) > 1:  # linear layers: the small one
            for group in made.param_groups:
                group["lr"] = 1e-4
        return made

    def is_paper(self, data: DataSpec) -> bool:
        """Whether the paper's stacks are built for this data, rather than the small nets."""
        return self.config.arch == "paper" or (self.config.arch == "auto" and _is_paper_size(data))

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for images that the networks asked for can't make."""
        super().check_data(data)
        _, height, width = data.shape
        if self.is_paper(data) and not _is_paper_size(data):
            raise DataError(
                f"{self.name} with arch=paper takes square images of {', '.join(map(str, PAPER_SIDES))} pixels a side, "
                f"but {data.name} is {height}x{width}; use arch=small or another image size"
            )
        if not self.is_paper(data):
            self.check_sides(data, multiple=4, least=16)


def _is_paper_size(data: DataSpec) -> bool:
    _, height, width = data.shape
    return height == width and height in PAPER_SIDES


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer dcgan."""
    return [Dcgan]
