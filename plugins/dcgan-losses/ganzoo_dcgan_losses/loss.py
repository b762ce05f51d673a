"""The losses, each with its paper. All take logits, which are higher where D takes a sample for real."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo_core import Loss, Turn
from ganzoo_core.losses import NonSaturating, Wasserstein, gradient_penalty
from ganzoo_core.seeds import normal, uniform
from ganzoo_dcgan_losses import DraganConfig, WganDivConfig


class RelativisticAverage(Loss):
    """RaSGAN (arXiv:1807.00734, section 4.2): each logit less the mean of the other kind's."""

    boundary: ClassVar[float | None] = None
    mixes_samples = True

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """-log sigmoid(C(x) - mean C(G(z))) and -log(1 - sigmoid(C(G(z)) - mean C(x)))."""
        real, fake = _relative(turn)
        return {"real": F.softplus(-real).mean(), "fake": F.softplus(fake).mean()}

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """The same with real and fake exchanged."""
        real, fake = _relative(turn)
        return {"real": F.softplus(real).mean(), "fake": F.softplus(-fake).mean()}


class LocalPenalty(NonSaturating):
    """DRAGAN (arXiv:1705.07215, section 2.3): lambda (||∇D(x + δ)|| - 1)² beside the usual game.

    The points are uniform between a real sample and one with normal noise. The paper's noise is as wide as its data
    are; ours is a setting, so that no sample's penalty depends on the others. D is the logit.
    """

    def __init__(self, config: DraganConfig) -> None:
        super().__init__()
        self.penalty, self.noise = config.penalty, config.noise

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """The usual terms, and the penalty times lambda."""
        real = turn.real
        near = real + self.noise * normal(*real.shape, like=real)
        return super().for_discriminator(turn) | {"penalty": self.penalty * gradient_penalty(turn.critic, real, near)}


class WassersteinDivergence(Wasserstein):
    """WGAN-div (arXiv:1712.01026, equation 8): E f(G(z)) - E f(x) + k E ||∇f(x̂)||^p, x̂ between a real and a fake."""

    def __init__(self, config: WganDivConfig) -> None:
        super().__init__()
        self.penalty, self.power = config.penalty, config.power

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """-f(x), f(G(z)), and the penalty times k."""
        mix = uniform(len(turn.real), *[1] * (turn.real.ndim - 1), like=turn.real)
        between = (turn.real + mix * (turn.fake.detach() - turn.real)).requires_grad_()
        (slope,) = torch.autograd.grad(turn.critic(between).sum(), between, create_graph=True)
        norm = slope.float().flatten(1).norm(2, dim=1)  # (N,)
        return super().for_discriminator(turn) | {"penalty": self.penalty * norm.pow(self.power).mean()}


class BoundarySeeking(NonSaturating):
    """BGAN for continuous data (arXiv:1702.08431, section 4): G minimises (log D - log(1 - D))² / 2, of the logit."""

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """Half the square of G's logits: 0 where D is undecided."""
        return {"adversarial": turn.fake_logits.square().mean() / 2}


class BatchSoftmax(Loss):
    """Softmax GAN (arXiv:1704.06191, equations 4 and 5): cross entropies to the softmax over real and fake samples."""

    boundary: ClassVar[float | None] = None
    mixes_samples = True

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """The real samples are to have all of it, an equal share each."""
        return {"softmax": _log_sum(turn) - turn.real_logits.float().mean()}

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """All samples, real or fake, are to have an equal share."""
        every = torch.cat([turn.real_logits, turn.fake_logits]).float()
        return {"softmax": _log_sum(turn) - every.mean()}


def _relative(turn: Turn) -> tuple[Tensor, Tensor]:
    """The logits of both kinds (N, ...), each less the mean of the other."""
    real, fake = turn.real_logits.float(), turn.fake_logits.float()
    return real - fake.mean(), fake - real.mean()


def _log_sum(turn: Turn) -> Tensor:
    """ln Z: the logarithm of the sum over all samples of exp(logit)."""
    return torch.cat([turn.real_logits, turn.fake_logits]).float().flatten().logsumexp(0)
