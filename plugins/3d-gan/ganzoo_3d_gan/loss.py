"""The game of arXiv:1610.07584, in which the discriminator learns from a batch only while it is not too sure of it."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_3d_gan import Gan3dConfig
from ganzoo_core import Turn
from ganzoo_core.losses import NonSaturating


class Gated(NonSaturating):
    """log D(x) + log(1 - D(G(z))) (equation 1), G's part in the non-saturating form (arXiv:1406.2661).

    The paper updates D where it told at most 80% of the batch before right (section 3.1). Here the batch itself
    decides, and one that is told too well has a loss of 0 in place of no update: nothing waits for the host, and Adam
    goes on by what it has kept of earlier gradients.
    """

    mixes_samples = True  # all of a batch decides whether it counts

    def __init__(self, config: Gan3dConfig) -> None:
        super().__init__()
        self.most_accuracy = config.most_accuracy

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """Both terms, or zeros."""
        gate = (self.accuracy(turn) <= self.most_accuracy).float()
        return {name: gate * term for name, term in super().for_discriminator(turn).items()}

    def figures(self, turn: Turn) -> dict[str, Tensor]:
        """`updated`: 1 where the discriminator learned from the batch."""
        return {"updated": (self.accuracy(turn) <= self.most_accuracy).float()}

    @staticmethod
    def accuracy(turn: Turn) -> Tensor:
        """The share of a batch, real and fake, that the discriminator tells right: a scalar without a gradient."""
        return torch.cat([turn.real_logits.detach() > 0, turn.fake_logits.detach() <= 0]).float().mean()
