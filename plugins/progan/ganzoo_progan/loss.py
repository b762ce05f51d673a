"""What progan and stylegan2 minimise."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import ClassVar

import torch
from torch import Tensor

from ganzoo_core import Turn
from ganzoo_core.losses import NonSaturating, Wasserstein, gradient_penalty, r1_penalty
from ganzoo_core.seeds import normal
from ganzoo_progan import ProganConfig, Stylegan2Config

_LENGTH_DECAY = 0.99


class ProganLoss(Wasserstein):
    """WGAN-GP and a drift, which holds real scores near 0 (arXiv:1710.10196, appendix A.1)."""

    def __init__(self, config: ProganConfig) -> None:
        super().__init__()
        self.penalty_weight, self.drift_weight = config.penalty_weight, config.drift_weight

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """Wasserstein's, lambda times the penalty, and epsilon times the mean square of real scores."""
        for network in (turn.generator, turn.discriminator):
            network.fade.copy_(turn.progress)
        penalty = gradient_penalty(turn.critic, turn.real, turn.fake)
        drift = turn.real_logits.square().mean()
        further = {"penalty": self.penalty_weight * penalty, "drift": self.drift_weight * drift}
        return super().for_discriminator(turn) | further


class Stylegan2Loss(NonSaturating):
    """With R1 and path length (section 3.2), each times the steps between two of its updates (section 3.1)."""

    joins: ClassVar[Mapping[str, str]] = {"length": "mean"}
    length: Tensor

    def __init__(self, config: Stylegan2Config) -> None:
        super().__init__()
        self.r1_factor = config.r1_every * config.r1_weight / 2
        self.path_factor = config.path_every * config.path_weight
        self.register_buffer("length", torch.zeros(()))  # a, the moving average of the lengths

    def r1(self, turn: Turn) -> dict[str, Tensor]:
        """gamma / 2 times R1 (arXiv:1801.04406, equation 9)."""
        return {"r1": self.r1_factor * r1_penalty(turn.critic, turn.real)}

    def path(self, turn: Turn) -> dict[str, Tensor]:
        """Equation 4: (||J_w^T y|| - a)^2 of images y of noise, the norm over a layer's w, in the mean over layers."""
        kind = turn.z.device.type  # the meta device has no autocast
        exact = torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()
        with exact:  # in bf16 its small differences would be lost
            w = turn.generator.styles(turn.z)  # (N, layers, latent_dim)
            fake = turn.generator.synthesis(w)
            noise = normal(*fake.shape, like=fake) / fake[0, 0].numel() ** 0.5
            (product,) = torch.autograd.grad((fake * noise).sum(), w, create_graph=True)
        lengths = product.square().sum(2).mean(1).sqrt()  # (N,)
        self.length.lerp_(lengths.detach().float().mean(), 1 - _LENGTH_DECAY)
        return {"path": self.path_factor * (lengths - self.length).square().mean()}
