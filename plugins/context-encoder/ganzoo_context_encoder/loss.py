"""The losses of the context encoder (arXiv:1604.07379, section 3.3) and of CC-GAN (arXiv:1611.06430, section 3.1)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ganzoo_context_encoder import CcganConfig, ContextEncoderConfig
from ganzoo_core import Turn
from ganzoo_core.losses import NonSaturating


class Inpainting(NonSaturating):
    """lambda_rec L_rec + lambda_adv L_adv (equation 3), L_adv in its non-saturating form.

    L_rec (equation 1) is the mean of the squared error over the numbers in the hole. The paper weights a border of 7
    pixels beyond the hole ten times, so that the joint shows less; here what lies beyond is not made at all, but kept.
    """

    def __init__(self, config: ContextEncoderConfig) -> None:
        super().__init__()
        self.config = config

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """The terms "reconstruction", where it counts, and "adversarial"."""
        terms = {"adversarial": self.config.adversarial_weight * super().for_generator(turn)["adversarial"]}
        if self.config.reconstruction_weight:
            is_hole = (turn.batch["source"][:, 3:] < 0).expand_as(turn.real)
            error = (turn.fake - turn.real).square() * is_hole
            terms |= {"reconstruction": self.config.reconstruction_weight * _mean_inside(error, is_hole)}
        return terms


class ContextConditional(Inpainting):
    """The same for the generator; the discriminator also learns the classes of the real pictures.

    All have labels, or none: the paper leaves out most, as it asks how few will do.
    """

    def __init__(self, config: CcganConfig) -> None:
        super().__init__(config)
        self.class_weight = config.class_weight

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """The terms "real" and "fake", and "class" where the data has classes."""
        terms = super().for_discriminator(turn)
        if turn.labels is None or not self.class_weight:
            return terms
        return terms | {"class": self.class_weight * F.cross_entropy(turn.on_real.class_logits, turn.labels)}


def _mean_inside(error: Tensor, is_hole: Tensor) -> Tensor:
    """The mean over samples of each one's mean in its hole."""
    return (error.flatten(1).sum(1) / is_hole.flatten(1).sum(1)).mean()
