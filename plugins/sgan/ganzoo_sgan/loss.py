"""One class of what is real, or made (arXiv:1606.01583), with few labels known."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo_core import Turn
from ganzoo_core.losses import NonSaturating
from ganzoo_sgan import SganConfig

PRIME = 65521  # the largest below 2^16: what is left of a sum by it is spread evenly


def is_known(real: Tensor, share: float, choice: int = 0) -> Tensor:
    """Whether the label of each picture of `real` (N, C, H, W) in [-1, 1] is used: (N,) bool, a `share` of them.

    A checksum of the picture's own pixels decides, so that it is the same in every batch, epoch, resumed run and seed,
    and with a larger share more pictures come to these.
    """
    pixels = ((real.flatten(1) + 1) * 127.5).round().long()
    place = torch.arange(1, pixels.shape[1] + 1, device=real.device)
    checksum = (pixels * (place * place % PRIME)).sum(1) % PRIME
    return checksum * (30011 + choice) % PRIME < share * PRIME


class SemiSupervised(NonSaturating):
    """D minimises -log p(y | x) where y is known, -log (1 - p(made | x)) where not, and -log p(made | G(z)).

    As -log p(y | x) = -log (1 - p(made | x)) - log p(y | x, not made), the first is "real", which all pictures have,
    and "class". The paper's algorithm 1 has pictures with labels alone, and the rest of them from arXiv:1606.03498,
    equation 9. G minimises -log (1 - p(made | G(z))), where the paper maximises -log p(made | G(z)).
    """

    def __init__(self, config: SganConfig) -> None:
        super().__init__()
        self.config = config

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """-log (1 - p(made | x)), -log p(made | G(z)), and of known labels, as a mean of these, -log p(y | x, real).

        Divided by the share that is known, not by how many a batch happens to hold: a mean over samples.
        """
        assert turn.labels is not None  # the data has labels: `check_data` has seen to it
        errors = F.cross_entropy(turn.on_real.class_logits, turn.labels, reduction="none")
        known = is_known(turn.real, self.config.labelled, self.config.choice)
        mean = (errors * known).mean() / self.config.labelled
        return super().for_discriminator(turn) | {"class": self.config.class_weight * mean}

    def figures(self, turn: Turn) -> dict[str, Tensor]:
        """The share of the batch's pictures with an unused label whose class D tells; 0 where there is none."""
        unknown = ~is_known(turn.real, self.config.labelled, self.config.choice)
        right = (turn.on_real.class_logits.argmax(1) == turn.labels) & unknown
        return {"accuracy_unlabelled": right.sum() / unknown.sum().clamp(min=1)}
