"""GANs that build a picture level by level: ProGAN, whose networks grow, and StyleGAN2."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, Phase, hookimpl, option
from ganzoo_core.settings import Settings

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from ganzoo_core.interfaces import Networks, Player

GANZOO_API = 2
_LEAST_SIDE = 8


@dataclass(frozen=True, kw_only=True)
class LevelsConfig(ganzoo.Config):
    """An eighth of the papers' width, and Adam without a first moment, as in both."""

    steps: int = 2000
    batch_size: int = 32
    latent_dim: int = option(64, "coordinates of the latent vector z; the paper: 512", minimum=1)
    width: int = option(64, "channels of the smallest levels; the paper: 512", minimum=1)
    full_side: int = option(8, "the largest side at full width; each doubling beyond halves the channels", minimum=4)
    beta1: float = 0.0
    beta2: float = 0.99
    ema_decay: float = 0.99


@dataclass(frozen=True, kw_only=True)
class ProganConfig(LevelsConfig):
    """Appendix A.1's learning rate and weights."""

    level_steps: int = option(300, "steps in which a level fades in, and as many before the next", minimum=1)
    penalty_weight: float = option(10.0, "lambda of the gradient penalty", minimum=0)
    drift_weight: float = option(1e-3, "epsilon of the drift, which holds real scores near 0", minimum=0)
    generator_lr: float = 1e-3
    discriminator_lr: float = 1e-3


@dataclass(frozen=True, kw_only=True)
class Stylegan2Config(LevelsConfig):
    """Appendix B's learning rate and intervals; R1's weight is for small pictures."""

    r1_weight: float = option(1.0, "gamma of R1; the paper: 10, for 1024 pixels", minimum=0)
    r1_every: int = option(16, "steps from one R1 to the next", minimum=1)
    path_weight: float = option(2.0, "weight of the path length", minimum=0)
    path_every: int = option(4, "steps from one path length to the next", minimum=1)
    mixing: float = option(0.9, "share of training samples made of two latents", minimum=0, maximum=1)
    generator_lr: float = 2e-3
    discriminator_lr: float = 2e-3


@dataclass(frozen=True, kw_only=True)
class Stylegan2Sampling(Settings):
    """The truncation trick in W."""

    truncation: float = option(
        1.0, "psi: how far from the mean style, 1: all the way (arXiv:1812.04948, appendix B)", minimum=0, maximum=2
    )


class ByLevels(ganzoo.Variant):
    """What both take."""

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for images that can't be halved to 4 or more."""
        super().check_data(data)
        self.check_sides(data, multiple=2, least=_LEAST_SIDE)


class Progan(ByLevels):
    """Both networks begin with pictures of 4 to 7 pixels a side and grow, level by level, to the data's."""

    name, paper, year = "progan", "arXiv:1710.10196", 2017
    title = "Progressive Growing of GANs for Improved Quality, Stability, and Variation"
    Config = ProganConfig
    Generator = ".networks:ProganGenerator"
    Discriminator = ".networks:ProganDiscriminator"
    Loss = ".loss:ProganLoss"

    def phases(self, data: DataSpec) -> list[Phase]:
        """Each level but the first fades in and stays; the last stays to the end."""
        from ganzoo_progan.layers import sides

        names = ["0", *(f"{level}{how}" for level in range(1, len(sides(data))) for how in (" fades in", ""))]
        return [*(Phase(name, self.config.level_steps) for name in names[:-1]), Phase(names[-1])]


class Stylegan2(ByLevels):
    """A style for every layer, noise, and two penalties that are computed seldom."""

    name, paper, year = "stylegan2", "arXiv:1912.04958", 2019
    title = "Analyzing and Improving the Image Quality of StyleGAN"
    Config, Sampling = Stylegan2Config, Stylegan2Sampling
    Generator = ".style:Stylegan2Generator"
    Discriminator = ".style:Stylegan2Discriminator"
    Loss = ".loss:Stylegan2Loss"

    def optimizer(self, player: str, parameters: Iterable[Any]) -> Optimizer:
        """Adam, slowed to c = k / (k + 1) where every k-th step has an update more (appendix B, "lazy")."""
        from torch.optim import Adam

        every = self.config.path_every if player == "generator" else self.config.r1_every
        lr = self.config.generator_lr if player == "generator" else self.config.discriminator_lr
        c = every / (every + 1)
        return Adam(parameters, lr=c * lr, betas=(self.config.beta1**c, self.config.beta2**c), fused=True)

    def players(self, networks: Networks) -> list[Player]:
        """D, R1 at each 16th step, G, path length at each fourth; the mapping learns a hundredth as fast."""
        from ganzoo_core.interfaces import Player, new_player

        g, d, loss = networks
        judge = new_player(self, "discriminator", [d], loss.for_discriminator, steps=self.config.n_critic)
        maker = new_player(self, "generator", [g], loss.for_generator, lr_factors={"mapping.": 0.01})
        r1 = Player("r1", judge.parameters, judge.optimizer, networks.loss.r1, every=self.config.r1_every)
        path = Player("path", maker.parameters, maker.optimizer, networks.loss.path, every=self.config.path_every)
        return [judge, r1, maker, path]


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer both."""
    return [Progan, Stylegan2]
