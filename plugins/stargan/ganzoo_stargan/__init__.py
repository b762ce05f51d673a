"""StarGAN: one generator between any two of many domains, without pairs (arXiv:1711.09020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, Input, hookimpl, option
from ganzoo_core.errors import DataError
from ganzoo_stargan.coloured_digits import ColouredDigits

if TYPE_CHECKING:
    import torch

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class StarganConfig(ganzoo.Config):
    """The paper's weights and n_critic; small networks for 28 pixels, and a learning rate for minutes."""

    unused: ClassVar[dict[str, str]] = {"latent_dim": "an image is made of an image and a class, without noise"}
    steps: int = 600
    batch_size: int = 16
    generator_lr: float = 1e-3
    discriminator_lr: float = 1e-3
    n_critic: int = option(5, "updates of the discriminator per update of the generator", minimum=1, maximum=1000)
    class_weight: float = option(1.0, "lambda_cls, the weight of the class terms (equations 5 and 6)", minimum=0)
    cycle_weight: float = option(10.0, "lambda_rec, the weight of the way back (equation 6)", minimum=0)
    penalty_weight: float = option(10.0, "lambda_gp, the weight of the gradient penalty (equation 8)", minimum=0)
    generator_channels: int = option(16, "channels of the generator's first layer; the paper: 64", minimum=1)
    residual_blocks: int = option(2, "residual blocks of the generator; the paper: 6", minimum=1)
    skip: bool = option(True, "begin with the image as it is, and learn what to change; the paper: false")
    discriminator_channels: int = option(16, "channels of the discriminator's first layer; the paper: 64", minimum=1)
    discriminator_layers: int = option(2, "layers of the discriminator, of stride 2; the paper: 6", minimum=1)


class Stargan(ganzoo.Variant):
    """A sample is an image of any class, translated to its label's; the discriminator also tells the class."""

    name, paper, year = "stargan", "arXiv:1711.09020", 2017
    title = "StarGAN: Unified Generative Adversarial Networks for Multi-Domain Image-to-Image Translation"
    conditional, paired, default_data = True, False, "coloured-digits"
    Config = StarganConfig
    Generator = ".networks:StarganGenerator"
    Discriminator = ".networks:StarganDiscriminator"
    Loss = ".loss:StarLoss"

    def inputs(self, data: DataSpec) -> tuple[Input, ...]:
        """An image of any class."""
        return (Input(name="source", kind="image", shape=data.shape, any_size=True, multiple=4, doc="of any class"),)

    def derive(self, batch: dict[str, Any], rng: torch.Generator, phase: str | None) -> dict[str, Any]:
        """Each image's source is another of the batch, and `labels` is where that is to go: a real image's class."""
        import torch

        other = torch.randperm(len(batch["real"]), generator=rng, device=rng.device)
        return batch | {"source": batch["real"][other], "source_labels": batch["labels"][other]}

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for data of one class, and for images that the networks can't halve."""
        super().check_data(data)
        multiple = max(4, 2**self.config.discriminator_layers)
        if data.num_classes < 2 or any(side % multiple or side < max(16, multiple) for side in data.shape[1:]):
            raise DataError(
                f"{self.name} takes images of two classes or more, its domains, whose sides are multiples of "
                f"{multiple} and at least {max(16, multiple)}, but {data.name} has {data.num_classes} classes of "
                f"{data.shape[1]}x{data.shape[2]}"
            )


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer stargan."""
    return [Stargan]


@hookimpl
def ganzoo_datasets() -> list[type[ganzoo.DataSource]]:
    """Offer its coloured digits."""
    return [ColouredDigits]
