"""min over G and Q, max over D of V(D, G) - lambda L_I(G, Q): arXiv:1606.03657, equation 6."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ganzoo_core import Turn
from ganzoo_core.losses import NonSaturating
from ganzoo_infogan import InfoganConfig


class MutualInformation(NonSaturating):
    """V in its non-saturating form, and L_I, which bounds the mutual information of codes and samples from below.

    L_I = E log Q(c | G(z, c)) + H(c) (equation 5). H(c) and the Gaussian's constant move nobody and are left out. Q
    treats continuous codes as Gaussians with variance 1; the paper allows a variance of Q's own.
    """

    def __init__(self, config: InfoganConfig) -> None:
        super().__init__()
        self.info_weight = config.info_weight

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """-log D(G(z, c)), and -log Q of the category and of the continuous codes, each times lambda."""
        asked = turn.generator.codes(turn.z)
        read = turn.discriminator.read(turn.on_fake.features)
        continuous = 0.5 * (read.continuous - asked.continuous).square().sum(dim=1).mean()
        return super().for_generator(turn) | {
            "category": self.info_weight * F.cross_entropy(read.category, asked.category),
            "continuous": self.info_weight * continuous,
        }
