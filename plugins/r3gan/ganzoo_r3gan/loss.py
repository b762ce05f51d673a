"""RpGAN + R1 + R2 (arXiv:2501.05441, section 2)."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

from ganzoo_core import Loss, Turn
from ganzoo_core.losses import r1_penalty
from ganzoo_r3gan import R3ganConfig


class RelativisticPairs(Loss):
    """f(D(fake) - D(real)) with f(t) = -log(1 + e^-t) (equation 2), pair by pair, and penalties at both.

    D is judged by differences alone, so that its scores have no boundary.
    """

    boundary = None

    def __init__(self, config: R3ganConfig) -> None:
        super().__init__()
        self.config = config

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """softplus(-(D(x) - D(G(z)))), gamma / 2 times E ||∇D||² at the real (R1) and at the fake pictures (R2)."""
        half = self.gamma(turn.progress) / 2
        return {
            "pairs": F.softplus(turn.fake_logits - turn.real_logits).mean(),
            "r1": half * r1_penalty(turn.critic, turn.real),
            "r2": half * r1_penalty(turn.critic, turn.fake),
        }

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """softplus(-(D(G(z)) - D(x))): the fake is to look more real than the real one."""
        return {"pairs": F.softplus(turn.real_logits - turn.fake_logits).mean()}

    def gamma(self, progress: Tensor) -> Tensor:
        """From `gamma` to `last_gamma` along half a cosine, `progress` from 0 to 1 (appendix D)."""
        first, last = self.config.gamma, self.config.last_gamma
        return last + (first - last) * (1 + (math.pi * progress).cos()) / 2
