"""CycleGAN: from one domain to another and back, without pairs (arXiv:1703.10593)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, Input, hookimpl, option
from ganzoo_core.errors import DataError

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class CycleganConfig(ganzoo.Config):
    """The paper's weights, pool and Adam; networks a quarter as wide, for 28 pixels, and batches of more than one."""

    unused: ClassVar[dict[str, str]] = {"latent_dim": "an image is made of an image, without noise"}
    steps: int = 2000
    batch_size: int = option(16, "images per update, half of them of each domain; the paper: one of each", minimum=2)
    cycle_weight: float = option(10.0, "lambda, the weight of the cycle term (equation 3)", minimum=0)
    identity_weight: float = option(0.5, "weight of the identity term, times cycle_weight (section 5.2)", minimum=0)
    pool_size: int = option(50, "earlier fakes kept of each domain, half a batch at least; 0: none", minimum=0)
    generator_channels: int = option(16, "channels of a generator's first layer; the paper: 64", minimum=1)
    residual_blocks: int = option(2, "residual blocks of a generator; the paper: 6 at 128 pixels, 9 at 256", minimum=1)
    discriminator_channels: int = option(16, "channels of a discriminator's first layer; the paper: 64", minimum=1)
    discriminator_layers: int = option(1, "of stride 2: 1 judges patches of 16 pixels, the paper's 3 of 70", minimum=1)


class Cyclegan(ganzoo.Variant):
    """Two generators and two discriminators; a sample is an image of one domain, translated to its label's."""

    name, paper, year = "cyclegan", "arXiv:1703.10593", 2017
    title = "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks"
    conditional, balanced, paired, default_data = True, True, False, "outlined-digits"
    Config = CycleganConfig
    Generator = ".networks:TwoGenerators"
    Discriminator = ".networks:TwoDiscriminators"
    Loss = ".loss:CycleConsistency"

    def inputs(self, data: DataSpec) -> tuple[Input, ...]:
        """An image of the other domain."""
        return (Input(name="source", kind="image", shape=data.shape, any_size=True, multiple=4, doc="the other class"),)

    def derive(self, batch: dict[str, Any], rng: Any, phase: str | None) -> dict[str, Any]:
        """Each image's source is one of the other domain, and `labels` is where that is to go."""
        return batch | {"source": batch["real"].roll(len(batch["real"]) // 2, 0)}

    def players(self, networks: ganzoo.Networks) -> list[ganzoo.Player]:
        """Both discriminators, then both generators. The loss gets its pool here, where the images' shape is known."""
        if self.config.pool_size:
            networks.loss.open_pool(networks.generator)
        return super().players(networks)

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` for data that is not of two classes, and for images that the networks can't halve."""
        super().check_data(data)
        least = max(16, 3 << self.config.discriminator_layers)
        if data.num_classes != 2 or data.shape[1] % 4 or data.shape[2] % 4 or min(data.shape[1:]) < least:
            raise DataError(
                f"{self.name} takes images of two classes, its domains, whose sides are multiples of 4 and at least "
                f"{least}, but {data.name} has {data.num_classes} classes of {data.shape[1]}x{data.shape[2]}"
            )


class OutlinedDigits(ganzoo.DataSource):
    """Handwritten digits, every second one as its outline. No digit is there in both ways, so there are no pairs."""

    name, title = "outlined-digits", "Handwritten digits, half of them as outlines"
    origin = "made of scikit-learn's digits: UCI Optical Recognition of Handwritten Digits, CC BY 4.0"
    shape, classes, size = (1, 28, 28), ("filled", "outlined"), 1797

    def load(self, data_dir: Path, split: Literal["train", "test"] = "train") -> ganzoo.Dataset:
        """All 1,797. Raises `DataError` for split "test"."""
        if split == "test":
            raise DataError(f"{self.name} has no held-out part: its only split is 'train', but 'test' was asked for")
        import torch
        import torch.nn.functional as F
        from sklearn.datasets import load_digits

        small = F.pad(torch.from_numpy(load_digits().images)[:, None].float() / 16, (1, 1, 1, 1))
        filled = ((F.interpolate(small, size=(28, 28), mode="bicubic") - 1 / 4) * 2).clamp(0, 1)  # with steeper edges
        outlines = F.max_pool2d(filled, 3, stride=1, padding=1) - filled  # what strokes gain as they grow by a pixel
        labels = torch.arange(len(filled)) % 2
        images = torch.where(labels.bool()[:, None, None, None], outlines, filled).mul(255).round().to(torch.uint8)
        return ganzoo.Dataset(DataSpec(self.name, self.shape, self.classes), images, labels)


@hookimpl
def ganzoo_variants() -> list[type[ganzoo.Variant]]:
    """Offer cyclegan."""
    return [Cyclegan]


@hookimpl
def ganzoo_datasets() -> list[type[ganzoo.DataSource]]:
    """Offer its unpaired digits."""
    return [OutlinedDigits]
