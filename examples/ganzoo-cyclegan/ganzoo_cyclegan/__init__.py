"""CycleGAN: from one domain to another and back, without pairs (arXiv:1703.10593)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option
from ganzoo_core.errors import DataError, SettingError

if TYPE_CHECKING:
    from ganzoo_core import Dataset, Discriminator, Generator, Loss, Networks, Player

GANZOO_API = 1


@dataclass(frozen=True, kw_only=True)
class CycleganConfig(ganzoo.Config):
    """The paper's weights, pool and Adam; networks a quarter as wide, for 28 pixels, and batches of more than one."""

    unused: ClassVar[dict[str, str]] = {"latent_dim": "a latent is a pair of images, one of each domain"}
    steps: int = option(2000, "updates of the generators", minimum=1)
    batch_size: int = option(16, "images per update, half of them of each domain; the paper: one of each", minimum=2)
    cycle_weight: float = option(10.0, "lambda, the weight of the cycle terms (equation 3)", minimum=0)
    identity_weight: float = option(
        0.5, "weight of the identity terms, times cycle_weight (section 5.2: 0.5 for paintings)", minimum=0
    )
    pool_size: int = option(50, "earlier fakes kept of each domain for the discriminators; 0: none", minimum=0)
    generator_channels: int = option(16, "channels of a generator's first layer; the paper: 64", minimum=1)
    residual_blocks: int = option(2, "residual blocks of a generator; the paper: 6 at 128 pixels, 9 at 256", minimum=1)
    discriminator_channels: int = option(16, "channels of a discriminator's first layer; the paper: 64", minimum=1)
    discriminator_layers: int = option(
        1, "layers of stride 2 in a discriminator; 1 judges patches of 16 pixels, the paper's 3 of 70", minimum=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.pool_size < self.batch_size // 2:
            raise SettingError(
                f"pool_size must be 0 or at least {self.batch_size // 2}, half of batch_size, but is {self.pool_size}"
            )


class Cyclegan(ganzoo.Variant):
    """Two generators and two discriminators; a sample is an image of the other domain, translated to its label's."""

    name = "cyclegan"
    title = "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks"
    paper = "arXiv:1703.10593"
    year = 2017
    conditional = True
    default_data = "outlined-digits"
    Config: ClassVar[type[ganzoo.Config]] = CycleganConfig

    def generator(self, data: DataSpec) -> Generator:
        """F, which makes images of the first class, and G, which makes images of the second."""
        from ganzoo_cyclegan.networks import TwoGenerators

        return TwoGenerators(data.shape, self.config.generator_channels, self.config.residual_blocks)

    def discriminator(self, data: DataSpec) -> Discriminator:
        """D_X, which judges images of the first class, and D_Y."""
        from ganzoo_cyclegan.networks import TwoDiscriminators

        return TwoDiscriminators(data.shape, self.config.discriminator_channels, self.config.discriminator_layers)

    def loss(self) -> Loss:
        """Equation 3, its adversarial part with squares, and the identity terms of section 5.2."""
        from ganzoo_cyclegan.loss import CycleConsistency

        c = self.config
        return CycleConsistency(c.cycle_weight, c.cycle_weight * c.identity_weight)

    def players(self, networks: Networks) -> list[Player]:
        """Both discriminators, then both generators. The loss gets its pools here, where the images' shape is known."""
        networks.loss.open_pools(self.config.pool_size, networks.generator)
        return super().players(networks)

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for data that is not of two classes, and for images that the generators can't halve."""
        super().check_data(data)
        if data.num_classes != 2:
            raise DataError(
                f"{self.name} takes data of two classes, its two domains, but {data.name} has {data.num_classes}; "
                f"--data folder:PATH reads a folder with two subfolders of images"
            )
        _, height, width = data.shape
        if min(height, width) >> self.config.discriminator_layers < 3:
            raise DataError(
                f"discriminator_layers must leave at least 3 pixels of a side that each halves, but "
                f"{self.config.discriminator_layers} leave fewer of {data.name}, which is {height}x{width}; set fewer"
            )
        if height % 4 or width % 4 or min(height, width) < 16:
            raise DataError(
                f"{self.name} takes images whose sides are multiples of 4, at least 16, "
                f"but {data.name} is {height}x{width}; use another image size"
            )


class OutlinedDigits(ganzoo.DataSource):
    """Handwritten digits, every second one as its outline. No digit is there in both ways, so there are no pairs."""

    name = "outlined-digits"
    title = "Handwritten digits, half of them as outlines"
    origin = "made of scikit-learn's digits: UCI Optical Recognition of Handwritten Digits, CC BY 4.0"
    shape = (1, 28, 28)
    classes = ("filled", "outlined")
    size = 1797

    def load(self, data_dir: Path, split: Literal["train", "test"] = "train") -> Dataset:
        """All 1,797. Raises `DataError` for split "test"."""
        if split == "test":
            raise DataError(f"{self.name} has no held-out part: its only split is 'train', but 'test' was asked for")
        from ganzoo_cyclegan.outlined_digits import load

        return load(self)


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer cyclegan."""
    return [Cyclegan]


@hookimpl
def ganzoo_datasets() -> list[type[ganzoo.DataSource]]:
    """Offer its unpaired digits."""
    return [OutlinedDigits]
