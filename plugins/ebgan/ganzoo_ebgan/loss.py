"""Games of energies. An energy L is the mean absolute error of the autoencoder, and the logit is -L."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo_core import Loss, Turn
from ganzoo_ebgan import BeganConfig, EbganConfig


class EnergyMargin(Loss):
    """EBGAN (arXiv:1609.03126, equations 1, 2 and 4)."""

    boundary: ClassVar[float | None] = None
    mixes_samples = True  # codes of a mini-batch push each other apart

    def __init__(self, config: EbganConfig) -> None:
        super().__init__()
        self.config = config

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """L(x) and max(0, m - L(G(z)))."""
        margin = self.config.margin
        return {"real": -turn.real_logits.float().mean(), "fake": F.relu(margin + turn.fake_logits.float()).mean()}

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """L(G(z)), and the pulling-away term times its weight."""
        terms = {"energy": -turn.fake_logits.float().mean()}
        if weight := self.config.repelling:
            terms["repelling"] = weight * pulling_away(turn.on_fake.code)
        return terms


class Equilibrium(Loss):
    """BEGAN (arXiv:1703.10717, section 3.4): D weighs fakes by k, which rises while their energy is below a part of
    real samples', and falls above.
    """

    boundary: ClassVar[float | None] = None
    joins: ClassVar[Mapping[str, str]] = {"k": "mean"}
    k: Tensor

    def __init__(self, config: BeganConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("k", torch.zeros(()))

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """L(x), and -k L(G(z)); then k becomes k + gain (gamma L(x) - L(G(z))), between 0 and 1."""
        real, fake = -turn.real_logits.float().mean(), -turn.fake_logits.float().mean()
        terms = {"real": real, "fake": -self.k * fake}
        self.k.add_(self.config.gain * (self.config.gamma * real - fake).detach()).clamp_(0, 1)
        return terms

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """L(G(z))."""
        return {"energy": -turn.fake_logits.float().mean()}

    def figures(self, turn: Turn) -> dict[str, Tensor]:
        """`convergence`, L(x) + |gamma L(x) - L(G(z))| (section 3.4.1), which falls as the game goes well; and `k`."""
        real, fake = -turn.real_logits.float().mean(), -turn.fake_logits.float().mean()
        return {"convergence": real + (self.config.gamma * real - fake).abs(), "k": self.k}


def pulling_away(codes: Tensor) -> Tensor:
    """The mean square cosine of two different codes of (N, D): 0 where all are orthogonal (section 2.4, equation 4)."""
    codes = F.normalize(codes.float(), dim=1)
    n = len(codes)
    squares = (codes @ codes.T).square()
    return (squares.sum() - squares.diagonal().sum()) / max(n * (n - 1), 1)
