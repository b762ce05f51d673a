"""The objective of arXiv:1611.07004, section 3.1."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ganzoo_core import Turn
from ganzoo_core.losses import NonSaturating
from ganzoo_pix2pix import Pix2pixConfig


class Pix2pixLoss(NonSaturating):
    """The conditional GAN's loss (equation 1, non-saturating as in section 3.3) and lambda times L1 (equation 4)."""

    def __init__(self, config: Pix2pixConfig) -> None:
        super().__init__()
        self.l1_weight = config.l1_weight

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """Half of each term, so that D learns more slowly than G (section 3.3)."""
        return {name: term / 2 for name, term in super().for_discriminator(turn).items()}

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """The adversarial term and the weighted distance to the target (equation 3)."""
        return super().for_generator(turn) | {"l1": self.l1_weight * F.l1_loss(turn.fake, turn.real)}
