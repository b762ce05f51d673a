"""Adversarial games in two domains, bound together by cycles. Terms are means over both domains."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_core import Turn
from ganzoo_core.blocks import ImagePool
from ganzoo_core.losses import LeastSquares, NonSaturating, Wasserstein
from ganzoo_cyclegan import CycleganConfig, DiscoganConfig, DualganConfig


def there_and_back(turn: Turn) -> Tensor:
    """What became of `turn.real` (N, C, H, W) in the other domain and back in its own."""
    return turn.generate(source=turn.fake.roll(len(turn.fake) // 2, 0))  # in class order again


class CycleConsistency(LeastSquares):
    """arXiv:1703.10593, equation 3 with squares for logs (section 4), identity terms (5.2), a pool of earlier fakes."""

    def __init__(self, config: CycleganConfig) -> None:
        super().__init__()
        self.config = config
        self.pools = nn.ModuleList()

    def open_pools(self, shape: tuple[int, ...], device: torch.device) -> None:
        """Make room for earlier images of that shape, for each class its own."""
        self.pools.extend(ImagePool(self.config.pool_size, shape).to(device) for _ in range(2))

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """E (D(real) - 1)² / 2 and E D(fake)² / 2, the fakes from the pool; the half slows D down (section 7.1)."""
        if self.pools:
            shown = torch.cat([pool(half) for pool, half in zip(self.pools, turn.fake.chunk(2), strict=True)])
            turn.real_logits, turn.fake_logits = turn.critic(turn.real), turn.critic(shown)
        return super().for_discriminator(turn)

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """E (D(fake) - 1)², what a cycle loses (equation 2), what is lost on images that need no change."""
        terms = {"adversarial": (turn.fake_logits.float() - 1).square().mean()}
        if weight := self.config.cycle_weight:
            terms["cycle"] = weight * F.l1_loss(there_and_back(turn), turn.real)
        if weight := self.config.cycle_weight * self.config.identity_weight:
            terms["identity"] = weight * F.l1_loss(turn.generate(source=turn.real), turn.real)
        return terms


class Discovery(NonSaturating):
    """arXiv:1703.05192, equations 3 to 7: d is the squared error. With feature matching, as in the authors' code."""

    mixes_samples = True  # features are matched as means over the batch

    def __init__(self, config: DiscoganConfig) -> None:
        super().__init__()
        self.config = config

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """-log D(fake), the squared difference of mean features (arXiv:1606.03498, section 3.1), what a cycle loses."""
        c = self.config
        terms = {"adversarial": c.adversarial_weight * super().for_generator(turn)["adversarial"]}
        if c.feature_weight:
            terms["features"] = c.feature_weight * apart(turn.on_real.features, turn.on_fake.features)
        if c.cycle_weight:
            terms["cycle"] = c.cycle_weight * F.mse_loss(there_and_back(turn), turn.real)
        return terms


def apart(real: Tensor, fake: Tensor) -> Tensor:
    """The squared distance of the mean features (N, F) of real and fake samples in class order, a mean over classes."""
    means = [torch.stack([half.mean(0) for half in features.chunk(2)]) for features in (real.detach(), fake)]
    return (means[0] - means[1]).square().sum(1).mean()


class DualLearning(Wasserstein):
    """arXiv:1704.02510, equations 1 to 3: critics without logs, whose weights are clipped; L1 of what a cycle loses."""

    def __init__(self, config: DualganConfig) -> None:
        super().__init__()
        self.config = config

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """-D(fake) and lambda times what a cycle loses."""
        terms = super().for_generator(turn)
        if weight := self.config.cycle_weight:
            terms["cycle"] = weight * F.l1_loss(there_and_back(turn), turn.real)
        return terms


@torch.no_grad()
def clip(parameters: list[nn.Parameter], bound: float) -> None:
    """Clip each weight to [-bound, bound]."""
    for parameter in parameters:
        parameter.clamp_(-bound, bound)
