"""A game of energies. An energy L is the mean absolute error of the autoencoder, and the logit is -L."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from ganzoo_core import Loss, Turn
from ganzoo_ebgan import EbganConfig


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


def pulling_away(codes: Tensor) -> Tensor:
    """The mean square cosine of two different codes of (N, D): 0 where all are orthogonal (section 2.4, equation 4)."""
    codes = F.normalize(codes.float(), dim=1)
    n = len(codes)
    squares = (codes @ codes.T).square()
    return (squares.sum() - squares.diagonal().sum()) / max(n * (n - 1), 1)
