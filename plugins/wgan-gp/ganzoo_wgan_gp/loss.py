"""The critic's loss with the gradient penalty (arXiv:1704.00028, equation 3)."""

from __future__ import annotations

from torch import Tensor

from ganzoo_core import Turn
from ganzoo_core.losses import Wasserstein, gradient_penalty
from ganzoo_wgan_gp import WganGpConfig


class WassersteinGP(Wasserstein):
    """E f(G(z)) - E f(x) + lambda E (||∇f(x̂)|| - 1)², x̂ uniform between a real and a fake sample.

    The config's `penalty` is lambda; None stands for 10 on images, as in the paper, and 0.1 on points and curves.
    """

    def __init__(self, config: WganGpConfig) -> None:
        super().__init__()
        self.penalty = config.penalty

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """-f(x), f(G(z)) and the penalty times lambda."""
        factor = self.penalty
        if factor is None:
            factor = 10.0 if turn.real.ndim == 4 else 0.1  # images are (N, C, H, W), points and curves (N, D)
        return super().for_discriminator(turn) | {
            "penalty": factor * gradient_penalty(turn.critic, turn.real, turn.fake)
        }
