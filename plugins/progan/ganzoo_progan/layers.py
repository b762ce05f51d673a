"""The layers of networks that build a picture level by level."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_core import DataSpec
from ganzoo_core.blocks import halvings
from ganzoo_progan import LevelsConfig


def sides(data: DataSpec) -> list[tuple[int, int]]:
    """(height, width) of each level, the smallest first: halved while both stay whole and at 4 or more."""
    _, height, width = data.shape
    return [(height >> n, width >> n) for n in range(halvings(height, width, least=4), -1, -1)]


def channels(config: LevelsConfig, data: DataSpec) -> list[int]:
    """Of each level: `width`, halved with each doubling beyond `full_side` (arXiv:1710.10196, table 2)."""
    beyond = [((max(side) - 1) // config.full_side).bit_length() for side in sides(data)]
    return [max(1, config.width >> doublings) for doublings in beyond]


def _equalise(layer: nn.Linear | nn.Conv2d, gain: float) -> float:
    """The layer's weights drawn from N(0, 1), its bias 0; what the weights are to be multiplied by when used."""
    nn.init.normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return math.sqrt(gain / layer.weight[0].numel())


class EqualLinear(nn.Linear):
    """A linear layer at an equalised learning rate (arXiv:1710.10196, section 4.1).

    Its weights are drawn from N(0, 1) and scaled when used, by sqrt(gain / inputs): He's scale, which so is also that
    of Adam's steps, and layers learn equally fast however wide they are.
    """

    def __init__(self, n_in: int, n_out: int, gain: float = 2.0) -> None:
        super().__init__(n_in, n_out)
        self.scale = _equalise(self, gain)

    def forward(self, x: Tensor) -> Tensor:
        """(N, n_in) to (N, n_out)."""
        return F.linear(x, self.weight * self.scale, self.bias)


class EqualConv(nn.Conv2d):
    """A convolution at an equalised learning rate, as `EqualLinear`, that keeps the sides."""

    def __init__(self, n_in: int, n_out: int, size: int = 3, gain: float = 2.0, bias: bool = True) -> None:
        super().__init__(n_in, n_out, size, padding=size // 2, bias=bias)
        self.scale = _equalise(self, gain)

    def forward(self, x: Tensor) -> Tensor:
        """(N, n_in, H, W) to (N, n_out, H, W)."""
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


class PixelNorm(nn.Module):
    """Each pixel's vector of features divided by its root mean square (arXiv:1710.10196, section 4.2)."""

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, ...) to the same; z (N, C) to length sqrt(C)."""
        return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def convolved(n_in: int, n_out: int, size: int = 3) -> list[nn.Module]:
    """A convolution and LeakyReLU(0.2)."""
    return [EqualConv(n_in, n_out, size), nn.LeakyReLU(0.2)]


class Spread(nn.Module):
    """One more feature, the same everywhere: the minibatch standard deviation (arXiv:1710.10196, section 3)."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C + 1, H, W): each feature's deviation over the mini-batch, in the mean over them."""
        spread = (x.var(0, correction=0) + 1e-8).sqrt().mean().expand(len(x), 1, *x.shape[2:])
        return torch.cat([x, spread], 1)


def judge(n: int, side: tuple[int, int]) -> nn.Sequential:
    """The end of both discriminators: features (N, n, *side) to (N, 1)."""
    linear = EqualLinear(n * side[0] * side[1], n)
    last = nn.Flatten(), linear, nn.LeakyReLU(0.2), EqualLinear(n, 1, gain=1.0)
    return nn.Sequential(Spread(), *convolved(n + 1, n), *last)


class Blur(nn.Module):
    """The filter [1, 2, 1] / 4 in both directions, 0 beyond the border."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("kernel", row[:, None] * row, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) to the same."""
        return F.conv2d(x, self.kernel.to(x.dtype).expand(x.shape[1], 1, 3, 3), padding=1, groups=x.shape[1])


def up() -> nn.Sequential:
    """Twice the sides, under StyleGAN2's filter [1, 3, 3, 1]: [1, 1] of the doubling, times [1, 2, 1]."""
    return nn.Sequential(nn.Upsample(scale_factor=2), Blur())


def down() -> nn.Sequential:
    """Half the sides, under the same filter."""
    return nn.Sequential(Blur(), nn.AvgPool2d(2))
