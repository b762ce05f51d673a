"""Progressive growing of GANs (arXiv:1710.10196) in one file: ganzoo run examples/progan.py:Progan"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

import ganzoo_core as ganzoo
from ganzoo_core import Phase, option
from ganzoo_core.losses import Wasserstein, gradient_penalty


@dataclass(frozen=True, kw_only=True)
class ProganConfig(ganzoo.Config):
    """Appendix A.1's Adam, one for all levels."""

    level_steps: int = option(1000, "steps in which a level fades in, and as many before the next", minimum=1)
    width: int = option(64, "channels of every level", minimum=1)
    generator_lr: float = 1e-3
    discriminator_lr: float = 1e-3
    beta1: float = 0.0
    beta2: float = 0.99
    ema_decay: float = 0.999


def sides(data):
    """(H, W) of each level, the smallest first: halved while both stay whole and at 4 or more."""
    found = [data.shape[1:]]
    while all(side % 2 == 0 and side >= 8 for side in found[0]):
        found.insert(0, tuple(side // 2 for side in found[0]))
    return found


class Scaled(nn.Sequential):
    """A layer with weights from N(0, 1), scaled when used (section 4.1), and what follows it."""

    def __init__(self, layer, *after, gain=2.0):
        super().__init__(layer, *after)
        nn.init.zeros_(layer.bias)
        self.scale = math.sqrt(gain / nn.init.normal_(layer.weight)[0].numel())

    def forward(self, x):
        return super().forward(x * self.scale)


def layer(n_in, n_out):
    return Scaled(nn.Conv2d(n_in, n_out, 3, padding=1), nn.LeakyReLU(0.2))


def with_spread(x):
    """Features (N, C, H, W) with one more, the minibatch standard deviation (section 3)."""
    spread = (x.var(0, correction=0) + 1e-8).sqrt().mean().expand(len(x), 1, *x.shape[2:])
    return torch.cat([x, spread], 1)


class Growing(nn.Module):
    """Computes the levels begun; the last of them may be mixed with the one below while it fades in (figure 2)."""

    def grow(self, lowest, higher, rgb):
        self.blocks, self.rgb = nn.ModuleList([lowest, *higher]), nn.ModuleList(rgb)
        self.register_buffer("fade", torch.ones(()))
        self.begin_phase(str(len(higher)))

    def begin_phase(self, phase):
        self.level, self.fades = int(phase.split()[0]), " " in phase
        for i, (block, rgb) in enumerate(zip(self.blocks, self.rgb, strict=True)):
            block.requires_grad_(i <= self.level)
            rgb.requires_grad_(self.level - self.fades <= i <= self.level)
        self.rest = 2 ** (len(self.blocks) - 1 - self.level)  # to the data's size


class ProganGenerator(Growing, ganzoo.Generator):
    """Without pixelwise normalisation (section 4.2) but of the latent; with tanh, as samples are in [-1, 1]."""

    def __init__(self, config, data):
        super().__init__()
        self.latent_dim, c, (h, w) = config.latent_dim, config.width, sides(data)[0]
        first = Scaled(nn.Linear(self.latent_dim, c * h * w), nn.LeakyReLU(0.2), nn.Unflatten(1, (c, h, w)), gain=1 / 8)
        higher = [nn.Sequential(nn.Upsample(scale_factor=2), layer(c, c), layer(c, c)) for _ in sides(data)[1:]]
        rgb = [Scaled(nn.Conv2d(c, data.shape[0], 1), gain=1.0) for _ in sides(data)]
        self.grow(nn.Sequential(first, layer(c, c)), higher, rgb)

    def forward(self, z, labels=None):
        below = x = F.normalize(z) * self.latent_dim**0.5
        for block in self.blocks[: self.level + 1]:
            below, x = x, block(x)
        image = self.rgb[self.level](x)
        if self.fades:
            image = torch.lerp(F.interpolate(self.rgb[self.level - 1](below), scale_factor=2), image, self.fade)
        return F.interpolate(torch.tanh(image), scale_factor=self.rest)


class ProganDiscriminator(Growing, ganzoo.Discriminator):
    """On images made as small as the level; minibatch standard deviation at the end."""

    mixes_samples = True

    def __init__(self, config, data):
        super().__init__()
        c, (h, w) = config.width, sides(data)[0]
        last = [Scaled(nn.Linear(c * h * w, c), nn.LeakyReLU(0.2)), Scaled(nn.Linear(c, 1), gain=1.0)]
        higher = [nn.Sequential(layer(c, c), layer(c, c), nn.AvgPool2d(2)) for _ in sides(data)[1:]]
        rgb = [Scaled(nn.Conv2d(data.shape[0], c, 1), nn.LeakyReLU(0.2)) for _ in sides(data)]
        self.grow(nn.Sequential(layer(c + 1, c), nn.Flatten(), *last), higher, rgb)

    def forward(self, x, labels=None):
        x = F.avg_pool2d(x, self.rest)
        h = self.rgb[self.level](x)
        for i in range(self.level, 0, -1):
            h = self.blocks[i](h)
            if self.fades and i == self.level:
                h = torch.lerp(self.rgb[i - 1](F.avg_pool2d(x, 2)), h, self.fade)
        return self.blocks[0](with_spread(h)).squeeze(1)


class ProganLoss(Wasserstein):
    """WGAN-GP with a drift of 0.001 (appendix A.1)."""

    def for_discriminator(self, turn):
        for network in (turn.generator, turn.discriminator):
            network.fade.copy_(turn.progress)
        penalty = 10 * gradient_penalty(turn.critic, turn.real, turn.fake)
        return super().for_discriminator(turn) | {"penalty": penalty, "drift": 1e-3 * turn.real_logits.square().mean()}


class Progan(ganzoo.Variant):
    """Grows from 4 to 7 pixels a side to those of the data."""

    name, title, paper, year = "progan", "Progressive Growing of GANs", "arXiv:1710.10196", 2017
    Config = ProganConfig
    Generator, Discriminator, Loss = ProganGenerator, ProganDiscriminator, ProganLoss

    def phases(self, data):
        """A level fades in and stays; the last stays to the end."""
        names = ["0", *(f"{i}{how}" for i in range(1, len(sides(data))) for how in (" fades in", ""))]
        return [*(Phase(name, self.config.level_steps) for name in names[:-1]), Phase(names[-1])]
