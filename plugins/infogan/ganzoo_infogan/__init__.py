"""Codes in the latent that can be read off the sample: infogan (arXiv:1606.03657), clustergan (arXiv:1809.03627)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option

if TYPE_CHECKING:
    from ganzoo_core import Networks, Player

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class CodesConfig(ganzoo.Config):
    """What both have: a category in the latent, and networks of two convolutions, narrower than the papers'."""

    categories: int = option(10, "values of the categorical code, the first coordinates of the latent", minimum=2)
    filters: int = option(16, "images: filters of the layer beside the image, doubled once; papers: 64", minimum=1)
    width: int = option(128, "images: units of the hidden linear layers; the papers: 1024", minimum=1)
    widths: tuple[int, ...] = option((128, 128), "points and curves: hidden layers of each network", minimum=1)


@dataclass(frozen=True, kw_only=True)
class InfoganConfig(CodesConfig):
    """Appendix C.1's numbers for MNIST, its learning rates among them; steps and batch size are ours."""

    steps: int = 1500
    latent_dim: int = 62
    continuous: int = option(2, "continuous codes in [-1, 1], the next coordinates of the latent", minimum=1)
    info_weight: float = option(1.0, "lambda, the weight of the mutual information (equation 6)", minimum=0)
    generator_lr: float = 1e-3


@dataclass(frozen=True, kw_only=True)
class ClusterganConfig(CodesConfig):
    """The authors' latent, weights and Adam for MNIST; learning rates and n_critic for minutes on a CPU."""

    steps: int = 800
    latent_dim: int = 30
    generator_lr: float = 5e-4
    discriminator_lr: float = 5e-4
    beta2: float = 0.9
    n_critic: int = option(
        2, "updates of the critic per update of the generator; the authors: 5", minimum=1, maximum=1000
    )
    noise_std: float = option(0.1, "sigma, the standard deviation of the continuous part of the latent", minimum=0)
    category_weight: float = option(10.0, "beta_c, the weight of the category read back", minimum=0)
    noise_weight: float = option(10.0, "beta_n, the weight of the continuous part read back", minimum=0)
    penalty_weight: float = option(10.0, "weight of the gradient penalty (arXiv:1704.00028)", minimum=0)


class Coded(ganzoo.Variant):
    """What both take: images that can be halved twice, points and curves."""

    kinds = ("images", "points", "curves")

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for images that can't be halved twice."""
        super().check_data(data)
        if data.kind == "images":
            self.check_sides(data, multiple=4, least=8)


class Infogan(Coded):
    """A head of the discriminator reads a category and continuous codes; the generator is paid for what can be read."""

    name = "infogan"
    title = "InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial Nets"
    paper = "arXiv:1606.03657"
    year = 2016
    Config = InfoganConfig
    Generator = ".networks:InfoGenerator"
    Discriminator = ".networks:InfoDiscriminator"
    Loss = ".loss:MutualInformation"

    def players(self, networks: Networks) -> list[Player]:
        """D owns the trunk and its logit; Q is on the generator's side, since both gain by codes that can be read."""
        from ganzoo_core.interfaces import new_player

        generator, discriminator, loss = networks
        judge = [discriminator.trunk, discriminator.source]
        return [
            new_player(self, "discriminator", judge, loss.for_discriminator, steps=self.config.n_critic),
            new_player(self, "generator", [generator, discriminator.reader], loss.for_generator),
        ]


class Clustergan(Coded):
    """An encoder, trained with the generator, reads the whole latent back: which category it finds is the cluster."""

    name, year, paper = "clustergan", 2018, "arXiv:1809.03627"
    title = "ClusterGAN: Latent Space Clustering in Generative Adversarial Networks"
    Config = ClusterganConfig
    Generator = ".networks:ClusterGenerator"
    Discriminator = ".networks:Critic"
    Loss = ".loss:LatentCycle"


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer both."""
    return [Infogan, Clustergan]
