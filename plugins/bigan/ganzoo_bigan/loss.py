"""The two games: over pairs of a sample and a latent, and over latents alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo_bigan import AaeConfig
from ganzoo_core import Loss, Turn


class Bidirectional(Loss):
    """BiGAN: V = E_x log D(x, E(x)) + E_z log(1 - D(G(z), z)) (arXiv:1605.09782, equation 3).

    G and E play it with the labels exchanged (section 3.4), which is the non-saturating form.
    """

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """-log D(x, E(x)) and -log(1 - D(G(z), z))."""
        with torch.no_grad():
            code = turn.generator.encoder(turn.real).float()
        turn.real_logits = turn.critic(turn.real, latents=code)
        turn.fake_logits = turn.critic(turn.fake, latents=turn.z)
        return {"real": F.softplus(-turn.real_logits).mean(), "fake": F.softplus(turn.fake_logits).mean()}

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """-log(1 - D(x, E(x))) of the encoder, -log D(G(z), z) of the generator."""
        code = turn.generator.encoder(turn.real).float()
        return {
            "encoder": F.softplus(turn.critic(turn.real, latents=code)).mean(),
            "adversarial": F.softplus(-turn.critic(turn.fake, latents=turn.z)).mean(),
        }


class AdversarialPrior(Loss):
    """The adversarial autoencoder (arXiv:1511.05644, section 2): what is rebuilt, and a game over the latents.

    Here "real" is a latent of the prior, and "fake" one that the encoder gives. The paper updates for the one and for
    the other in turn, with an optimizer each; here encoder and decoder make one update for both.
    """

    def __init__(self, config: AaeConfig) -> None:
        super().__init__()
        self.reconstruction_weight = config.reconstruction_weight

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """-log D(z) and -log(1 - D(E(x)))."""
        with torch.no_grad():
            code = turn.generator.encoder(turn.real).float()
        turn.real_logits = turn.critic(turn.real, latents=turn.z)
        turn.fake_logits = turn.critic(turn.real, latents=code)
        return {"real": F.softplus(-turn.real_logits).mean(), "fake": F.softplus(turn.fake_logits).mean()}

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """-log D(E(x)), and the squared error of the decoder's G(E(x)), a mean over all its numbers."""
        code = turn.generator.encoder(turn.real).float()
        return {
            "adversarial": F.softplus(-turn.critic(turn.real, latents=code)).mean(),
            "reconstruction": self.reconstruction_weight * F.mse_loss(turn.generate(z=code), turn.real),
        }
