"""Two adversarial games, bound together by cycles: arXiv:1703.10593, sections 3 and 4. Means are over both domains."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo_core import Turn
from ganzoo_core.losses import LeastSquares
from ganzoo_cyclegan import CycleganConfig
from ganzoo_cyclegan.networks import TwoGenerators


class CycleConsistency(LeastSquares):
    """Equation 3 with squares for logs (section 4), identity terms (section 5.2), a pool (arXiv:1612.07828, 2.3)."""

    pool: Tensor
    is_empty: Tensor

    def __init__(self, config: CycleganConfig) -> None:
        super().__init__()
        self.config = config

    def open_pool(self, generator: TwoGenerators) -> None:
        """Make room for earlier images of this generator's, half of it for each class: buffers, so a run resumes."""
        size, like = max(self.config.pool_size, self.config.batch_size // 2), next(generator.parameters())
        self.register_buffer("pool", like.new_zeros(2 * size, *generator.shape))
        self.register_buffer("is_empty", like.new_ones(2 * size, 1, 1, 1, dtype=torch.bool))

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """E (D(real) - 1)² / 2 and E D(fake)² / 2, the fakes from the pool; the half slows D down (section 7.1)."""
        if self.config.pool_size:
            turn.real_logits, turn.fake_logits = turn.critic(turn.real), turn.critic(self.exchange(turn.fake))
        return super().for_discriminator(turn)

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """E (D(fake) - 1)², what a cycle loses (equation 2), what is lost on images that need no change."""
        back = turn.generate(source=turn.fake.roll(len(turn.fake) // 2, 0))  # in class order again
        terms = {"adversarial": (turn.fake_logits.float() - 1).square().mean()}
        terms["cycle"] = self.config.cycle_weight * F.l1_loss(back, turn.real)
        if weight := self.config.cycle_weight * self.config.identity_weight:
            terms["identity"] = weight * F.l1_loss(turn.generate(source=turn.real), turn.real)
        return terms

    def exchange(self, fakes: Tensor) -> Tensor:
        """As many images as `fakes` (N, C, H, W) in class order: earlier ones, at even odds, whose places they take.

        A fake whose place is empty is kept too, and passed on. All is decided on the device, without waiting.
        """
        m, size, device = len(fakes) // 2, len(self.pool) // 2, fakes.device
        places = torch.cat([start + torch.randperm(size, device=device)[:m] for start in (0, size)])
        earlier, is_empty, fakes = self.pool[places], self.is_empty[places], fakes.float()
        comes_in = is_empty | (torch.rand(2 * m, 1, 1, 1, device=device) < 0.5)
        self.pool[places] = torch.where(comes_in, fakes, earlier)
        self.is_empty[places] = False
        return torch.where(comes_in & ~is_empty, earlier, fakes)
