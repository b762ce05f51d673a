"""pix2pix: a picture made of a picture, learned from pairs (arXiv:1611.07004)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, Input, hookimpl, option
from ganzoo_core.errors import DataError

GANZOO_API = 2
_MOST_HALVINGS = 8  # the paper's, of 256 pixels


def depth_of(data: DataSpec, most: int | None) -> int:
    """How often the U-Net halves such pictures: until a side is odd, and at most so often."""
    from ganzoo_core.blocks import halvings

    return min(most or _MOST_HALVINGS, halvings(*data.shape[1:]))


@dataclass(frozen=True, kw_only=True)
class Pix2pixConfig(ganzoo.Config):
    """The paper's weights; for a CPU small networks, larger batches and a quicker generator."""

    unused: ClassVar[dict[str, str]] = {
        "latent_dim": "its noise says what dropout drops, as many numbers as there are such channels"
    }
    steps: int = 1500
    batch_size: int = 16
    generator_lr: float = 1e-3
    width: int = option(32, "channels of the U-Net's first layer, doubled at each next (the paper: 64)", minimum=1)
    depth: int | None = option(
        None, "how often the U-Net halves a picture, at most; none: until a side is odd, 8 times at most (the paper's)",
        minimum=1, maximum=_MOST_HALVINGS,
    )  # fmt: skip
    dropout: float = option(0.5, "share of channels dropped in the decoder; 0: no noise", minimum=0, maximum=0.9)
    discriminator_width: int = option(32, "channels of the discriminator's first layer (the paper: 64)", minimum=1)
    discriminator_layers: int = option(
        2, "halvings of the discriminator: patches of 16, 34, 70 or 142 pixels (the paper: 3)", minimum=1, maximum=4
    )
    l1_weight: float = option(100.0, "weight of the distance to the target (lambda)", minimum=0)


class Pix2pix(ganzoo.Variant):
    """A U-Net makes a picture of a picture; a discriminator of patches sees both."""

    name = "pix2pix"
    title = "Image-to-Image Translation with Conditional Adversarial Networks"
    paper = "arXiv:1611.07004"
    year = 2016
    default_data = "digit-pairs"
    Config = Pix2pixConfig

    Generator = ".networks:Pix2pixGenerator"
    Discriminator = ".networks:Pix2pixDiscriminator"
    Loss = ".loss:Pix2pixLoss"

    def inputs(self, data: DataSpec) -> tuple[Input, ...]:
        """The source, of any size that the U-Net halves without remainder."""
        source, multiple = data.column("source"), 2 ** depth_of(data, self.config.depth)
        return (replace(source, any_size=source.kind == "image", multiple=multiple),)

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for data without a picture `source` of the samples' size, and for sides that don't do."""
        super().check_data(data)
        source = data.column("source")
        if source.kind != "image" or source.shape[1:] != data.shape[1:]:
            raise DataError(
                f"{self.name} takes a source that is a picture as large as the target, but {data.name} has "
                f"{' x '.join(map(str, data.shape))} and a source ({source.kind}) of "
                f"{' x '.join(map(str, source.shape))}; use pairs of one size, such as --data pairs:PATH gives"
            )
        height, width = data.shape[1:]
        least = 3 << self.config.discriminator_layers
        if height % 2 or width % 2 or min(height, width) < least:
            raise DataError(
                f"{self.name} takes pictures whose sides are even, and at least {least} with discriminator_layers="
                f"{self.config.discriminator_layers}, but {data.name} is {height}x{width}; use another image size"
            )


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer pix2pix."""
    return [Pix2pix]
