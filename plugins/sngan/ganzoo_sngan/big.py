"""What BigGAN adds (arXiv:1809.11096): z in parts, shared embeddings, orthogonal weights, truncation."""

from __future__ import annotations

from statistics import NormalDist

import torch
from torch import Tensor, nn

from ganzoo_core import DataSpec, Generator, Turn
from ganzoo_core.blocks import halvings, one_hot
from ganzoo_core.losses import Hinge
from ganzoo_sngan import BigganConfig
from ganzoo_sngan.layers import plain, spectral
from ganzoo_sngan.networks import UpBlocks


class BigganGenerator(Generator):
    """The blocks of sagan; each one's BatchNorms go by its own part of z and the class's embedding (figure 15)."""

    def __init__(self, config: BigganConfig, data: DataSpec) -> None:
        super().__init__()
        self.latent_dim, self.num_classes = config.latent_dim, data.num_classes
        blocks = halvings(*data.shape[1:], least=4)
        part = self.latent_dim // (blocks + 1)
        self.parts = [self.latent_dim - blocks * part, *[part] * blocks]
        self.embedding = nn.Linear(self.num_classes, config.class_dim, bias=False)
        wrap = spectral if config.spectral_generator else plain
        self.body = UpBlocks(config, data, self.parts[0] + config.class_dim, part + config.class_dim, wrap)

    def latent(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, latent_dim), standard normal; with `truncation` t, of its part between -t and t (section 3.1)."""
        t = self.sampling.truncation if self.sampling is not None else 0.0
        if not t:
            return super().latent(n, rng)
        share = NormalDist().cdf(t) - 0.5
        places = torch.rand(n, self.latent_dim, generator=rng, device=rng.device, dtype=torch.float64)
        return torch.special.ndtri(0.5 + (2 * places - 1) * share).float().clamp(-t, t)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, C, H, W) in [-1, 1] from z (N, latent_dim) and labels (N,)."""
        embedded = self.embedding(one_hot(labels, self.num_classes, z))  # (N, class_dim)
        first, *codes = (torch.cat([part, embedded], dim=1) for part in z.split(self.parts, dim=1))
        return self.body(first, codes)


class OrthogonalHinge(Hinge):
    """The hinge loss, and the generator's weights kept near orthogonal (equation 3), all but the embedding."""

    def __init__(self, config: BigganConfig) -> None:
        super().__init__()
        self.weight = config.orthogonal_weight

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """-D(G(z)) and beta ||W Wᵀ ⊙ (1 - I)||², summed over the layers."""
        terms = super().for_generator(turn)
        if self.weight:
            terms["orthogonal"] = self.weight * self.unlikeness(turn.generator)
        return terms

    @staticmethod
    def unlikeness(generator: nn.Module) -> Tensor:
        """How far the rows of each layer's weight are from orthogonal to one another."""
        total = torch.zeros(())
        for name, parameter in generator.named_parameters():
            if parameter.ndim > 1 and not name.startswith("embedding."):
                rows = parameter.float().flatten(1)
                total = total.to(rows.device) + (rows @ rows.T).fill_diagonal_(0.0).square().sum()
        return total
