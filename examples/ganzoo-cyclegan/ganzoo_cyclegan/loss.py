"""Two adversarial games, bound together by cycles: arXiv:1703.10593, sections 3 and 4. Means are over both domains."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_core import Turn
from ganzoo_core.losses import LeastSquares
from ganzoo_cyclegan import CycleganConfig


class CycleConsistency(LeastSquares):
    """Equation 3 with squares in place of logs (section 4), and identity terms (section 5.2)."""

    def __init__(self, config: CycleganConfig) -> None:
        super().__init__()
        self.config = config
        self.pools = nn.ModuleList()

    def open_pools(self, generator: nn.Module) -> None:
        """Make room for earlier images of this generator's, beside it."""
        if size := self.config.pool_size and max(self.config.pool_size, self.config.batch_size // 2):
            device = next(generator.parameters()).device
            self.pools.extend(ImagePool(size, generator.shape).to(device) for _ in range(2))

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """E (D(real) - 1)² / 2 and E D(fake)² / 2, the fakes from the pools; the half slows D down (section 7.1)."""
        fakes = turn.fake
        if self.pools:  # a batch is in class order
            fakes = torch.cat([pool.exchange(part) for pool, part in zip(self.pools, fakes.chunk(2), strict=True)])
        turn.real_logits, turn.fake_logits = turn.critic(turn.real), turn.critic(fakes)
        return super().for_discriminator(turn)

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """E (D(fake) - 1)², what a cycle loses (equation 2), what is lost on images that need no change."""
        back = turn.generate(source=turn.fake.roll(len(turn.fake) // 2, 0))  # in class order again
        terms = {
            "adversarial": (turn.fake_logits.float() - 1).square().mean(),
            "cycle": self.config.cycle_weight * F.l1_loss(back, turn.real),
        }
        if weight := self.config.cycle_weight * self.config.identity_weight:
            terms["identity"] = weight * F.l1_loss(turn.generate(source=turn.real), turn.real)
        return terms


class ImagePool(nn.Module):
    """The last fakes made, of which D sees some again (arXiv:1612.07828, section 2.3). Buffers, so a run resumes."""

    images: Tensor
    count: Tensor

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def exchange(self, fakes: Tensor) -> Tensor:
        """Put fakes (M, C, H, W) in and give as many out; while the pool fills, the same.

        Then for each at even odds the same, or an earlier one that it replaces: decided on the device, without waiting.
        """
        fakes = fakes.detach().float()
        m, size, device = len(fakes), len(self.images), fakes.device
        filling = self.count < size
        in_turn = (self.count + torch.arange(m, device=device)) % size
        slots = torch.where(filling, in_turn, torch.randperm(size, device=device)[:m])  # no slot twice
        stored = self.images[slots]
        comes_in = (filling | (torch.rand(m, device=device) < 0.5))[:, None, None, None]
        self.images[slots] = torch.where(comes_in, fakes, stored)
        self.count += m
        return torch.where(comes_in & ~filling, stored, fakes)
