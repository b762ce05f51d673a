"""The networks of StyleGAN2 (arXiv:1912.04958, figures 2 and 7)."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_core.seeds import normal, uniform
from ganzoo_progan import Stylegan2Config
from ganzoo_progan.layers import EqualConv, EqualLinear, PixelNorm, channels, convolved, down, judge, sides, up

_MAPPING_LAYERS = 8
_MEAN_DECAY = 0.995


class Modulated(nn.Module):
    """A convolution whose weights are scaled by a style (equation 1), at an equalised learning rate, and a bias."""

    def __init__(self, n_in: int, n_out: int, size: int, style_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in, size, size))
        self.scale = (n_in * size**2) ** -0.5
        self.bias = nn.Parameter(torch.zeros(n_out, 1, 1))
        self.style = EqualLinear(style_dim, n_in, gain=1.0)
        nn.init.ones_(self.style.bias)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x (N, n_in, H, W) under w (N, style_dim) to (N, n_out, H, W): inputs are scaled, in place of weights."""
        return self._convolve(x, self.style(w)) + self.bias

    def _convolve(self, x: Tensor, style: Tensor) -> Tensor:
        return F.conv2d(x * style[:, :, None, None], self.weight * self.scale, padding=self.weight.shape[2] // 2)


class StyledConv(Modulated):
    """Modulated and demodulated (equation 3), with noise and LeakyReLU: figure 2d. The noise stays in eval mode."""

    noise: Tensor

    def __init__(self, n_in: int, n_out: int, side: tuple[int, int], style_dim: int) -> None:
        super().__init__(n_in, n_out, 3, style_dim)
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(1, 1, *side))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """As `Modulated`; each channel has deviation 1 where the inputs have."""
        style = self.style(w)  # (N, n_in)
        norms = style.square() @ (self.weight * self.scale).square().sum((2, 3)).T  # (N, n_out)
        x = self._convolve(x, style) * (norms + 1e-8).rsqrt()[:, :, None, None]
        noise = normal(len(x), 1, *x.shape[2:], like=x) if self.training else self.noise
        return F.leaky_relu(x + self.strength * noise + self.bias, 0.2) * 2**0.5


class Stylegan2Generator(Generator):
    """z to w by eight layers, w to an image by styles, each level's image added to the one below (figure 7b)."""

    mean: Tensor

    def __init__(self, config: Stylegan2Config, data: DataSpec) -> None:
        super().__init__()
        self.latent_dim, self.mixing, dim = config.latent_dim, config.mixing, config.latent_dim
        layers = [layer for _ in range(_MAPPING_LAYERS) for layer in (EqualLinear(dim, dim), nn.LeakyReLU(0.2))]
        self.mapping = nn.Sequential(PixelNorm(), *layers)
        levels, widths = sides(data), channels(config, data)
        self.start = nn.Parameter(torch.randn(1, widths[0], *levels[0]))
        convs = [StyledConv(widths[0], widths[0], levels[0], dim)]
        for side, (a, b) in zip(levels[1:], pairwise(widths), strict=True):
            convs += [StyledConv(a, b, side, dim), StyledConv(b, b, side, dim)]
        self.convs = nn.ModuleList(convs)
        self.up = up()
        self.rgb = nn.ModuleList(Modulated(width, data.shape[0], 1, dim) for width in widths)
        self.layers = len(convs) + 1  # as many w: the last level's image has one of its own
        self.register_buffer("mean", torch.zeros(dim))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, C, H, W) in [-1, 1] of z (N, latent_dim)."""
        return self.synthesis(self.styles(z))

    def styles(self, z: Tensor) -> Tensor:
        """w (N, layers, latent_dim): while training of two latents in most samples, else truncated."""
        w = self.mapping(z)
        if not self.training:
            return self.mean.lerp(w, self.sampling.truncation)[:, None].expand(-1, self.layers, -1)
        self.mean.lerp_(w.detach().float().mean(0), 1 - _MEAN_DECAY)
        other, chance = self.mapping(normal(*z.shape, like=z)), uniform(len(z), 2, like=z)
        cut = 1 + (chance[:, :1] * (self.layers - 1)).floor()  # the layer from which `other` is taken, if it is mixed
        takes_w = (torch.arange(self.layers, device=z.device) < cut) | (chance[:, 1:] >= self.mixing)  # (N, layers)
        return torch.where(takes_w[:, :, None], w[:, None], other[:, None])

    def synthesis(self, w: Tensor) -> Tensor:
        """An image (N, C, H, W) of w (N, layers, latent_dim)."""
        x = self.convs[0](self.start.expand(len(w), -1, -1, -1), w[:, 0])
        image = self.rgb[0](x, w[:, 1])
        for level in range(1, len(self.rgb)):
            x = self.convs[2 * level - 1](self.up(x), w[:, 2 * level - 1])
            x = self.convs[2 * level](x, w[:, 2 * level])
            image = self.up(image) + self.rgb[level](x, w[:, 2 * level + 1])
        return torch.tanh(image)


class HalvingBlock(nn.Module):
    """Two convolutions beside a short cut, to half the sides (figure 7c)."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.main = nn.Sequential(*convolved(n_in, n_in), *convolved(n_in, n_out))
        self.skip, self.down = EqualConv(n_in, n_out, 1, gain=1.0, bias=False), down()

    def forward(self, x: Tensor) -> Tensor:
        """(N, n_in, H, W) to (N, n_out, H/2, W/2)."""
        return self.down(self.main(x) + self.skip(x)) / 2**0.5  # the sum first: one filter for both


class Stylegan2Discriminator(Discriminator):
    """Residual blocks down to the smallest level; minibatch standard deviation last."""

    mixes_samples = True

    def __init__(self, config: Stylegan2Config, data: DataSpec) -> None:
        super().__init__()
        widths = channels(config, data)[::-1]
        blocks = [HalvingBlock(a, b) for a, b in pairwise(widths)]
        end = judge(widths[-1], sides(data)[0])
        self.layers = nn.Sequential(*convolved(data.shape[0], widths[0], 1), *blocks, end)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (N,) of images x (N, C, H, W)."""
        return self.layers(x).squeeze(1)
