"""The losses and penalties that several plugins share. All take logits; means are over the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo_core.interfaces import Loss, Turn
from ganzoo_core.seeds import uniform


class NonSaturating(Loss):
    """The GAN loss in practice (arXiv:1406.2661, section 3): the generator maximises log D(G(z)).

    `real_label` below 1 is one-sided label smoothing (arXiv:1606.03498, section 3.4).
    """

    def __init__(self, real_label: float = 1.0) -> None:
        super().__init__()
        self.real_label = real_label

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """-log D(x) and -log(1 - D(G(z))), with log D = logsigmoid(logits)."""
        target = torch.full_like(turn.real_logits, self.real_label)
        return {
            "real": F.binary_cross_entropy_with_logits(turn.real_logits, target),
            "fake": F.softplus(turn.fake_logits).mean(),
        }

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """-log D(G(z))."""
        return {"adversarial": F.softplus(-turn.fake_logits).mean()}


class Minimax(NonSaturating):
    """The zero-sum game itself (arXiv:1406.2661, equation 1): the generator minimises log(1 - D(G(z)))."""

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """log(1 - D(G(z))); its gradient vanishes where D is certain, which is why `NonSaturating` exists."""
        return {"adversarial": -F.softplus(turn.fake_logits).mean()}


class LeastSquares(Loss):
    """LSGAN (arXiv:1611.04076, equation 9): a = 0, b = c = 1."""

    boundary: ClassVar[float | None] = 0.5

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """(D(x) - 1)² / 2 and D(G(z))² / 2."""
        return {
            "real": 0.5 * (turn.real_logits - 1).square().mean(),
            "fake": 0.5 * turn.fake_logits.square().mean(),
        }

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """(D(G(z)) - 1)² / 2."""
        return {"adversarial": 0.5 * (turn.fake_logits - 1).square().mean()}


class Hinge(Loss):
    """The hinge loss (arXiv:1705.02894, also arXiv:1802.05957, equations 16 and 17)."""

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """max(0, 1 - D(x)) and max(0, 1 + D(G(z)))."""
        return {"real": F.relu(1 - turn.real_logits).mean(), "fake": F.relu(1 + turn.fake_logits).mean()}

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """-D(G(z))."""
        return {"adversarial": -turn.fake_logits.mean()}


class Wasserstein(Loss):
    """WGAN (arXiv:1701.07875, algorithm 1): the critic maximises mean f(x) - f(G(z)), the generator mean f(G(z)).

    Means are in float32: bf16 scores near 32 are 0.25 apart, too coarse to log.
    """

    boundary: ClassVar[float | None] = None

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """-f(x) and f(G(z))."""
        return {"real": -turn.real_logits.float().mean(), "fake": turn.fake_logits.float().mean()}

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """-f(G(z))."""
        return {"adversarial": -turn.fake_logits.float().mean()}

    def figures(self, turn: Turn) -> dict[str, Tensor]:
        """The critic's estimate f(x) - f(G(z)) of the Wasserstein distance, up to a Lipschitz factor K (equation 2)."""
        return {"wasserstein_distance": turn.real_logits.float().mean() - turn.fake_logits.float().mean()}


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, *, center: float = 1.0) -> Tensor:
    """The two-sided penalty of WGAN-GP (arXiv:1704.00028, equation 3): a scalar, without its factor lambda.

    The mean over samples of (||∇f(x̂)|| - center)², with the norm per sample and x̂ uniform between real and fake (N,
    *shape), one point per pair. Of patches, f is the mean of a sample's.
    """
    mix = uniform(len(real), *[1] * (real.ndim - 1), like=real)
    between = (real + mix * (fake.detach() - real)).requires_grad_()  # (N, *shape); a bf16 fake is promoted
    (gradient,) = torch.autograd.grad(_score(critic(between)), between, create_graph=True)
    return (gradient.flatten(1).norm(2, dim=1) - center).square().mean()


def r1_penalty(critic: Callable[[Tensor], Tensor], samples: Tensor) -> Tensor:
    """E ||∇D(x)||² at the samples (arXiv:1801.04406, equation 9): a scalar, without its factor gamma / 2.

    R1 on real samples, R2 on fake ones. Of patches, D is the mean of a sample's.
    """
    x = samples.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(_score(critic(x)), x, create_graph=True)
    return gradient.flatten(1).square().sum(dim=1).mean()


def _score(logits: Tensor) -> Tensor:
    """The sum over samples of each one's logit, of patches (N, ...) its mean one."""
    return (logits.flatten(1).mean(dim=1) if logits.ndim > 1 else logits).sum()
