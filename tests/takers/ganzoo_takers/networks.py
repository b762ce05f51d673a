"""Networks of some hundred parameters, losses, and data of random blocks."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from ganzoo_core import Dataset, DataSpec, Discriminator, Generator
from ganzoo_core.losses import LeastSquares, NonSaturating
from ganzoo_takers import PAIRS, SIDE, WORDS


class Translate(Generator):
    latent_dim = 0

    def __init__(self, channels, width):
        super().__init__()
        self.inside = nn.Conv2d(channels, width, 4, 2, 1)
        self.outside = nn.ConvTranspose2d(width, channels, 4, 2, 1)

    def forward(self, z, labels=None, *, source):
        return torch.tanh(self.outside(self.noise(torch.relu(self.inside(source)))))

    def noise(self, x):
        return x


class NoisyTranslate(Translate):
    def noise(self, x):
        return F.dropout(x, 0.5, training=True)


class Enlarge(Generator):
    latent_dim = 0

    def __init__(self, channels, width):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(channels, width, 3, 1, 1), nn.ReLU(), nn.Conv2d(width, channels, 3, 1, 1))

    def forward(self, z, labels=None, *, small):
        return torch.tanh(self.net(F.interpolate(small, scale_factor=4.0)))


class TranslateTo(Translate):
    def __init__(self, channels, width, classes):
        super().__init__(channels, width)
        self.domain = nn.Embedding(classes, channels)

    def forward(self, z, labels=None, *, source):
        return super().forward(z, source=source + self.domain(labels)[:, :, None, None])


class Illustrate(Generator):
    latent_dim = 3

    def __init__(self, shape, words):
        super().__init__()
        self.shape = shape
        self.words = nn.EmbeddingBag(words + 1, 8, padding_idx=0)
        self.out = nn.Linear(8 + 3, math.prod(shape))

    def forward(self, z, labels=None, *, text):
        return torch.tanh(self.out(torch.cat([self.words(text), z], 1))).unflatten(1, self.shape)


class Judge(Discriminator):
    def __init__(self, channels, width):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, 1, 4, 2, 1))

    def forward(self, x, labels=None):
        return self.net(x)


class JudgePair(Judge):
    def forward(self, x, labels=None, *, source):
        return self.net(torch.cat([x, source], 1))


class JudgeText(Discriminator):
    def __init__(self, shape, words):
        super().__init__()
        self.words = nn.EmbeddingBag(words + 1, 8, padding_idx=0)
        self.image = nn.Linear(math.prod(shape), 8)

    def forward(self, x, labels=None, *, text):
        return (self.image(x.flatten(1)) * self.words(text)).sum(1)


class Near(NonSaturating):
    def for_generator(self, turn):
        return super().for_generator(turn) | {"l1": 10 * F.l1_loss(turn.fake, turn.real)}


class ThereAndBack(LeastSquares):
    def for_generator(self, turn):
        back = turn.generate(labels=turn.batch["source_labels"], source=turn.fake)
        return super().for_generator(turn) | {"cycle": 10 * F.l1_loss(back, turn.batch["source"])}


class RightText(NonSaturating):
    def for_discriminator(self, turn):
        wrong = turn.critic(turn.real, text=turn.batch["text"].flip(1))
        return super().for_discriminator(turn) | {"wrong": F.softplus(wrong).mean()}


def pairs(n, seed=1):
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (n, 3, 4, 4), generator=rng, dtype=torch.uint8)
    source = coarse.repeat_interleave(SIDE // 4, 2).repeat_interleave(SIDE // 4, 3)
    text = torch.randint(0, len(WORDS) + 1, (n, 4), generator=rng)
    return Dataset(PAIRS, 255 - source, torch.arange(n) % 2, {"source": source, "text": text})


def unpaired(n):
    whole = pairs(n)
    return Dataset(DataSpec("toy-unpaired", whole.spec.shape, whole.spec.classes), whole.samples, whole.labels)
