"""What binds two domains by their codes. Terms are means over both domains."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ganzoo_core import Turn
from ganzoo_core.losses import LeastSquares, NonSaturating
from ganzoo_unit import MunitConfig, UnitConfig


class SharedLatentLoss(NonSaturating):
    """arXiv:1703.00848, equations 3 to 8, Laplacians for p(x|z): an absolute error is a log likelihood."""

    def __init__(self, config: UnitConfig) -> None:
        super().__init__()
        self.config = config

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """-log D(fake) (5), KL terms and reconstruction (3), the fake's KL term and what a cycle loses (7)."""
        c, generator, noise = self.config, turn.generator, turn.batch["noise"]
        mean = generator.encode(turn.labels, turn.real)
        fake_mean = generator.encode(turn.labels, turn.fake)
        again = generator.decode(turn.labels, mean + noise)
        back = generator.decode(turn.labels, fake_mean + noise, of_other=True)
        return {
            "adversarial": c.adversarial_weight * super().for_generator(turn)["adversarial"],
            "kl": (c.kl_weight + c.cycle_kl_weight) * divergence(mean),  # equations 3 and 7 both have it
            "reconstruction": c.reconstruction_weight * F.l1_loss(again, turn.real),
            "cycle_kl": c.cycle_kl_weight * divergence(fake_mean),
            "cycle": c.cycle_weight * F.l1_loss(back, turn.batch["source"]),
        }


def divergence(mean: Tensor) -> Tensor:
    """KL(N(mean, 1) || N(0, 1)), its mean over all numbers of the codes (N, ...); the paper adds these up."""
    return 0.5 * mean.float().square().mean()


class BothWays(LeastSquares):
    """arXiv:1804.04732, equations 1 to 5, with LSGAN (section 5.1); and the cycle that is augmented with style."""

    def __init__(self, config: MunitConfig) -> None:
        super().__init__()
        self.config = config

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """(D(fake) - 1)² (4), and what is lost of images (1), of contents (2) and of styles (3)."""
        c, generator, half = self.config, turn.generator, len(turn.real) // 2
        content, style = generator.contents(turn.labels, turn.real), generator.styles(turn.labels, turn.real)
        fake_content, fake_style = (
            network(turn.labels, turn.fake) for network in (generator.contents, generator.styles)
        )
        again = generator.decoders(turn.labels, content, style)
        terms = {
            "adversarial": (turn.fake_logits.float() - 1).square().mean(),
            "image": c.image_weight * F.l1_loss(again, turn.real),
            "content": c.content_weight * F.l1_loss(fake_content, content.roll(half, 0)),  # the source's
            "style": c.style_weight * F.l1_loss(fake_style, turn.z),
        }
        if c.cycle_weight:
            back = generator.decoders(turn.labels, fake_content, style.roll(half, 0), of_other=True)
            terms["cycle"] = c.cycle_weight * F.l1_loss(back, turn.batch["source"])
        return terms
