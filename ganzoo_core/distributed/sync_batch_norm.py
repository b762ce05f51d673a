"""BatchNorm over the mini-batches of all processes that train a run together."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class SharedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """BatchNorm (arXiv:1502.03167) whose mean and variance are those of the pieces of all processes, of one size each.

    PyTorch's SyncBatchNorm computes on GPUs alone, and its gradient has no gradient. `is_shared`: False while one
    process computes by itself.
    """

    is_shared = True

    def _check_input_dim(self, input: Tensor) -> None:
        """The layer it stands for has no more dimensions than it takes."""

    def forward(self, input: Tensor) -> Tensor:
        """input (N, C, ...) normalised; in eval mode as ever."""
        if not (self.training and self.is_shared):
            return super().forward(input)
        x, dims = input.float(), [0, *range(2, input.ndim)]
        shape = [1, -1] + [1] * (x.ndim - 2)
        mean = _mean(x.mean(dims))  # (C,)
        centred = x - mean.view(shape)
        variance = _mean(centred.square().mean(dims))  # (C,)
        self._remember(mean, variance, x.numel() // x.shape[1] * dist.get_world_size())
        normalised = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the running averages towards what `count` numbers of each channel gave."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        self.running_mean += share * (mean - self.running_mean)
        self.running_var += share * (variance * count / (count - 1) - self.running_var)


def share_batch_norm(network: nn.Module) -> None:
    """Make every BatchNorm layer of PyTorch's a `SharedBatchNorm`; its weights and their names stay."""
    for layer in network.modules():
        if type(layer) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
            layer.__class__ = SharedBatchNorm


class _Sum(torch.autograd.Function):
    """The sum over the processes. Its gradient is the same of the gradients, and can be derived once more."""

    @staticmethod
    def forward(context: Any, numbers: Tensor) -> Tensor:
        total = numbers.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        return _Sum.apply(*gradients)


def _mean(numbers: Tensor) -> Tensor:
    """Their mean over the processes, through which gradients flow to all of them."""
    return _Sum.apply(numbers) / dist.get_world_size()
