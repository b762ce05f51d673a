"""What is missing from a picture: the context encoder (arXiv:1604.07379) and CC-GAN (arXiv:1611.06430)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, Input, hookimpl, option
from ganzoo_core.errors import DataError
from ganzoo_core.settings import Settings

if TYPE_CHECKING:
    import torch
    from torch import Tensor

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class ContextEncoderConfig(ganzoo.Config):
    """Section 3.3's weights, and a generator that learns ten times as fast as the discriminator (section 4)."""

    unused: ClassVar[dict[str, str]] = {"latent_dim": "a picture is made of another, without noise"}

    steps: int = 1000
    latent_dim: int = 0
    generator_lr: float = 2e-3
    hole: str = option(
        "center", "where pictures have a hole, half as high and wide as they are; random: anywhere",
        choices=("center", "random"),
    )  # fmt: skip
    width: int = option(
        32, "channels after the generator's first layer, doubled at each next (the paper: 64)", minimum=1
    )
    discriminator_width: int = option(32, "the same of the discriminator (the paper: 64)", minimum=1)
    reconstruction_weight: float = option(0.999, "weight of the squared error in the hole (lambda_rec)", minimum=0)
    adversarial_weight: float = option(0.001, "weight of the adversarial loss (lambda_adv)", minimum=0)


@dataclass(frozen=True, kw_only=True)
class CcganConfig(ContextEncoderConfig):
    """Holes anywhere, filled for the discriminator alone, which also learns the classes (section 3)."""

    steps: int = 1000
    generator_lr: float = 2e-4
    hole: str = "random"
    reconstruction_weight: float = option(0.0, "weight of the squared error in the hole (the paper: 0)", minimum=0)
    adversarial_weight: float = option(1.0, "weight of the adversarial loss", minimum=0)
    class_weight: float = option(
        1.0, "weight of the discriminator's class term (lambda_c), where the data has classes", minimum=0
    )


@dataclass(frozen=True, kw_only=True)
class Hole(Settings):
    """Where a picture is to be filled, beside its transparent part."""

    rectangle: tuple[int, ...] = option((), "the hole in pixels, left,top,width,height; none: the transparent part")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rectangle and (len(self.rectangle) != 4 or min(self.rectangle) < 0 or 0 in self.rectangle[2:]):
            raise ValueError(
                f"rectangle must be left,top,width,height, such as 8,8,12,16, "
                f"but is {','.join(map(str, self.rectangle))}"
            )


class ContextEncoder(ganzoo.Variant):
    """A hole in the middle, filled as near to the truth as can be, and such as a discriminator takes for real."""

    name = "context-encoder"
    title = "Context Encoders: Feature Learning by Inpainting"
    paper = "arXiv:1604.07379"
    year = 2016
    Config = ContextEncoderConfig
    Sampling = Hole
    Generator = ".networks:HoleGenerator"
    Discriminator = ".networks:HoleDiscriminator"
    Loss = ".loss:Inpainting"

    def inputs(self, data: DataSpec) -> tuple[Input, ...]:
        """The picture with a hole, in colours and opacity whatever colours the data has."""
        shape = (4, *data.shape[1:])
        return (
            Input(name="source", kind="image", shape=shape, doc="the picture, transparent where it is to be filled"),
        )

    def derive(self, batch: dict[str, Tensor], rng: torch.Generator, phase: str | None) -> dict[str, Tensor]:
        """Add `source`: `real` with a transparent hole, at a place from `rng` where `hole=random`."""
        from ganzoo_context_encoder.holes import center_hole, cut, random_hole

        real = batch["real"]
        is_hole = center_hole(real) if self.config.hole == "center" else random_hole(real, rng)
        return batch | {"source": cut(real, is_hole)}

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for images that do not halve twice, or that have opacity of their own."""
        super().check_data(data)
        self.check_sides(data, multiple=4, least=16)
        channels = data.shape[0]
        if channels not in (1, 3):
            raise DataError(
                f"{self.name} takes images of 1 or 3 channels, as what is transparent is the hole, "
                f"but {data.name} has {channels}"
            )


class Ccgan(ContextEncoder):
    """Holes anywhere, for a discriminator that sees the whole picture and tells its class too."""

    name = "ccgan"
    title = "Semi-Supervised Learning with Context-Conditional Generative Adversarial Networks"
    paper = "arXiv:1611.06430"
    year = 2016
    Config = CcganConfig
    Discriminator = ".networks:ClassDiscriminator"
    Loss = ".loss:ContextConditional"


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer context-encoder and ccgan."""
    return [ContextEncoder, Ccgan]
