"""Two adversarial games, bound together by cycles: arXiv:1703.10593, sections 3 and 4."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_core import Loss, Turn
from ganzoo_cyclegan.networks import TwoGenerators


class CycleConsistency(Loss):
    """Equation 3 with squares in place of logs (section 4), and identity terms (section 5.2).

    Terms end in _x where they judge or make images of the first class, in _y for the second.
    """

    boundary: ClassVar[float | None] = 0.5

    def __init__(self, cycle_weight: float, identity_weight: float) -> None:
        super().__init__()
        self.cycle_weight = cycle_weight
        self.identity_weight = identity_weight
        self.pools = nn.ModuleList()

    def open_pools(self, size: int, generator: TwoGenerators) -> None:
        """Make room for `size` earlier fakes of each domain, as large as the generator's images and beside them."""
        like = generator.sources
        self.pools = nn.ModuleList([ImagePool(size, tuple(like.shape[2:])) for _ in range(2)]).to(like.device)

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """E (D(real) - 1)² / 2 and E D(fake)² / 2, the fakes from the pools; the half slows D down (section 7.1)."""
        x, y, both = unpaired(turn)
        with torch.no_grad():
            made = [into(other) for into, other in zip(turn.generator.into, (y, x), strict=True)]
        real = [judge(image) for judge, image in zip(turn.discriminator.of, (x, y), strict=True)]
        fakes = [pool.exchange(fake) for pool, fake in zip(self.pools, made, strict=True)]
        fake = [judge(image) for judge, image in zip(turn.discriminator.of, fakes, strict=True)]
        turn.real_logits, turn.fake_logits = _logits(real), _logits(fake)  # what the record tells D's balance from
        return {
            name: 0.5 * both * term
            for name, term in {
                "real_x": _distance(real[0], 1.0),
                "real_y": _distance(real[1], 1.0),
                "fake_x": _distance(fake[0], 0.0),
                "fake_y": _distance(fake[1], 0.0),
            }.items()
        }

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """E (D(fake) - 1)², what a cycle loses (equation 2), what is lost on images that need no change."""
        x, y, both = unpaired(turn)
        turn.generator.remember(x, y, both)
        into_x, into_y = turn.generator.into
        on_x, on_y = turn.discriminator.of
        fake_x, fake_y = into_x(y), into_y(x)
        terms = {
            "adversarial_x": _distance(on_x(fake_x), 1.0),
            "adversarial_y": _distance(on_y(fake_y), 1.0),
            "cycle_x": self.cycle_weight * F.l1_loss(into_x(fake_y), x),
            "cycle_y": self.cycle_weight * F.l1_loss(into_y(fake_x), y),
        }
        if self.identity_weight:
            terms["identity_x"] = self.identity_weight * F.l1_loss(into_x(x), x)
            terms["identity_y"] = self.identity_weight * F.l1_loss(into_y(y), y)
        return {name: both * term for name, term in terms.items()}


class ImagePool(nn.Module):
    """The last fakes made, of which D sees some again (arXiv:1612.07828, section 2.3). Buffers, so a run resumes."""

    images: Tensor
    count: Tensor

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def exchange(self, fakes: Tensor) -> Tensor:
        """Put fakes (M, C, H, W) in, M at most `size`, and give as many out.

        While it fills, the same. Once it is full, for each at even odds the same, or an earlier one that it replaces.
        Which it is, is decided on the device: reading `count` would make training wait.
        """
        if self.size == 0:
            return fakes
        fakes = fakes.detach().float()
        m, device = len(fakes), fakes.device
        filling = self.count < self.size
        in_turn = (self.count + torch.arange(m, device=device)) % self.size
        slots = torch.where(filling, in_turn, torch.randperm(self.size, device=device)[:m])  # no slot twice
        stored = self.images[slots]
        comes_in = (filling | (torch.rand(m, device=device) < 0.5))[:, None, None, None]
        self.images[slots] = torch.where(comes_in, fakes, stored)
        self.count += m
        return torch.where(comes_in & ~filling, stored, fakes)


def unpaired(turn: Turn) -> tuple[Tensor, Tensor, Tensor]:
    """Half a batch of each domain, (N // 2, C, H, W) twice, and whether both are there, a scalar of bool.

    A batch holds both as chance would have it. Images of the rarer one come again and some of the other are left out,
    so that shapes are the same at every step. Where one is missing altogether, the step's terms are 0.
    """
    assert turn.labels is not None  # the data has labels: `check_data` has seen to it
    n, places = len(turn.labels), torch.arange(len(turn.labels) // 2, device=turn.labels.device)
    order = turn.labels.argsort(stable=True)
    n_y = turn.labels.sum()
    n_x = n - n_y
    x = turn.real[order[places % n_x.clamp(min=1)]]
    y = turn.real[order[(n_x + places % n_y.clamp(min=1)).clamp(max=n - 1)]]
    return x, y, (n_x > 0) & (n_y > 0)


def _distance(patches: Tensor, target: float) -> Tensor:
    return (patches.float() - target).square().mean()


def _logits(patches: list[Tensor]) -> Tensor:
    """One logit for each image of both domains, (N,)."""
    return torch.cat(patches).flatten(1).mean(1)
