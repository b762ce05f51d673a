"""Residual generators and patch discriminators (arXiv:1703.10593, section 7.2), two of each in one module.

In the paper's letters X is the first class, label 0, and Y the second; F makes X of Y, and G makes Y of X.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganzoo_core import Discriminator, Generator

SOURCES = 32  # images of each domain that a generator carries along, to be sampled from


class TwoGenerators(Generator):
    """`into[label]` makes an image of that class from one of the other.

    A sample is a translation, so it needs an image to begin with: the generator keeps the first images it was trained
    on, and a latent is one of them from each domain.
    """

    sources: Tensor
    seen: Tensor

    def __init__(self, shape: tuple[int, ...], channels: int, blocks: int) -> None:
        super().__init__()
        self.into = nn.ModuleList([Translator(shape[0], channels, blocks) for _ in range(2)])
        self.register_buffer("sources", torch.zeros(2, SOURCES, *shape, dtype=torch.uint8))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def latent(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw pairs (n, 2, C, H, W) float32 in [-1, 1] from the kept images, each once before any comes again."""
        rounds = [torch.randperm(SOURCES, generator=rng, device=rng.device) for _ in range(0, n, SOURCES)]
        drawn = self.sources.to(rng.device)[:, torch.cat(rounds)[:n]]
        return drawn.transpose(0, 1).float() / 127.5 - 1

    def remember(self, x: Tensor, y: Tensor, both: Tensor) -> None:
        """Keep images x and y (M, C, H, W) in [-1, 1] as sources until there are enough; repeated, they fill the rest.

        Nothing is kept where `both`, a scalar of bool, is false. It and the number seen are never read on the host.
        """
        slots = torch.arange(SOURCES, device=x.device)
        kept = (slots < self.seen) | ~both
        fresh = ((torch.stack([x, y]) + 1) * 127.5).round().to(torch.uint8)[:, (slots - self.seen) % len(x)]
        self.sources.copy_(torch.where(kept[:, None, None, None], self.sources, fresh))
        self.seen += len(x) * both

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, C, H, W) in [-1, 1] of the classes `labels` (N,): of each pair z (N, 2, C, H, W) the other image,
        translated.
        """
        assert labels is not None  # the data has labels: `check_data` has seen to it
        first, second = self.into[0](z[:, 1]), self.into[1](z[:, 0])
        return torch.where((labels == 0)[:, None, None, None], first, second)


class Translator(nn.Sequential):
    """c7s1-k, d2k, d4k, residual blocks, u2k, uk, c7s1-colours: reflected borders, instance normalisation, ReLU."""

    def __init__(self, colours: int, channels: int, blocks: int) -> None:
        k = channels
        super().__init__(
            *(nn.Conv2d(colours, k, 7, padding=3, padding_mode="reflect", bias=False), *_normed(k)),
            *(nn.Conv2d(k, 2 * k, 3, stride=2, padding=1, bias=False), *_normed(2 * k)),
            *(nn.Conv2d(2 * k, 4 * k, 3, stride=2, padding=1, bias=False), *_normed(4 * k)),
            *(Residual(4 * k) for _ in range(blocks)),
            *(nn.ConvTranspose2d(4 * k, 2 * k, 3, 2, padding=1, output_padding=1, bias=False), *_normed(2 * k)),
            *(nn.ConvTranspose2d(2 * k, k, 3, 2, padding=1, output_padding=1, bias=False), *_normed(k)),
            *(nn.Conv2d(k, colours, 7, padding=3, padding_mode="reflect"), nn.Tanh()),
        )
        self.apply(initialise)


class Residual(nn.Module):
    """Two 3x3 convolutions whose output is added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=False),
            *_normed(channels),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=False),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) changed a little."""
        return x + self.layers(x)


class Verdict(NamedTuple):
    """`logits` (N,) are the means of `patches` (N, 1, h, w), one score for each patch of an image."""

    logits: Tensor
    patches: Tensor


class TwoDiscriminators(Discriminator):
    """`of[label]` tells real images of that class from made ones."""

    def __init__(self, shape: tuple[int, ...], channels: int, layers: int) -> None:
        super().__init__()
        self.of = nn.ModuleList([patch_discriminator(shape[0], channels, layers) for _ in range(2)])

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Verdict:
        """What the discriminators of the classes `labels` (N,) say of x (N, C, H, W)."""
        assert labels is not None  # the data has labels: `check_data` has seen to it
        first, second = (judge(x) for judge in self.of)
        patches = torch.where((labels == 0)[:, None, None, None], first, second)
        return Verdict(patches.flatten(1).mean(1), patches)


def patch_discriminator(colours: int, channels: int, layers: int) -> nn.Sequential:
    """Ck, C2k, ... with 4x4 kernels, stride 2 but for the last two; no normalisation in the first; LeakyReLU 0.2."""
    widths = [channels * min(2**number, 8) for number in range(layers + 1)]
    parts: list[nn.Module] = [nn.Conv2d(colours, channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    for number, (n_in, n_out) in enumerate(pairwise(widths), start=1):
        stride = 2 if number < layers else 1
        parts += [nn.Conv2d(n_in, n_out, 4, stride, padding=1, bias=False), nn.InstanceNorm2d(n_out), nn.LeakyReLU(0.2)]
    return nn.Sequential(*parts, nn.Conv2d(widths[-1], 1, 4, padding=1)).apply(initialise)


def initialise(module: nn.Module) -> None:
    """Section 7.1: weights from N(0, 0.02)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _normed(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.InstanceNorm2d(channels), nn.ReLU()
