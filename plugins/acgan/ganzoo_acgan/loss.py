"""Which source, and which class: the objectives of arXiv:1610.09585, section 3."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ganzoo_acgan import AcganConfig
from ganzoo_acgan.networks import Verdict
from ganzoo_core import Turn
from ganzoo_core.losses import NonSaturating


class AuxiliaryClassifier(NonSaturating):
    """D maximises L_S + L_C and G maximises L_C - L_S (equations 2 and 3), L_S in its non-saturating form.

    L_C counts the real and the fake samples, each with its weight; the paper's weights are 1. Real samples cost the
    generator nothing, so its L_C is that of the fake ones.
    """

    def __init__(self, config: AcganConfig) -> None:
        super().__init__()
        self.config = config

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """Source terms "real" and "fake", class terms "class_real" and "class_fake"."""
        return super().for_discriminator(turn) | {
            "class_real": self.config.class_on_real * _class_term(turn.on_real, turn.labels),
            "class_fake": self.config.class_on_fake * _class_term(turn.on_fake, turn.labels),
        }

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """The source term "adversarial" and the class term "class"."""
        return super().for_generator(turn) | {
            "class": self.config.class_for_generator * _class_term(turn.on_fake, turn.labels),
        }


def _class_term(verdict: Verdict, labels: Tensor | None) -> Tensor:
    assert labels is not None  # the data has labels: `check_data` has seen to it
    return F.cross_entropy(verdict.class_logits, labels)
