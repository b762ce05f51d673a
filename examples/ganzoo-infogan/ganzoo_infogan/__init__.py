"""InfoGAN: codes in the latent that can be read off the sample, and so come to mean something (arXiv:1606.03657)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option
from ganzoo_core.errors import DataError

if TYPE_CHECKING:
    from ganzoo_core import Discriminator, Generator, Networks, Player

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class InfoganConfig(ganzoo.Config):
    """Appendix C.1's numbers for MNIST, its learning rates among them; steps and batch size are ours."""

    steps: int = 3000
    latent_dim: int = 62
    categories: int = option(10, "values of the categorical code, the first coordinates of the latent", minimum=2)
    continuous: int = option(2, "continuous codes in [-1, 1], the next coordinates of the latent", minimum=1)
    info_weight: float = option(1.0, "lambda, the weight of the mutual information (equation 6)", minimum=0)
    generator_lr: float = 1e-3
    widths: tuple[int, ...] = option((128, 128), "points and curves: hidden layers of both networks", minimum=1)


class Infogan(ganzoo.Variant):
    """The paper's networks for MNIST on images, linear layers on points and curves."""

    name = "infogan"
    title = "InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial Nets"
    paper = "arXiv:1606.03657"
    year = 2016
    kinds = ("images", "points", "curves")
    Config = InfoganConfig
    Loss = ".loss:MutualInformation"

    def generator(self, data: DataSpec) -> Generator:
        """(category, continuous codes, noise) - sample."""
        from ganzoo_infogan.networks import InfoGenerator, dense_generator, image_generator

        c = self.config
        n_in = c.categories + c.continuous + c.latent_dim
        layers = image_generator(n_in, data.shape) if data.kind == "images" else dense_generator(n_in, c.widths, data)
        return InfoGenerator(c.categories, c.continuous, c.latent_dim, layers)

    def discriminator(self, data: DataSpec) -> Discriminator:
        """A trunk with two heads: D's logit, and Q, which reads the codes."""
        from ganzoo_infogan.networks import InfoDiscriminator, dense_trunk, image_trunk

        c = self.config
        trunk, width = image_trunk(data.shape) if data.kind == "images" else dense_trunk(data.shape, c.widths)
        return InfoDiscriminator(trunk, width, c.categories, c.continuous)

    def players(self, networks: Networks) -> list[Player]:
        """D owns the trunk and its logit; Q is on the generator's side, since both gain by codes that can be read."""
        from ganzoo_core.interfaces import new_player

        generator, discriminator, loss = networks
        return [
            new_player(
                self,
                "discriminator",
                [discriminator.trunk, discriminator.source],
                loss.for_discriminator,
                steps=self.config.n_critic,
            ),
            new_player(self, "generator", [generator, discriminator.reader], loss.for_generator),
        ]

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for images that can't be halved twice."""
        super().check_data(data)
        if data.kind == "images" and (data.shape[1] % 4 or data.shape[2] % 4 or min(data.shape[1:]) < 8):
            _, height, width = data.shape
            raise DataError(
                f"{self.name} takes images whose sides are multiples of 4, at least 8, "
                f"but {data.name} is {height}x{width}; use another image size"
            )


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer infogan."""
    return [Infogan]
