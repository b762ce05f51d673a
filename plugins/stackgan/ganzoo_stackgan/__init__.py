"""StackGAN: a picture of a caption, sketched in a first stage and finished in a second (arXiv:1612.03242)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, Input, Phase, hookimpl, option
from ganzoo_core.errors import DataError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ganzoo_core.interfaces import Networks, Player

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class StackganConfig(ganzoo.Config):
    """Small networks for small pictures; `paper.toml` has section 4.2's sizes."""

    steps: int = 3600
    generator_lr: float = 4e-4
    discriminator_lr: float = 4e-4
    ema_decay: float = 0.99
    reading_steps: int = option(400, "steps in which texts are learned, before the first stage", minimum=1)
    stage1_steps: int = option(2200, "steps of the first stage; the second has the rest", minimum=1)
    reader_lr: float = option(1e-3, "learning rate of what reads texts", minimum=0)
    enlarge: int = option(2, "times the sides that the second stage makes of the first's: 2, 4, ...", minimum=2)
    text_dim: int = option(128, "numbers that a text is read as", minimum=1)
    condition_dim: int = option(32, "numbers that a generator makes of those (N_g)", minimum=1)
    judged_dim: int = option(64, "numbers that a discriminator makes of those (N_d)", minimum=1)
    kl_weight: float = option(
        1.0, "weight of the conditioning's KL divergence (lambda of equations 2 and 4)", minimum=0
    )
    generator_channels: int = option(
        16, "channels before the second stage's image, doubled at each layer before; the first has twice as many",
        minimum=1,
    )  # fmt: skip
    discriminator_channels: int = option(32, "channels after the first convolution, doubled at each next", minimum=1)
    blocks: int = option(2, "residual blocks of the second stage", minimum=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.enlarge & (self.enlarge - 1):
            raise ValueError(f"enlarge must be a power of two, but is {self.enlarge}")


class Stackgan(ganzoo.Variant):
    """Texts are learned first, then a small picture of a text, then a large one of the small one and the text."""

    name = "stackgan"
    title = "StackGAN: Text to Photo-realistic Image Synthesis with Stacked Generative Adversarial Networks"
    paper = "arXiv:1612.03242"
    year = 2016
    default_data = "shapes"
    Config = StackganConfig

    Generator = ".networks:StackganGenerator"
    Discriminator = ".networks:StackganDiscriminator"
    Loss = ".loss:MatchingAware"

    def inputs(self, data: DataSpec) -> tuple[Input, ...]:
        """The text."""
        return (data.column("text"),)

    def derive(self, batch: dict[str, Tensor], rng: torch.Generator, phase: str | None) -> dict[str, Tensor]:
        """The batch with another picture's text for each: "other_text"."""
        return batch | {"other_text": batch["text"].roll(1, 0)}

    def further_networks(self, data: DataSpec) -> dict[str, nn.Module]:
        """What looks at pictures while texts are learned."""
        from ganzoo_stackgan.networks import Eye

        return {"eye": Eye(self.config, data)}

    def phases(self, data: DataSpec) -> Sequence[Phase]:
        """Texts, first stage, second stage."""
        return [Phase("reading", self.config.reading_steps), Phase("stage1", self.config.stage1_steps), Phase("stage2")]

    def players(self, networks: Networks) -> list[Player]:
        """One who learns texts, then the two of each stage, whose parameters of the other stage are not in play."""
        from ganzoo_core.interfaces import new_player

        g, d, loss = networks
        stages = ("stage1", "stage2")
        return [
            new_player(
                self, "reader", [g.text, d.text, networks.further["eye"]], loss.for_reader, phases=("reading",)
            ),
            new_player(
                self, "discriminator", [d.stage1, d.stage2], loss.for_discriminator, steps=self.config.n_critic,
                phases=stages,
            ),
            new_player(self, "generator", [g.stage1, g.stage2], loss.for_generator, phases=stages),
        ]  # fmt: skip

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for data without texts, and for images that don't halve often enough."""
        super().check_data(data)
        _, height, width = data.shape
        multiple = 4 * self.config.enlarge
        if height % multiple or width % multiple:
            raise DataError(
                f"stackgan with enlarge={self.config.enlarge} takes images whose sides are multiples of {multiple}, "
                f"but {data.name} is {height}x{width}; use another image size"
            )


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer stackgan."""
    return [Stackgan]
