"""The hinge loss, and real pictures rebuilt (arXiv:2101.04775, section 3.2)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ganzoo_core import Turn
from ganzoo_core.losses import Hinge
from ganzoo_fastgan import FastganConfig


class RebuildingHinge(Hinge):
    """L_D = hinge + E ||decoded(f) - T(x)|| at real x alone, T making x smaller or a quarter of it (equations 2, 3).

    The mean absolute difference, where the authors' code has a perceptual distance by a trained network.
    """

    def __init__(self, config: FastganConfig) -> None:
        super().__init__()
        self.weight = config.rebuild_weight

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """max(0, 1 - D(x)), max(0, 1 + D(G(z))), and what is missed of whole pictures and of quarters."""
        rebuilt = turn.discriminator.rebuild(turn.on_real)
        return super().for_discriminator(turn) | {
            "whole": self.weight * F.l1_loss(rebuilt.whole.float(), rebuilt.real_whole),
            "quarter": self.weight * F.l1_loss(rebuilt.quarter.float(), rebuilt.real_quarter),
        }
