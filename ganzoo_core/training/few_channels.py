"""Convolutions between many channels and a picture's few, as a processor has them sooner than by oneDNN.

A transposed convolution spreads each pixel over a square of pixels. With few channels to spread to, one product gives
all squares, and sums add them up where they belong. The gradient of a convolution with respect to a picture is the
same, and so is a convolution to few channels that keeps the size, by its weight turned about. Its weight's gradient is
then taken as that of a convolution the other way. How much sooner: benchmarks/NOTES.md.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Pair = tuple[int, int]
_FEW, _MANY = 3, 16  # channels at most, and at least so many times as many
_LEAST = 2**17  # numbers of many channels: with fewer, time goes between operators
_LARGEST = 5  # of a square's sides, as there is a sum for each of its pixels
_THREADS = 4  # two were measured: oneDNN gains more by the second


class FewChannels:
    """The convolutions of networks that go from few channels, or to few."""

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        layers = {layer for network in networks for layer in network.modules()}
        found = {layer: _sooner(layer) for layer in layers if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)}
        self._forwards = {layer: forward for layer, forward in found.items() if forward is not None}

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """While it lasts, they compute so."""
        try:
            for layer, forward in self._forwards.items():
                vars(layer)["forward"] = forward
            yield
        finally:
            for layer in self._forwards:
                vars(layer).pop("forward", None)


def new_few_channels(networks: Iterable[nn.Module], device: torch.device) -> Callable[[], Any]:
    """What a step is made in: few channels as above where oneDNN would have them, and as ever everywhere else."""
    is_onednn = device.type == "cpu" and torch.backends.mkldnn.is_available()
    return FewChannels(networks).here if is_onednn else contextlib.nullcontext


def _sooner(layer: nn.Conv2d | nn.ConvTranspose2d) -> Callable[..., Tensor] | None:
    """What computes a layer sooner; None where nothing here does."""
    n_in, n_out = layer.in_channels, layer.out_channels
    if isinstance(layer, nn.ConvTranspose2d):
        fits = n_out <= _FEW and n_in >= _MANY * n_out and _is_plain(layer, nn.ConvTranspose2d)
        return partial(_spread_to_few, layer) if fits else None
    if not _is_plain(layer, nn.Conv2d):
        return None
    if n_in <= _FEW and n_out >= _MANY * n_in:
        return partial(_from_few, layer)
    return partial(_to_few, layer) if n_out <= _FEW and n_in >= _MANY and _keeps_size(layer) else None


def _is_plain(layer: Any, kind: type[nn.Module]) -> bool:
    """Whether a layer computes what its kind does, with none of the options that are not known here."""
    return (
        type(layer).forward is kind.forward
        and "forward" not in vars(layer)
        and (layer.groups, layer.dilation, layer.padding_mode) == (1, (1, 1), "zeros")
        and not isinstance(layer.padding, str)
        and max(layer.kernel_size) > 1
        and all(stride <= size for stride, size in zip(layer.stride, layer.kernel_size, strict=True))
    )


def _keeps_size(layer: Any) -> bool:
    """Whether a convolution gives a picture of the size that it gets, but for a pixel."""
    return layer.stride == (1, 1) and all(
        size - 2 <= 2 * padding <= size for size, padding in zip(layer.kernel_size, layer.padding, strict=True)
    )


def _from_few(layer: nn.Conv2d, x: Tensor) -> Tensor:
    needed = torch.is_grad_enabled() and x.requires_grad and x.ndim == 4
    if not needed or x.shape[2:].numel() * len(x) * layer.out_channels < _LEAST * math.prod(layer.stride):
        return nn.Conv2d.forward(layer, x)
    x, weight, bias = _cast(x, layer.weight, layer.bias)
    way: Any = layer.stride, layer.padding
    made = F.conv2d(x.detach(), weight, bias, *way)
    found: Tensor = _Joined.apply(made, _Path.apply(x, [weight], made.detach(), way))
    return found


def _to_few(layer: nn.Conv2d, x: Tensor) -> Tensor:
    if x.ndim < 4 or x.numel() < _LEAST:
        return nn.Conv2d.forward(layer, x)
    x, weight, bias = _cast(x, layer.weight, layer.bias)
    sides: Any = zip(layer.kernel_size, layer.padding, strict=True)
    padding = tuple(size - 1 - pad for size, pad in sides)
    return _spread_all(x, weight.flip(2, 3).transpose(0, 1), bias, layer.stride, padding, (0, 0))


def _spread_to_few(layer: nn.ConvTranspose2d, x: Tensor, output_size: list[int] | None = None) -> Tensor:
    if x.ndim < 4 or x.numel() < _LEAST or output_size is not None:
        return nn.ConvTranspose2d.forward(layer, x, output_size)
    x, weight, bias = _cast(x, layer.weight, layer.bias)
    return _spread_all(x, weight, bias, layer.stride, layer.padding, layer.output_padding)


def _spread_all(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, beyond: Any) -> Tensor:
    height, width = _spread_size(x, weight, stride, padding)
    found: Tensor = _Spreading.apply(x, weight, bias, stride, padding, (height + beyond[0], width + beyond[1]))
    return found


def _cast(*tensors: Tensor | None) -> list[Any]:
    """As autocast does."""
    if not torch.is_autocast_enabled("cpu"):
        return list(tensors)
    dtype = torch.get_autocast_dtype("cpu")
    return [None if tensor is None else tensor.to(dtype) for tensor in tensors]


class _Joined(torch.autograd.Function):
    """What was made of a picture that was cut off, and the way back to that picture: the gradient goes to both."""

    @staticmethod
    def forward(ctx: Any, made: Tensor, path: Tensor) -> Tensor:
        return made

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return gradients * 2


class _Path(torch.autograd.Function):
    """The way back to a picture, gone where its gradient is asked for. That is why the weight, in a list, is no input.

    Of a penalty's two backward passes, the second asks for the weight's gradient alone.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: list[Tensor], made: Tensor, way: tuple[Pair, Pair]) -> Tensor:
        ctx.weight, ctx.way, ctx.size = weight[0], way, tuple(x.shape[2:])
        return made.new_zeros(()).expand_as(made)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return _Spreading.apply(gradients[0], ctx.weight, None, *ctx.way, ctx.size), None, None, None


class _Spreading(torch.autograd.Function):
    """The transposed convolution of x (N, C, H, W) by a weight (C, c, h, w), c few, to pictures of a size.

    Its gradients have gradients, too.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair, size: Pair
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.way = stride, padding
        is_sooner = len(weight) >= _MANY * weight.shape[1] and max(weight.shape[2:]) <= _LARGEST
        if is_sooner and torch.get_num_threads() <= _THREADS:
            return _spread(x, weight, bias, stride, padding, size)
        least = _spread_size(x, weight, stride, padding)
        beyond = size[0] - least[0], size[1] - least[1]
        found: Tensor = torch.ops.aten.convolution(x, _as(weight, x), bias, stride, padding, (1, 1), True, beyond, 1)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (gradient,), (x, weight), way = gradients, ctx.saved_tensors, ctx.way
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        of_bias = gradient.sum((0, 2, 3)) if needs_bias else None
        gradient, weight = _as(gradient, x), _as(weight, x)
        of_x = F.conv2d(gradient, weight, None, *way) if needs_x else None
        of_weight = None
        if needs_weight:  # as of a convolution of the gradient, whose result has x as its gradient
            mask = False, True, False
            of_weight = torch.ops.aten.convolution_backward(
                x, gradient, weight, None, *way, (1, 1), False, (0, 0), 1, mask
            )[1]
        return of_x, of_weight, of_bias, None, None, None


def _as(tensor: Tensor, many: Tensor) -> Tensor:
    """A tensor in the memory format of one with many channels, so that oneDNN's result is in it as well."""
    is_last = many.is_contiguous(memory_format=torch.channels_last)
    return tensor.to(memory_format=torch.channels_last if is_last else torch.contiguous_format)


def _spread_size(x: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Pair:
    """The height and width of what x (N, C, H, W) spreads to, by a weight (C, c, h, w)."""
    ways = zip(x.shape[2:], weight.shape[2:], stride, padding, strict=True)
    height, width = ((length - 1) * step - 2 * pad + size for length, size, step, pad in ways)
    return height, width


def _spread(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair, size: Pair) -> Tensor:
    """What each pixel of x gives to each of its square, from one product, added up where it belongs.

    A square is cut into tiles as large as the stride, so that no two pixels give to the same place of a tile: there
    are as many sums as tiles, each of whole pictures.
    """
    n, _, rows, columns = x.shape
    (down, right), (few, tall, wide), (top, left) = stride, weight.shape[1:], padding
    tiles_down, tiles_right = -(-tall // down), -(-wide // right)
    weight = F.pad(weight, (0, tiles_right * right - wide, 0, tiles_down * down - tall))
    given = torch.bmm(weight.flatten(1).T.expand(n, -1, -1), x.flatten(2))
    given = given.to(torch.promote_types(given.dtype, torch.float32))
    given = given.view(n, few, tiles_down, down, tiles_right, right, rows, columns)
    high = max(rows + tiles_down - 1, -(-(top + size[0]) // down))
    broad = max(columns + tiles_right - 1, -(-(left + size[1]) // right))
    found = given.new_zeros(n, few, down, right, high, broad)
    if bias is not None:
        found += bias.view(-1, 1, 1, 1, 1)
    for i in range(tiles_down):
        for j in range(tiles_right):
            found[..., i : i + rows, j : j + columns] += given[:, :, i, :, j]
    pictures = x.new_empty(n, few, high, down, broad, right)
    pictures.copy_(found.permute(0, 1, 4, 2, 5, 3))
    return pictures.view(n, few, high * down, broad * right)[..., top : top + size[0], left : left + size[1]]
