"""SRGAN (arXiv:1609.04802) in one file, pretrained as its section 3.2 asks: ganzoo run examples/srgan.py:Srgan"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

import ganzoo_core as ganzoo
from ganzoo_core import Frozen, Input, Phase, option
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import new_player
from ganzoo_core.losses import NonSaturating


@dataclass(frozen=True, kw_only=True)
class SrganConfig(ganzoo.Config):
    """Section 3.2's Adam and weights. The paper pretrains for 1,000,000 steps, and plays for 200,000."""

    pretraining_steps: int = option(1000, "steps in which the generator learns the content alone", minimum=1)
    batch_size: int = 16
    latent_dim: int = option(0, "no noise: a picture is made of a small one", minimum=0, maximum=0)
    blocks: int = option(4, "residual blocks B (the paper: 16)", minimum=1)
    width: int = option(32, "channels of the generator (the paper: 64)", minimum=1)
    content: str = option(
        "pixels", "what is compared; vgg: features of a VGG19, 550 MB to download once", choices=("pixels", "vgg")
    )
    adversarial_weight: float = option(1e-3, "weight of the adversarial loss (equation 3)", minimum=0)
    generator_lr: float = 1e-4
    discriminator_lr: float = 1e-4
    beta1: float = 0.9


class Residual(nn.Sequential):
    """Figure 4's block: conv, BatchNorm, PReLU, conv, BatchNorm, and the input added."""

    def __init__(self, c):
        super().__init__(conv(c, c), nn.BatchNorm2d(c), nn.PReLU(), conv(c, c), nn.BatchNorm2d(c))

    def forward(self, x):
        return x + super().forward(x)


def conv(n_in, n_out, size=3, stride=1):
    return nn.Conv2d(n_in, n_out, size, stride, size // 2)


class SrganGenerator(ganzoo.Generator):
    """A picture of four times the sides (figure 4), whatever these are."""

    latent_dim = 0

    def __init__(self, config, data):
        super().__init__()
        c = config.width
        self.first = nn.Sequential(conv(data.shape[0], c, 9), nn.PReLU())
        self.body = nn.Sequential(*(Residual(c) for _ in range(config.blocks)), conv(c, c), nn.BatchNorm2d(c))
        up = [layer for _ in range(2) for layer in (conv(c, 4 * c), nn.PixelShuffle(2), nn.PReLU())]
        self.last = nn.Sequential(*up, conv(c, data.shape[0], 9), nn.Tanh())

    def forward(self, z, labels=None, *, source):
        x = self.first(source)
        return self.last(x + self.body(x))


class SrganDiscriminator(ganzoo.Discriminator):
    """Convolutions, every second one to half the sides (figure 4), at half of the paper's widths."""

    def __init__(self, config, data):
        super().__init__()
        layers, widths = [conv(data.shape[0], 32), nn.LeakyReLU(0.2)], (32, 32, 64, 64, 128, 128)
        for i, (n_in, n_out) in enumerate(pairwise(widths)):
            layers += [conv(n_in, n_out, 3, 2 - i % 2), nn.BatchNorm2d(n_out), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128 * 16, 1))

    def forward(self, x, labels=None):
        return self.layers(x).squeeze(1)


class SrganLoss(NonSaturating):
    """The perceptual loss (equation 3): content (equation 4, or 5 with the features VGG54) and adversary."""

    def __init__(self, config):
        super().__init__()
        self.weight, self.features = config.adversarial_weight, None
        if config.content == "vgg":
            from torchvision.models import VGG19_Weights, vgg19

            self.features = Frozen(vgg19(weights=VGG19_Weights.DEFAULT).features[:36])
            self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
            self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)

    def seen(self, x):
        return x if self.features is None else self.features(((x + 1) / 2 - self.mean) / self.std) / 12.75

    def content(self, turn):
        return {"content": F.mse_loss(self.seen(turn.fake), self.seen(turn.real))}

    def for_generator(self, turn):
        return self.content(turn) | {"adversarial": self.weight * super().for_generator(turn)["adversarial"]}


class Srgan(ganzoo.Variant):
    """A large picture of a small one: first as near as can be, then such as a discriminator takes for real."""

    name, paper, year = "srgan", "arXiv:1609.04802", 2016
    title = "Photo-Realistic Single Image Super-Resolution Using a GAN"
    Config = SrganConfig
    Generator, Discriminator, Loss = SrganGenerator, SrganDiscriminator, SrganLoss

    def inputs(self, data):
        c, h, w = data.shape
        return (Input(name="source", kind="image", shape=(c, h // 4, w // 4), any_size=True, doc="the small picture"),)

    def derive(self, batch, rng, phase):
        sides = [side // 4 for side in batch["real"].shape[2:]]
        small = F.interpolate(batch["real"], sides, mode="bicubic", antialias=True).clamp(-1, 1)
        return batch | {"source": small}

    def check_data(self, data):
        super().check_data(data)
        if any(side % 4 or side < 16 for side in data.shape[1:]):
            raise DataError(
                f"srgan takes sides that are multiples of 4, at least 16, but {data.name} has {data.shape[1:]}"
            )

    def phases(self, data):
        return [Phase("pretraining", self.config.pretraining_steps), Phase("game")]

    def players(self, networks):
        g, d, loss = networks
        game = {"phases": ("game",)}
        return [
            new_player(self, "pretrainer", [g], loss.content, phases=("pretraining",), lr=self.config.generator_lr),
            new_player(self, "discriminator", [d], loss.for_discriminator, steps=self.config.n_critic, **game),
            new_player(self, "generator", [g], loss.for_generator, **game),
        ]
