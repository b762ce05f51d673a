"""The two cycles of arXiv:1711.11586: picture, latent, picture (3.2), and latent, picture, latent (3.3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from ganzoo_bicyclegan import BicycleganConfig
from ganzoo_core import Turn
from ganzoo_core.losses import LeastSquares
from ganzoo_core.seeds import normal


class BicycleganLoss(LeastSquares):
    """Equation 8, its GAN terms as least squares (section 4).

    One discriminator plays both games; the paper found two of them slightly better.
    """

    def __init__(self, config: BicycleganConfig) -> None:
        super().__init__()
        self.config = config

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """Real samples against those of random latents, and of latents that E has read, each half of the fake."""
        with torch.no_grad():
            z, _, _ = _encoded(turn)
        terms = super().for_discriminator(turn)
        encoded = 0.5 * turn.critic(turn.generate(z=z)).square().mean()
        return terms | {"fake": terms["fake"] / 2, "encoded": encoded / 2}

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """cVAE-GAN (equation 4): `encoded`, `l1`, `kl`. cLR-GAN (equation 7): `adversarial`, `latent`."""
        z, mean, log_variance = _encoded(turn)
        again = turn.generate(z=z)
        recovered, _ = _kept_still(turn.further["encoder"], turn.fake)
        return super().for_generator(turn) | {
            "encoded": 0.5 * (turn.critic(again) - 1).square().mean(),
            "l1": self.config.l1_weight * F.l1_loss(again, turn.real),
            "kl": self.config.kl_weight * divergence(mean, log_variance),
            "latent": self.config.latent_weight * F.l1_loss(recovered, turn.z),
        }


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)), summed over coordinates (N, D), its mean over samples (equation 3)."""
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(dim=1).mean()


def _encoded(turn: Turn) -> tuple[Tensor, Tensor, Tensor]:
    """Latents (N, D) from Q(z | real), and its mean and log variance."""
    mean, log_variance = turn.further["encoder"](turn.real)
    return mean + (0.5 * log_variance).exp() * normal(*mean.shape, like=mean), mean, log_variance


def _kept_still(encoder: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """What E says of x, with gradients to x alone: else G and E agree on hidden marks (section 4)."""
    found: tuple[Tensor, Tensor] = functional_call(encoder, {n: p.detach() for n, p in encoder.named_parameters()}, x)
    return found
