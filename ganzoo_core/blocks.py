"""Building blocks of networks: one-hot labels, a residual block, a U-Net, a PatchGAN, an image pool."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from statistics import NormalDist
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from ganzoo_core.errors import ContractError

Norm = Callable[[int], nn.Module]  # what makes a normalisation for so many channels; nn.Identity makes none
Padding = Literal["zeros", "reflect", "replicate", "circular"]
Network = TypeVar("Network", bound=nn.Module)
_SLOW_BELOW = 32 * 32  # pixels, where PyTorch takes its other way
_WEIGHTED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.Conv3d, nn.ConvTranspose3d)


class InstanceNorm(nn.GroupNorm):
    """What `instance_norm` gives: on a CPU, pictures in channels_last are normalised as contiguous ones.

    Below 32x32, and for the gradient of any size, PyTorch is many times as quick so (benchmarks/NOTES.md).
    """

    def __init__(self, channels: int, affine: bool = False) -> None:
        super().__init__(channels, channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """x with mean 0 and variance 1 in each channel of each picture, in the memory format of x."""
        is_last = not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)
        if not (is_last and x.device.type == "cpu" and (x.requires_grad or x.shape[2:].numel() < _SLOW_BELOW)):
            return super().forward(x)
        return super().forward(x.contiguous()).contiguous(memory_format=torch.channels_last)


def instance_norm(channels: int, affine: bool = False) -> nn.GroupNorm:
    """Instance normalisation (arXiv:1607.08022) of pictures (N, C, H, W), as groups of one channel each.

    On a CPU `nn.InstanceNorm2d` has wrong gradients of a single image (PyTorch 2.14), and `nn.GroupNorm` takes many
    times as long.
    """
    return InstanceNorm(channels, affine)


def normal_weights(network: Network, std: float = 0.02) -> Network:
    """The network itself, the weights of its layers drawn from N(0, std) and their biases 0 (arXiv:1511.06434, 3).

    Scales and shifts of normalisations stay at 1 and 0.
    """
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, 0.0, std)
    for layer in network.modules():
        if isinstance(layer, _WEIGHTED) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return network


def halvings(height: int, width: int, least: int = 1) -> int:
    """How often both sides halve without remainder and stay at `least` or more: 2 for 28x28, 6 for 64x64."""
    count = 0
    while height % 2 == width % 2 == 0 and min(height, width) >= 2 * least:
        height, width, count = height // 2, width // 2, count + 1
    return count


def one_hot(labels: Tensor | None, num_classes: int, like: Tensor) -> Tensor:
    """(N, num_classes) of labels (N,), of the type and on the device of `like`.

    By comparison, since `F.one_hot` reads the labels on the host to check them, which a CUDA graph can't.
    """
    assert labels is not None  # a conditional variant's data has labels: `check_data` has seen to it
    return (labels[:, None] == torch.arange(num_classes, device=like.device)).to(like.dtype)


class Residual(nn.Sequential):
    """Layers whose output is added to their input (arXiv:1512.03385)."""

    def forward(self, x: Tensor) -> Tensor:
        """x (N, ...) changed a little, of the same shape."""
        return x + super().forward(x)


def residual_block(
    channels: int,
    norm: Norm = instance_norm,
    activation: Callable[[], nn.Module] = nn.ReLU,
    padding_mode: Padding = "zeros",
) -> Residual:
    """Convolution 3x3, normalisation, activation, convolution 3x3, normalisation; (N, channels, H, W) to the same.

    arXiv:1703.10593's with `padding_mode="reflect"`; arXiv:1609.04802's with `norm=nn.BatchNorm2d` and
    `activation=nn.PReLU`; arXiv:1711.09020's with `norm=partial(instance_norm, affine=True)`.
    """
    layer = partial(nn.Conv2d, channels, channels, 3, padding=1, padding_mode=padding_mode, bias=norm is nn.Identity)
    return Residual(layer(), norm(channels), activation(), layer(), norm(channels))


class PatchDiscriminator(nn.Sequential):
    """PatchGAN (arXiv:1611.07004, sections 3.2 and 6.1.2): a logit for each patch, (N, colours, H, W) to (N, 1, h, w).

    C(width), C(2 width), ..., at most C(8 width): convolutions 4x4, of stride 2 in the first `layers` and of stride 1
    in one more, LeakyReLU(0.2), normalisation in all but the first; then a convolution to one channel. Patches are 16,
    34, 70 or 142 pixels wide for `layers` 1 to 4, and a picture must be `PatchDiscriminator.least_side(layers)` wide.
    """

    def __init__(self, colours: int, width: int = 64, layers: int = 3, norm: Norm = instance_norm) -> None:
        layer = partial(nn.Conv2d, kernel_size=4, padding=1)
        parts: list[nn.Module] = [layer(colours, width, stride=2), nn.LeakyReLU(0.2)]
        widths = [width * min(2**number, 8) for number in range(layers + 1)]
        for number, (n_in, n_out) in enumerate(pairwise(widths), start=1):
            stride = 2 if number < layers else 1
            parts += [layer(n_in, n_out, stride=stride, bias=norm is nn.Identity), norm(n_out), nn.LeakyReLU(0.2)]
        super().__init__(*parts, layer(widths[-1], 1))
        normal_weights(self)

    @staticmethod
    def least_side(layers: int) -> int:
        """The least side of pictures that so many layers of stride 2 leave a logit of: 6, 12, 24, 48."""
        return 3 << layers


class ImagePool(nn.Module):
    """Earlier fakes of a generator, shown to its discriminator among the new ones (arXiv:1612.07828, section 2.3).

    A part of the loss, for `size` images of `shape`: they are buffers, so that a run that was resumed ends bit for bit
    as one that was not. All is decided on the device, without waiting for it.
    """

    images: Tensor
    is_empty: Tensor

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("is_empty", torch.ones(size, *(1 for _ in shape), dtype=torch.bool))

    @torch.no_grad()
    def forward(self, fakes: Tensor) -> Tensor:
        """As many images as `fakes` (N, *shape), detached: at even odds, earlier ones, whose places the new ones take.

        While a place is empty, a fake is kept there and passed on, too. What is more than `size` passes by.
        """
        n = min(len(fakes), len(self.images))
        places = torch.randperm(len(self.images), device=fakes.device)[:n]
        new, earlier, is_empty = fakes[:n].float(), self.images[places], self.is_empty[places]
        comes_in = is_empty | (torch.rand(is_empty.shape, device=fakes.device) < 0.5)
        self.images[places] = torch.where(comes_in, new, earlier)
        self.is_empty[places] = False
        return torch.cat([torch.where(comes_in & ~is_empty, earlier, new), fakes[n:].float()])


class UNet(nn.Module):
    """An encoder and a decoder whose layers are joined across (arXiv:1505.04597; arXiv:1611.07004, section 6.1.1).

    (N, n_in, H, W) to (N, n_out, H, W) in [-1, 1], H and W multiples of 2^depth: `depth=halvings(height, width)` goes
    down to one pixel where the sides are powers of two. C(width), C(2 width), ..., at most C(8 width): convolutions
    4x4 of stride 2 and LeakyReLU(0.2), and back with transposed ones and ReLU. Neither the first layer nor the
    innermost is normalised.

    With `dropout`, `noise` (N, noise_dim) from N(0, 1) says which channels of the first three layers of the decoder are
    dropped: a share of `dropout`. The paper drops single numbers, by chance in the layer itself; of noise from outside
    the same latent makes the same picture, of any size.
    """

    def __init__(
        self, n_in: int, n_out: int, width: int = 64, depth: int = 8, norm: Norm = nn.BatchNorm2d, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ContractError("parts", f"depth of a UNet must be at least 1, but is {depth}: its sides must halve")
        widths = [width * min(2**number, 8) for number in range(depth)]
        self.down = nn.ModuleList([_down(n_in, width, nn.Identity)])
        for number, (a, b) in enumerate(pairwise(widths), start=2):
            self.down.append(_down(a, b, norm if number < depth else nn.Identity))
        self.up = nn.ModuleList()
        for level in range(depth - 1, 0, -1):  # all but the innermost get the encoder's channels too
            self.up.append(_up(widths[level] * (1 if level == depth - 1 else 2), widths[level - 1], norm))
        last = nn.ConvTranspose2d(width * (1 if depth == 1 else 2), n_out, 4, stride=2, padding=1)
        self.last = nn.Sequential(last, nn.Tanh())
        self.dropout, self.dropped = dropout, widths[-2::-1][:3] if dropout else []
        self.noise_dim = sum(self.dropped)
        normal_weights(self)

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Pictures made of x; without `noise` nothing is dropped."""
        skips: list[Tensor] = []
        for down in self.down:
            skips.append(down(x if not skips else skips[-1]))
        x = skips.pop()
        masks = [] if noise is None or not self.dropped else self._masks(noise)
        for number, up in enumerate(self.up):
            x = up(x)
            x = x * masks[number] if number < len(masks) else x
            x = torch.cat([x, skips.pop()], dim=1)
        return self.last(x)

    def _masks(self, noise: Tensor) -> list[Tensor]:
        """For each layer with dropout (N, C, 1, 1): 0, or what keeps the mean where others are 0."""
        kept = noise > NormalDist().inv_cdf(self.dropout)
        scaled = (kept / (1 - self.dropout)).to(noise.dtype)[:, :, None, None]
        return list(scaled.split(self.dropped, dim=1))


def _down(n_in: int, n_out: int, norm: Norm) -> nn.Sequential:
    layer = nn.Conv2d(n_in, n_out, 4, stride=2, padding=1, bias=norm is nn.Identity)
    return nn.Sequential(layer, norm(n_out), nn.LeakyReLU(0.2))


def _up(n_in: int, n_out: int, norm: Norm) -> nn.Sequential:
    layer = nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1, bias=norm is nn.Identity)
    return nn.Sequential(layer, norm(n_out), nn.ReLU())
