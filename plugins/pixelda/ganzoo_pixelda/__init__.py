"""PixelDA: labelled pictures adapted to an unlabelled domain, and a classifier that reads it (arXiv:1612.05424)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option
from ganzoo_core.errors import DataError
from ganzoo_pixelda.data import TexturedDigits, TexturedMnist

if TYPE_CHECKING:
    from torch import nn

    from ganzoo_core import Networks, Player

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class PixeldaConfig(ganzoo.Config):
    """For minutes: small networks, higher rates, a shorter memory in Adam, and less weight for the task."""

    steps: int = 1200
    batch_size: int = 32
    latent_dim: int = option(10, "coordinates of the noise z, uniform in [-1, 1]", minimum=1)
    generator_lr: float = 1e-3
    discriminator_lr: float = 1e-3
    beta2: float = 0.99
    domain_weight: float = option(1.0, "alpha, the weight of real against adapted (equation 4)", minimum=0)
    task_weight: float = option(
        0.2, "beta, the weight of the classifier's terms (equation 4); the authors' code: 1", minimum=0
    )
    content_weight: float = option(0.0, "gamma, the weight of the likeness to the source (equation 4)", minimum=0)
    generator_channels: int = option(16, "channels of the generator; the paper: 64", minimum=1)
    residual_blocks: int = option(2, "residual blocks of the generator; the paper: 6", minimum=1)
    noise_planes: int = option(1, "planes that the noise becomes, beside the source's colours", minimum=1)
    discriminator_channels: int = option(16, "channels of the discriminator's first layer; the paper: 64", minimum=1)
    discriminator_noise: float = option(0.2, "deviation of the noise added behind each layer of it", minimum=0)
    discriminator_dropout: float = option(0.1, "share dropped behind each layer of it", minimum=0, maximum=0.9)
    classifier_channels: int = option(16, "channels of the classifier's first layer; the paper: 32", minimum=2)


class Pixelda(ganzoo.Variant):
    """A sample is a source adapted to the target domain; a classifier learns from both with the source's label."""

    name, paper, year = "pixelda", "arXiv:1612.05424", 2016
    title = "Unsupervised Pixel-Level Domain Adaptation with Generative Adversarial Networks"
    paired, default_data = False, "textured-digits"
    Config = PixeldaConfig
    Generator = ".networks:PixeldaGenerator"
    Discriminator = ".networks:PixeldaDiscriminator"
    Loss = ".loss:PixeldaLoss"

    def further_networks(self, data: DataSpec) -> dict[str, nn.Module]:
        """The classifier T."""
        from ganzoo_pixelda.networks import Classifier

        return {"classifier": Classifier(self.config, data)}

    def players(self, networks: Networks) -> list[Player]:
        """The discriminator and the classifier together, then the generator (section 3.1)."""
        from ganzoo_core.interfaces import new_player

        generator, discriminator, loss = networks
        both, n_critic = [discriminator, networks.further["classifier"]], self.config.n_critic
        return [
            new_player(self, "discriminator", both, loss.for_discriminator, steps=n_critic),
            new_player(self, "generator", [generator], loss.for_generator),
        ]

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for data without sources and their labels, and for pictures too small to halve."""
        super().check_data(data)
        columns = {column.name: column for column in data.columns}
        source, labels = columns.get("source"), columns.get("source_labels")
        if source is None or labels is None:
            raise DataError(
                f"{self.name} takes pictures with the columns source and source_labels, but {data.name} has "
                f"{', '.join(columns) or 'none'}; use --data textured-digits"
            )
        if labels.kind != "numbers" or labels.shape[0] < 2:
            raise DataError(
                f"{self.name} takes source_labels that are numbers, one for each of two classes or more, but those of "
                f"{data.name} are {labels.kind} of {labels.shape[0]}"
            )
        if source.shape[1:] != data.shape[1:] or source.shape[0] not in (1, data.shape[0]) or min(data.shape[1:]) < 8:
            raise DataError(
                f"{self.name} takes pictures of 8 pixels or more a side and sources of their size, grey or of their "
                f"colours, but {data.name} has {' x '.join(map(str, data.shape))} and sources of "
                f"{' x '.join(map(str, source.shape))}"
            )


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer pixelda."""
    return [Pixelda]


@hookimpl
def ganzoo_datasets() -> list[type[ganzoo.DataSource]]:
    """Offer digits on textures."""
    return [TexturedDigits, TexturedMnist]
