"""The critic for images, without BatchNorm (arXiv:1704.00028); all other networks are those of ganzoo_wgan."""

from __future__ import annotations

from functools import partial

from ganzoo_wgan.networks import flat, strided
from torch import Tensor, nn

from ganzoo_core import Discriminator


class ConvCritic(Discriminator):
    """Strided convolutions with LayerNorm on all but the first, a hidden layer, one score; LeakyReLU 0.2 between.

    No BatchNorm: the penalty is on each sample's own gradient, which must not depend on the batch (section 4).
    GroupNorm with one group is LayerNorm over (C, H, W) with a gain and a bias per channel.
    """

    def __init__(self, shape: tuple[int, ...], channels: int, hidden: int, doublings: int) -> None:
        super().__init__()
        self.shrink, size = strided(shape, channels, doublings, partial(nn.GroupNorm, 1))
        self.hidden = nn.Sequential(nn.Linear(size, hidden), nn.LeakyReLU(0.2))
        self.score = nn.Linear(hidden, 1)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Scores (N,), of no fixed scale, of x (N, *shape); labels are not used."""
        return self.score(self.hidden(flat(self.shrink(x)))).squeeze(1)
