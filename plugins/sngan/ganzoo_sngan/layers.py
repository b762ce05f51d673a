"""The layers of residual GANs."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

Wrap = Callable[[nn.Module], nn.Module]  # what is done to each layer: `spectral`, or `plain`


def plain(layer: nn.Module) -> nn.Module:
    """The layer as it is."""
    return layer


def spectral(layer: nn.Module) -> nn.Module:
    """The layer, its weight divided by its largest singular value (arXiv:1802.05957, section 2.1 and algorithm 1)."""
    return spectral_norm(layer)


def convolution(n_in: int, n_out: int, size: int = 3, gain: float = 1.0) -> nn.Conv2d:
    """A convolution that keeps the sides, its weights from Glorot and Bengio's uniform distribution."""
    layer = nn.Conv2d(n_in, n_out, size, padding=size // 2)
    nn.init.xavier_uniform_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


class CodedNorm(nn.Module):
    """BatchNorm whose scale and shift are linear in a code (N, code_dim), or learned where `code_dim` is 0.

    Of a one-hot class it is arXiv:1707.00683's; of an embedding and a part of z arXiv:1809.11096's (appendix B).
    """

    def __init__(self, channels: int, code_dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=not code_dim)
        self.linear = nn.Linear(code_dim, 2 * channels, bias=False) if code_dim else None
        if self.linear is not None:
            nn.init.normal_(self.linear.weight, std=0.02)

    def forward(self, x: Tensor, code: Tensor | None) -> Tensor:
        """x (N, channels, H, W) normalised, scaled and shifted."""
        if self.linear is None:
            return self.norm(x)
        scale, shift = self.linear(code)[:, :, None, None].chunk(2, dim=1)  # (N, channels, 1, 1) each
        return torch.addcmul(shift, self.norm(x), 1 + scale)


class UpBlock(nn.Module):
    """Norm, ReLU, twice the sides, convolution, norm, ReLU, convolution, beside a short cut (arXiv:1802.05957, B.4)."""

    def __init__(self, n_in: int, n_out: int, code_dim: int, wrap: Wrap) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = CodedNorm(n_in, code_dim), CodedNorm(n_out, code_dim)
        self.conv_1 = wrap(convolution(n_in, n_out, gain=2**0.5))
        self.conv_2 = wrap(convolution(n_out, n_out, gain=2**0.5))
        self.skip = wrap(convolution(n_in, n_out, 1))

    def forward(self, x: Tensor, code: Tensor | None) -> Tensor:
        """(N, n_in, H, W) to (N, n_out, 2H, 2W)."""
        h = self.conv_1(F.interpolate(F.relu(self.norm_1(x, code)), scale_factor=2))
        h = self.conv_2(F.relu(self.norm_2(h, code)))
        return h + F.interpolate(self.skip(x), scale_factor=2)  # 1x1 before as after, at a quarter of the work


class DownBlock(nn.Module):
    """ReLU, convolution, ReLU, convolution, perhaps half the sides, beside a short cut (arXiv:1802.05957, B.4).

    The first block of a discriminator takes pictures, and begins without a ReLU.
    """

    def __init__(self, n_in: int, n_out: int, wrap: Wrap, *, halves: bool = True, is_first: bool = False) -> None:
        super().__init__()
        self.halves, self.is_first = halves, is_first
        self.conv_1 = wrap(convolution(n_in, n_out, gain=2**0.5))
        self.conv_2 = wrap(convolution(n_out, n_out, gain=2**0.5))
        self.skip = wrap(convolution(n_in, n_out, 1)) if halves or n_in != n_out else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, n_in, H, W) to (N, n_out, H/2, W/2), or of the same sides."""
        h = self.conv_2(F.relu(self.conv_1(x if self.is_first else F.relu(x))))
        h, x = (F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)) if self.halves else (h, x)
        return h + (x if self.skip is None else self.skip(x))


class Attention(nn.Module):
    """Self-attention over places (arXiv:1805.08318, equations 1 to 3): x + gamma * o, gamma 0 at first.

    Queries and keys have an eighth of the channels, values half; keys and values are max-pooled (the paper's code).
    """

    def __init__(self, channels: int, wrap: Wrap) -> None:
        super().__init__()
        small, half = max(1, channels // 8), max(1, channels // 2)
        self.query, self.key = (wrap(convolution(channels, small, 1)) for _ in range(2))
        self.value, self.out = wrap(convolution(channels, half, 1)), wrap(convolution(half, channels, 1))
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to the same."""
        query = self.query(x).flatten(2)  # (N, C/8, HW)
        key, value = (F.max_pool2d(part(x), 2).flatten(2) for part in (self.key, self.value))  # (N, ..., HW/4)
        beta = (query.transpose(1, 2) @ key).float().softmax(dim=2).to(value.dtype)  # (N, HW, HW/4)
        seen = (value @ beta.transpose(1, 2)).unflatten(2, x.shape[2:])  # (N, C/2, H, W)
        return x + self.gamma * self.out(seen)
