"""Averaged weights, from which samples are made."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ganzoo_core.interfaces import Networks

EVERY = 4  # steps: to read and write all weights takes a small network some percent of a step


class Averages:
    """Copies of networks whose weights follow those that are trained.

    The average moves by 1 - decay towards the trained weights (arXiv:1806.04498, equation 2). The decay grows to
    `decay`, so that the random weights at the start are soon forgotten: after step k it averages over about the last
    third of k.
    """

    rise = 3.0  # the decay after step k is k / (k + rise), until it is `decay`

    def __init__(self, networks: Networks, names: tuple[str, ...], decay: float) -> None:
        parts = networks.by_name()
        self.decay = decay
        self.modules = {name: copy.deepcopy(parts[name]) for name in (names if decay else ())}
        self._trained = {name: parts[name] for name in self.modules}

    def by_prefix(self) -> dict[str, nn.Module]:
        """The copies by what their tensors are called in a checkpoint: the generator's is just the average."""
        return {f"average{'' if name == 'generator' else f'_{name}'}": module for name, module in self.modules.items()}

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Move after `step` steps, in every fourth of them as far as in four."""
        if step % EVERY:
            return
        decay = min(self.decay, step / (step + self.rise)) ** EVERY
        for name, module in self.modules.items():
            average: list[Tensor] = list(module.parameters())
            torch._foreach_lerp_(average, list(self._trained[name].parameters()), 1 - decay)
            for old, new in zip(module.buffers(), self._trained[name].buffers(), strict=True):
                old.copy_(new)
