"""R3GAN: a loss that converges, and networks without tricks (arXiv:2501.05441)."""

from __future__ import annotations

from dataclasses import dataclass

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option

GANZOO_API = 2
_LEAST_SIDE = 8


@dataclass(frozen=True, kw_only=True)
class R3ganConfig(ganzoo.Config):
    """Appendix D's Adam for CIFAR-10, without its schedules but that of gamma; narrow networks."""

    steps: int = 2000
    latent_dim: int = 64
    beta1: float = 0.0
    beta2: float = 0.99
    ema_decay: float = 0.99
    width: int = option(32, "channels of every level; the paper: 768 for CIFAR-10", minimum=1)
    group_width: int = option(8, "channels of a group of the 3x3 convolutions; the paper: 16", minimum=1)
    expansion: int = option(2, "how much wider a block is inside", minimum=1)
    blocks: int = option(1, "residual blocks of a level; the paper: 2", minimum=1)
    gamma: float = option(1.0, "weight of R1 and R2, halved, at the start", minimum=0)
    last_gamma: float = option(0.1, "the same at the end, along half a cosine", minimum=0)

    def __post_init__(self) -> None:
        """Raise `ValueError` for groups that do not divide a block's channels."""
        super().__post_init__()
        if self.width * self.expansion % self.group_width:
            raise ValueError(
                f"group_width must divide width times expansion, which is {self.width * self.expansion}, "
                f"but is {self.group_width}"
            )


class R3gan(ganzoo.Variant):
    """Each fake is told from a real one beside it, with R1 and R2; residual networks without normalisation."""

    name, paper, year = "r3gan", "arXiv:2501.05441", 2024
    title = "The GAN is dead; long live the GAN! A Modern GAN Baseline"
    Config = R3ganConfig
    Generator = ".networks:R3ganGenerator"
    Discriminator = ".networks:R3ganDiscriminator"
    Loss = ".loss:RelativisticPairs"

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for images that can't be halved to 4 or more."""
        super().check_data(data)
        self.check_sides(data, multiple=2, least=_LEAST_SIDE)


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer r3gan."""
    return [R3gan]
