"""StyleGAN2 (arXiv:1912.04958) in one file: ganzoo run examples/stylegan2.py:Stylegan2

Smaller than the paper's: one width, plain resampling in place of its filters, noise that is fixed in eval mode.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from progan import Scaled, layer, sides, with_spread  # the file beside this one
from torch import nn

import ganzoo_core as ganzoo
from ganzoo_core import Player, option
from ganzoo_core.interfaces import new_player
from ganzoo_core.losses import NonSaturating, r1_penalty
from ganzoo_core.seeds import normal, uniform
from ganzoo_core.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Stylegan2Config(ganzoo.Config):
    """Appendix B's weights and learning rate."""

    width: int = option(64, "channels of every level", minimum=1)
    r1_weight: float = option(10.0, "gamma of R1, at every 16th step", minimum=0)
    path_weight: float = option(2.0, "weight of the path length, at every 4th step", minimum=0)
    generator_lr: float = 2e-3
    discriminator_lr: float = 2e-3
    beta1: float = 0.0
    beta2: float = 0.99
    ema_decay: float = 0.999


@dataclass(frozen=True, kw_only=True)
class Stylegan2Sampling(Settings):
    """What may be chosen when samples are made."""

    truncation: float = option(1.0, "psi, towards the mean w (arXiv:1812.04948, appendix B)", minimum=0, maximum=2)


class Styled(nn.Module):
    """A convolution whose weights are modulated by w and demodulated (equations 1 to 3), with noise or as it is."""

    def __init__(self, n_in, n_out, size, style_dim, side=None):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in, size, size) / (n_in * size**2) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(n_out, 1, 1))
        self.strength = None if side is None else nn.Parameter(torch.zeros(()))
        self.style = nn.Linear(style_dim, n_in)
        self.register_buffer("noise", None if side is None else torch.randn(1, 1, *side))

    def forward(self, x, w):
        s = 1 + self.style(w)  # (N, n_in)
        x = F.conv2d(x * s[:, :, None, None], self.weight, padding=self.weight.shape[2] // 2)
        if self.noise is None:
            return x + self.bias
        x = x * (s.square() @ self.weight.square().sum((2, 3)).T + 1e-8).rsqrt()[:, :, None, None]
        noise = normal(len(x), 1, *x.shape[2:], like=x) if self.training else self.noise
        return F.leaky_relu(x + self.strength * noise + self.bias, 0.2) * 2**0.5


class Stylegan2Generator(ganzoo.Generator):
    """z to w by eight layers, w to an image by styles, each level's image added to the one below (figure 7b)."""

    def __init__(self, config, data):
        super().__init__()
        self.latent_dim, c, dim = config.latent_dim, config.width, config.latent_dim
        self.mapping = nn.Sequential(*(layer for _ in range(8) for layer in (nn.Linear(dim, dim), nn.LeakyReLU(0.2))))
        self.start = nn.Parameter(torch.randn(1, c, *sides(data)[0]))
        self.convs = nn.ModuleList(Styled(c, c, 3, dim, side) for side in sides(data) for _ in range(2))
        self.rgb = nn.ModuleList(Styled(c, data.shape[0], 1, dim) for _ in sides(data))
        self.register_buffer("mean", torch.zeros(dim))

    def forward(self, z, labels=None):
        return self.synthesis(self.styles(z))

    def styles(self, z):
        """w (N, layers, dim): in training of two latents in nine of ten samples, else truncated."""
        w, layers = self.mapping(F.normalize(z) * self.latent_dim**0.5), len(self.convs)
        if not self.training:
            return self.mean.lerp(w, self.sampling.truncation)[:, None].expand(-1, layers, -1)
        self.mean.lerp_(w.detach().float().mean(0), 0.005)
        other = self.mapping(F.normalize(normal(*z.shape, like=z)) * self.latent_dim**0.5)
        cut = (uniform(len(z), 1, like=z) * layers / 0.9).clamp(min=1)  # the layer from which `other` is taken
        return torch.where((torch.arange(layers, device=z.device) < cut)[:, :, None], w[:, None], other[:, None])

    def synthesis(self, w):
        x, image = self.start.expand(len(w), -1, -1, -1), 0
        for i, rgb in enumerate(self.rgb):
            x = F.interpolate(x, scale_factor=2) if i else x
            x = self.convs[2 * i + 1](self.convs[2 * i](x, w[:, 2 * i]), w[:, 2 * i + 1])
            image = rgb(x, w[:, 2 * i + 1]) + (F.interpolate(image, scale_factor=2) if i else 0)
        return torch.tanh(image)


class Block(nn.Module):
    """Two convolutions beside a short cut, to half the side (figure 7c)."""

    def __init__(self, c):
        super().__init__()
        self.main = nn.Sequential(layer(c, c), layer(c, c), nn.AvgPool2d(2))
        self.skip = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(c, c, 1, bias=False))

    def forward(self, x):
        return (self.main(x) + self.skip(x)) / 2**0.5


class Stylegan2Discriminator(ganzoo.Discriminator):
    """Residual blocks down to the smallest level; minibatch standard deviation at the end."""

    mixes_samples = True

    def __init__(self, config, data):
        super().__init__()
        c, (h, w) = config.width, sides(data)[0]
        self.blocks = nn.Sequential(Scaled(nn.Conv2d(data.shape[0], c, 1)), *(Block(c) for _ in sides(data)[1:]))
        last = Scaled(nn.Linear(c * h * w, c), nn.LeakyReLU(0.2)), Scaled(nn.Linear(c, 1), gain=1.0)
        self.last = nn.Sequential(layer(c + 1, c), nn.Flatten(), *last)

    def forward(self, x, labels=None):
        return self.last(with_spread(self.blocks(x))).squeeze(1)


class Stylegan2Loss(NonSaturating):
    """With R1 and path length (section 3.2), each times the steps between two of its updates (section 3.1)."""

    joins = {"length": "mean"}  # noqa: RUF012

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.register_buffer("length", torch.zeros(()))

    def r1(self, turn):
        return {"r1": 16 * self.config.r1_weight / 2 * r1_penalty(turn.critic, turn.real)}

    def path(self, turn):
        with torch.autocast(turn.z.device.type, enabled=False):  # in bf16 its small differences would be lost
            fake = turn.generator.synthesis(w := turn.generator.styles(turn.z))
            noise = normal(*fake.shape, like=fake) / fake[0, 0].numel() ** 0.5
            (jacobian,) = torch.autograd.grad((fake * noise).sum(), w, create_graph=True)
        lengths = jacobian.square().sum(2).mean(1).sqrt()  # (N,)
        self.length.lerp_(lengths.detach().float().mean(), 0.01)
        return {"path": 4 * self.config.path_weight * (lengths - self.length).square().mean()}


class Stylegan2(ganzoo.Variant):
    """Styles for every level, noise, and two penalties that are seldom computed."""

    name, paper, year = "stylegan2", "arXiv:1912.04958", 2019
    title = "Analyzing and Improving the Image Quality of StyleGAN"
    Config, Sampling = Stylegan2Config, Stylegan2Sampling
    Generator, Discriminator, Loss = Stylegan2Generator, Stylegan2Discriminator, Stylegan2Loss

    def players(self, networks):
        g, d, loss = networks
        judge = new_player(self, "discriminator", [d], loss.for_discriminator, steps=self.config.n_critic)
        maker = new_player(self, "generator", [g], loss.for_generator, lr_factors={"mapping.": 0.01})
        r1 = Player("r1", judge.parameters, judge.optimizer, loss.r1, every=16)
        return [judge, r1, maker, Player("path", maker.parameters, maker.optimizer, loss.path, every=4)]
