"""StarGAN's game: a critic with a penalty, classes, and the way back (arXiv:1711.09020, section 3.1)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ganzoo_core import Turn
from ganzoo_core.losses import Wasserstein, gradient_penalty
from ganzoo_stargan import StarganConfig


class StarLoss(Wasserstein):
    """Equations 5, 6 and 8."""

    def __init__(self, config: StarganConfig) -> None:
        super().__init__()
        self.config = config

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """-D(x) + D(G(s, c)), the penalty, and -log D(c'|x) of real images' own classes (equations 2, 5 and 8)."""
        c, terms = self.config, super().for_discriminator(turn)
        if c.penalty_weight:
            terms["penalty"] = c.penalty_weight * gradient_penalty(turn.critic, turn.real, turn.fake)
        return terms | {"class": c.class_weight * F.cross_entropy(turn.on_real.class_logits.float(), turn.labels)}

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """-D(G(s, c)), -log D(c|G(s, c)) (equation 3), and what there and back loses: |s - G(G(s, c), c')| (4)."""
        c, terms = self.config, super().for_generator(turn)
        terms["class"] = c.class_weight * F.cross_entropy(turn.on_fake.class_logits.float(), turn.labels)
        if c.cycle_weight:
            back = turn.generate(source=turn.fake, labels=turn.batch["source_labels"])
            terms["cycle"] = c.cycle_weight * F.l1_loss(back, turn.batch["source"])
        return terms
