"""The 3D-GAN: solids of voxels from latents, by convolutions in space (arXiv:1610.07584)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option
from ganzoo_core.errors import DataError

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class Gan3dConfig(ganzoo.Config):
    """Section 3.1's game in small networks; `--config paper.toml` has the paper's numbers."""

    unused: ClassVar[dict[str, str]] = {"augment": "it changes images, and this variant takes voxels"}

    steps: int = 1500
    batch_size: int = 16
    generator_lr: float = 2e-3
    discriminator_lr: float = 4e-4
    ema_decay: float = 0.98
    generator_channels: int = option(
        16, "channels before the voxels, doubled at each layer towards the latent (512, ..., 64, 1)", minimum=1
    )
    discriminator_channels: int = option(16, "channels after the first convolution, doubled at each next", minimum=1)
    discriminator_norm: str = option(
        "none",
        "what stands between the discriminator's layers; batch: BatchNorm, the paper's",
        choices=("none", "batch"),
    )
    most_accuracy: float = option(
        0.8, "a discriminator that tells more of a batch right is not updated by it; 1: always", minimum=0, maximum=1
    )


class Gan3d(ganzoo.Variant):
    """DCGAN's stacks with a third dimension; the discriminator waits where it is too far ahead."""

    name = "3d-gan"
    title = "Learning a Probabilistic Latent Space of Object Shapes via 3D Generative-Adversarial Modeling"
    paper = "arXiv:1610.07584"
    year = 2016
    kinds = ("voxels",)
    default_data = "shapes3d"
    Config = Gan3dConfig
    Generator = ".networks:SolidGenerator"
    Discriminator = ".networks:SolidDiscriminator"
    Loss = ".loss:Gated"

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for what is no voxels, and for voxels that can't be halved twice."""
        super().check_data(data)
        sides = data.shape[1:]
        if any(side % 4 for side in sides) or min(sides) < 16:
            raise DataError(
                f"3d-gan takes voxels whose sides are multiples of 4, at least 16, but {data.name} is "
                f"{'x'.join(map(str, sides))}; use another size, such as --set side=32 of voxels:PATH"
            )


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer 3d-gan."""
    return [Gan3d]
