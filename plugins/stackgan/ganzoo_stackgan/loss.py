"""What the two players of a stage want, and how texts are learned: arXiv:1612.03242, sections 3.2 to 3.4."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo_core import Turn
from ganzoo_core.losses import NonSaturating
from ganzoo_stackgan import StackganConfig

_SHARPNESS = 10.0  # of similarities, which are from -1 to 1


class MatchingAware(NonSaturating):
    """The matching-aware game (GAN-CLS, arXiv:1605.05396, algorithm 1) and the divergence of the conditioning.

    D must also tell a real picture beside another's text for wrong; wrong pairs and fakes count a half each. The terms
    are non-saturating, where equations 2 and 4 have the minimax game.
    """

    mixes_samples = True  # a text is learned against the other texts of its mini-batch

    def __init__(self, config: StackganConfig) -> None:
        super().__init__()
        self.kl_weight = config.kl_weight

    def for_reader(self, turn: Turn) -> dict[str, Tensor]:
        """How well each of the two readers tells the mini-batch's texts and pictures together."""
        seen, text = turn.further["eye"](turn.real), turn.batch["text"]
        return {
            "generator_text": matching(seen, turn.generator.text(text)),
            "discriminator_text": matching(seen, turn.discriminator.text(text)),
        }

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """-log D(x, t), -log(1 - D(G(z, t), t)) / 2 and -log(1 - D(x, other t)) / 2."""
        terms = super().for_discriminator(turn)
        wrong = turn.critic(turn.real, text=turn.batch["other_text"])
        return {"real": terms["real"], "fake": terms["fake"] / 2, "wrong": F.softplus(wrong).mean() / 2}

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """-log D(G(z, t), t), and the divergence times its weight."""
        generator = turn.generator
        mean, log_std = generator.condition.distribution(generator.text(turn.batch["text"]))
        return super().for_generator(turn) | {"kl": self.kl_weight * divergence(mean, log_std)}


def divergence(mean: Tensor, log_std: Tensor) -> Tensor:
    """D_KL(N(mean, std²) || N(0, 1)) of (N, D): the mean over samples and numbers (section 3.2).

    The paper's is the sum over numbers: at weight 1 that left nothing of the text.
    """
    mean, log_std = mean.float(), log_std.float()
    return (mean.square() + (2 * log_std).exp() - 1).sub(2 * log_std).mean() / 2


def matching(seen: Tensor, read: Tensor) -> Tensor:
    """How badly pictures (N, D) and texts (N, D) find each other among N, by their cosines: a scalar.

    The symmetric joint embedding of arXiv:1605.05395, section 3, with the cross entropy (arXiv:1807.03748, equation 4)
    in place of its hinge.
    """
    cosines = F.normalize(seen.float(), dim=1) @ F.normalize(read.float(), dim=1).T  # (N, N)
    right = torch.arange(len(cosines), device=cosines.device)
    logits = _SHARPNESS * cosines
    return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2
