"""A large picture of a small one: SRGAN (arXiv:1609.04802) and ESRGAN (arXiv:1809.00219)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, Input, Phase, hookimpl, option
from ganzoo_core.errors import DataError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ganzoo_core.interfaces import Networks, Player

GANZOO_API = 2

SCALES = (2, 4, 8)


@dataclass(frozen=True, kw_only=True)
class SrganConfig(ganzoo.Config):
    """Section 3.2's Adam. The networks are half as wide as the paper's and the steps a thousandth; see `paper.toml`."""

    unused: ClassVar[dict[str, str]] = {"latent_dim": "a picture is made of a small one, without noise"}

    steps: int = 2000
    pretraining_steps: int = option(1000, "steps in which the generator learns the content alone", minimum=1)
    batch_size: int = 16
    latent_dim: int = 0
    generator_lr: float = 2e-4
    discriminator_lr: float = 2e-4
    pretrainer_lr: float = option(1e-3, "learning rate of the generator while it learns the content alone", minimum=0)
    beta1: float = 0.9
    ema_decay: float = 0.99
    scale: int = option(4, "how many times as large as the source a picture becomes: 2, 4 or 8", minimum=2, maximum=8)
    blocks: int = option(4, "residual blocks (the paper's B is 16)", minimum=1)
    width: int = option(32, "channels of the generator (the paper: 64)", minimum=1)
    discriminator_width: int = option(32, "channels of the discriminator's first layers (the paper: 64)", minimum=1)
    content: str = option(
        "discriminator", "where features come from that the content is compared by, beside its pixels; pixels: nowhere",
        choices=("discriminator", "pixels", "vgg"),
    )  # fmt: skip
    pixel_weight: float = option(1.0, "weight of the difference of pixels in the game (the paper: 0)", minimum=0)
    feature_weight: float = option(0.01, "weight of the difference of features in the game (the paper: 1)", minimum=0)
    adversarial_weight: float = option(1e-3, "weight of the adversarial loss in the game (equation 3)", minimum=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale not in SCALES:
            raise ValueError(f"scale must be 2, 4 or 8, but is {self.scale}")


@dataclass(frozen=True, kw_only=True)
class EsrganConfig(SrganConfig):
    """Section 4.1's weights where content=vgg; see `paper.toml` for its sizes."""

    blocks: int = option(2, "residual-in-residual dense blocks (the paper: 23)", minimum=1)
    growth: int = option(16, "channels that each layer of a dense block adds (the paper: 32)", minimum=1)
    adversarial_weight: float = option(5e-3, "weight of the adversarial loss in the game (equation 3)", minimum=0)


class Srgan(ganzoo.Variant):
    """First as near to the large pictures as can be, then such as a discriminator takes for real ones."""

    name = "srgan"
    title = "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network"
    paper = "arXiv:1609.04802"
    year = 2016
    Config = SrganConfig
    Generator = ".networks:SrganGenerator"
    Discriminator = ".networks:SrganDiscriminator"
    Loss = ".loss:PerceptualLoss"

    def inputs(self, data: DataSpec) -> tuple[Input, ...]:
        """The small picture, of any size."""
        channels, *sides = data.shape
        shape = (channels, *(max(1, side // self.config.scale) for side in sides))
        return (Input(name="source", kind="image", shape=shape, any_size=True, doc="the picture to enlarge"),)

    def derive(self, batch: dict[str, Tensor], rng: torch.Generator, phase: str | None) -> dict[str, Tensor]:
        """Add the small pictures: `real` by bicubic interpolation, as section 3.2 makes them."""
        from ganzoo_srgan.networks import smaller

        return batch | {"source": smaller(batch["real"], self.config.scale)}

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for images that the small ones do not divide, or too small to be told from real ones."""
        super().check_data(data)
        _, height, width = data.shape
        scale = self.config.scale
        if height % scale or width % scale or min(height, width) < 16:
            raise DataError(
                f"{self.name} takes images whose sides are multiples of its scale, {scale}, at least 16, "
                f"but {data.name} is {height}x{width}; use another image size, or another scale"
            )

    def phases(self, data: DataSpec) -> Sequence[Phase]:
        """Content alone, from which the game starts (section 3.2)."""
        return [Phase("pretraining", self.config.pretraining_steps), Phase("game")]

    def players(self, networks: Networks) -> list[Player]:
        """A generator that learns the content alone, then the two of the game."""
        from ganzoo_core.interfaces import new_player

        generator, discriminator, loss = networks
        return [
            new_player(self, "pretrainer", [generator], loss.for_pretrainer, phases=("pretraining",)),
            new_player(
                self, "discriminator", [discriminator], loss.for_discriminator, steps=self.config.n_critic,
                phases=("game",),
            ),
            new_player(self, "generator", [generator], loss.for_generator, phases=("game",)),
        ]  # fmt: skip


class Esrgan(Srgan):
    """SRGAN without batch normalisation in its generator, and judged by how much more real than the others."""

    name = "esrgan"
    title = "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks"
    paper = "arXiv:1809.00219"
    year = 2018
    Config = EsrganConfig
    Generator = ".networks:EsrganGenerator"
    Loss = ".loss:RelativisticPerceptualLoss"


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer srgan and esrgan."""
    return [Srgan, Esrgan]
