"""From one domain to another by way of a code that both share, without pairs: UNIT (arXiv:1703.00848) and MUNIT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ganzoo_cyclegan import TwoDomains, TwoDomainsConfig, patch_judge

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option

if TYPE_CHECKING:
    import torch
    from torch import nn

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class SharedCodeConfig(TwoDomainsConfig):
    """What both have alike."""

    steps: int = 800
    residual_blocks: int = option(
        1, "residual blocks of each encoder, and as many of each decoder; the papers: 4", minimum=1
    )
    discriminator_layers: int = option(1, "of stride 2: 1 judges patches of 16 pixels, 3 of 70", minimum=1)


class SharedCode(TwoDomains):
    """An encoder and a decoder of each domain, which meet in one space of codes; judges of patches."""

    def judge(self, data: DataSpec) -> nn.Module:
        """A PatchGAN."""
        return patch_judge(self.config, data)

    def sides(self, data: DataSpec) -> tuple[int, int]:
        """Two layers of stride 2 in an encoder, reflected borders, and the judge's patches."""
        return max(16, 3 << self.config.discriminator_layers), 4


@dataclass(frozen=True, kw_only=True)
class UnitConfig(SharedCodeConfig):
    """The paper's weights, the adversarial one apart; of its four residual blocks the shared one and one more."""

    adversarial_weight: float = option(
        100.0, "lambda_0, the weight of the adversarial term (equation 5); the paper: 10", minimum=0
    )
    kl_weight: float = option(0.1, "lambda_1, the weight of KL(q(z|x) || N(0, 1)) (equation 3)", minimum=0)
    reconstruction_weight: float = option(100.0, "lambda_2, the weight of reconstruction (equation 3)", minimum=0)
    cycle_kl_weight: float = option(0.1, "lambda_3, the weight of both KL terms of a cycle (equation 7)", minimum=0)
    cycle_weight: float = option(100.0, "lambda_4, the weight of what a cycle loses (equation 7)", minimum=0)


class Unit(SharedCode):
    """Two VAEs whose innermost layers are the same, so that a picture's code fits either decoder."""

    name, paper, year = "unit", "arXiv:1703.00848", 2017
    title = "Unsupervised Image-to-Image Translation Networks"
    Config = UnitConfig
    Generator = ".networks:SharedLatent"
    Loss = ".loss:SharedLatentLoss"

    def derive(self, batch: dict[str, Any], rng: torch.Generator, phase: str | None) -> dict[str, Any]:
        """Sources of the other domain, and the noise of their codes."""
        import torch

        n, _, height, width = batch["real"].shape
        shape = (n, 4 * self.config.generator_channels, height // 4, width // 4)
        noise = torch.randn(shape, generator=rng, device=rng.device)
        return super().derive(batch, rng, phase) | {"noise": noise}


@dataclass(frozen=True, kw_only=True)
class MunitConfig(SharedCodeConfig):
    """The paper's weights and its eight numbers of style."""

    unused: ClassVar[dict[str, str]] = {}
    latent_dim: int = option(8, "numbers of a style, which is the latent vector z", minimum=1)
    style_layers: int = option(2, "layers of stride 2 of a style encoder; the paper: 4", minimum=1)
    style_channels: int = option(64, "channels of the layers that turn a style into scales and shifts", minimum=1)
    image_weight: float = option(10.0, "lambda_x, the weight of reconstruction (equation 1)", minimum=0)
    content_weight: float = option(1.0, "lambda_c, the weight of the content's recovery (equation 2)", minimum=0)
    style_weight: float = option(1.0, "lambda_s, the weight of the style's recovery (equation 3)", minimum=0)
    cycle_weight: float = option(0.0, "weight of what a cycle loses that ends in the picture's own style", minimum=0)


class Munit(SharedCode):
    """A picture's content is what both domains have; its style, drawn anew as z, makes one of many answers of it."""

    name, paper, year = "munit", "arXiv:1804.04732", 2018
    title = "Multimodal Unsupervised Image-to-Image Translation"
    Config = MunitConfig
    Generator = ".networks:ContentAndStyle"
    Loss = ".loss:BothWays"


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer unit and munit."""
    return [Unit, Munit]
