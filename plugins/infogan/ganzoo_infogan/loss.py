"""The two losses: the generator is paid for codes that can be read off its samples."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ganzoo_core import Turn
from ganzoo_core.losses import NonSaturating, Wasserstein, gradient_penalty
from ganzoo_infogan import ClusterganConfig, InfoganConfig


class MutualInformation(NonSaturating):
    """min over G and Q, max over D of V(D, G) - lambda L_I(G, Q) (arXiv:1606.03657, equation 6), V non-saturating.

    L_I bounds the mutual information of codes and samples from below: E log Q(c | G(z, c)) + H(c) (equation 5). H(c)
    and the Gaussian's constant move nobody and are left out. Q treats continuous codes as Gaussians with variance 1;
    the paper allows a variance of Q's own.
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


class LatentCycle(Wasserstein):
    """ClusterGAN's game (arXiv:1809.03627, section 3), with q(x) = x and the penalty of arXiv:1704.00028.

    min over G and E, max over D of E q(D(x)) + E q(1 - D(G(z))) + beta_n E ||z_n - E_n(G(z))||² + beta_c E H(z_c,
    E_c(G(z))), for z of a continuous part z_n and a category z_c. The square is a mean over coordinates, as in the
    authors' code, so that beta_n doesn't depend on how many there are.
    """

    def __init__(self, config: ClusterganConfig) -> None:
        super().__init__()
        self.config = config

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """-D(x), D(G(z)) and the penalty (arXiv:1704.00028, equation 3)."""
        penalty = gradient_penalty(turn.critic, turn.real, turn.fake)
        return super().for_discriminator(turn) | {"penalty": self.config.penalty_weight * penalty}

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """-D(G(z)), and what the encoder misses of the latent, the category and the rest."""
        generator, c = turn.generator, self.config
        asked, read = generator.codes(turn.z), generator.codes(generator.encoder(turn.fake).float())
        return super().for_generator(turn) | {
            "category": c.category_weight * F.cross_entropy(read.category, asked.category),
            "noise": c.noise_weight * F.mse_loss(read.continuous, asked.continuous),
        }
