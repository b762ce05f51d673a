"""Tiny variants whose generators take something besides noise: pairs, texts, small pictures, another domain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, Input, hookimpl, option
from ganzoo_core.errors import DataError

GANZOO_API = 2
SIDE = 16
WORDS = ("red", "green", "blue", "square", "dot")
SOURCE = Input(name="source", kind="image", shape=(3, SIDE, SIDE), doc="the other picture")
TEXT = Input(name="text", kind="text", shape=(4,), names=WORDS)
PAIRS = DataSpec("toy-pairs", (3, SIDE, SIDE), ("a", "b"), columns=(SOURCE, TEXT))


@dataclass(frozen=True, kw_only=True)
class TakerConfig(ganzoo.Config):
    steps: int = option(6, "updates of the generator", minimum=1)
    batch_size: int = option(8, "samples per update", minimum=1)
    latent_dim: int = option(0, "no noise", minimum=0)
    width: int = option(4, "channels of the networks", minimum=1)


class Translator(ganzoo.Variant):
    """A picture of a picture, of any size; the discriminator sees both and judges patches."""

    name = "translator"
    title = "A toy that translates"
    paper = "arXiv:0000.00000"
    year = 2026
    default_data = "toy-pairs"
    Config: ClassVar[type[ganzoo.Config]] = TakerConfig

    def inputs(self, data):
        return (replace(data.column("source"), any_size=True, multiple=2),)

    def generator(self, data):
        from ganzoo_takers.networks import Translate

        return Translate(data.shape[0], self.config.width)

    def discriminator(self, data):
        from ganzoo_takers.networks import JudgePair

        return JudgePair(2 * data.shape[0], self.config.width)

    def loss(self):
        from ganzoo_takers.networks import Near

        return Near()


class Noisy(Translator):
    """The same with dropout that stays on: its noise."""

    name = "noisy-translator"

    def generator(self, data):
        from ganzoo_takers.networks import NoisyTranslate

        return NoisyTranslate(data.shape[0], self.config.width)


class Upscaler(Translator):
    """A picture of a small one, which `derive` makes of it."""

    name = "upscaler"
    default_data = "toy-pairs"

    def inputs(self, data):
        c, h, w = data.shape
        return (Input(name="small", kind="image", shape=(c, h // 4, w // 4), any_size=True, doc="the small picture"),)

    def derive(self, batch, rng, phase):
        from torch.nn.functional import avg_pool2d

        return batch | {"small": avg_pool2d(batch["real"], 4)}

    def generator(self, data):
        from ganzoo_takers.networks import Enlarge

        return Enlarge(data.shape[0], self.config.width)

    def discriminator(self, data):
        from ganzoo_takers.networks import Judge

        return Judge(data.shape[0], self.config.width)


class Domains(Translator):
    """To the other class: balanced batches, a source of the other domain, a rotation by chance."""

    name = "domains"
    conditional = True
    balanced = True
    paired = False

    def inputs(self, data):
        return (Input(name="source", kind="image", shape=data.shape, any_size=True, multiple=2),)

    def derive(self, batch, rng, phase):
        import torch

        n = len(batch["labels"]) // 2
        source = batch["real"].roll(n, 0)
        turned = torch.rand(len(source), generator=rng, device=rng.device) < 0.5
        source = torch.where(turned[:, None, None, None], source.flip(3), source)
        return batch | {"source": source, "source_labels": batch["labels"].roll(n, 0)}

    def generator(self, data):
        from ganzoo_takers.networks import TranslateTo

        return TranslateTo(data.shape[0], self.config.width, data.num_classes)

    def discriminator(self, data):
        from ganzoo_takers.networks import Judge

        return Judge(data.shape[0], self.config.width)

    def loss(self):
        from ganzoo_takers.networks import ThereAndBack

        return ThereAndBack()


class Writer(Translator):
    """A picture of a text and noise; wrong pairs are a term of the discriminator's."""

    name = "writer"

    def inputs(self, data):
        return (data.column("text"),)

    def generator(self, data):
        from ganzoo_takers.networks import Illustrate

        return Illustrate(data.shape, len(data.column("text").names))

    def discriminator(self, data):
        from ganzoo_takers.networks import JudgeText

        return JudgeText(data.shape, len(data.column("text").names))

    def loss(self):
        from ganzoo_takers.networks import RightText

        return RightText()


class Pairs(ganzoo.DataSource):
    """64 pictures and their negatives, with what they show in words; 16 others are held out."""

    name = "toy-pairs"
    title = "A toy's pairs"
    origin = "made up"

    def load(self, data_dir: Path, split: str = "train"):
        from ganzoo_takers.networks import pairs

        return pairs(64 if split == "train" else 16, seed=1 if split == "train" else 2)


class Unpaired(Pairs):
    """Without columns, and without a held-out part."""

    name = "toy-unpaired"

    def load(self, data_dir: Path, split: str = "train"):
        from ganzoo_takers.networks import unpaired

        if split == "test":
            raise DataError("toy-unpaired has no held-out part")
        return unpaired(64)


@hookimpl
def ganzoo_variants():
    return [Translator, Noisy, Upscaler, Domains, Writer]


@hookimpl
def ganzoo_datasets():
    return [Pairs, Unpaired]
