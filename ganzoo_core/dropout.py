"""Dropout at a quarter of its cost on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Dropout(nn.Dropout):
    """Dropout (arXiv:1207.0580) that draws one random byte for each number, so that p is rounded to 256ths.

    PyTorch's own draws each number by itself from a generator that no two threads can share: a fifth of cgan's step.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x (any shape) with a share p of its numbers zero and the others scaled up; x itself in eval mode."""
        dropped = round(self.p * 256)
        if not self.training or x.device.type != "cpu" or dropped == 256:
            return super().forward(x)
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)  # all 64 bits
        kept = words.view(torch.uint8)[: x.numel()].view(x.shape) >= dropped
        return x * kept.to(x.dtype).mul_(256 / (256 - dropped))
