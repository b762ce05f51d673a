"""Translators and judges of two domains, two of each in one module."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ganzoo_core import Discriminator, Generator
from ganzoo_core.blocks import Norm, instance_norm, normal_weights, residual_block


class PerClass(nn.ModuleList):
    """Two networks, one for each class."""

    def forward(self, labels: Tensor, *given: Tensor, of_other: bool = False) -> Tensor:
        """What the network of each row's class says of it (N, ...); with `of_other`, that of the other class.

        While training a batch is in class order, so that each network is given its half and no more.
        """
        networks = list(self)[::-1] if of_other else list(self)
        if self.training:
            halves = zip(*(one.chunk(2) for one in given), strict=True)
            return torch.cat([network(*half) for network, half in zip(networks, halves, strict=True)])
        return of_class(labels, *(network(*given) for network in networks))


class TwoGenerators(Generator):
    """`into[label]` makes an image of that class from one of the other. Noise is what both take of it."""

    def __init__(self, shape: tuple[int, ...], first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.shape = shape
        self.into = PerClass([first, second])
        self.latent_dim = getattr(first, "noise_dim", 0)

    def forward(self, z: Tensor, labels: Tensor, *, source: Tensor) -> Tensor:
        """Images `source` (N, C, H, W) in [-1, 1] as ones of the classes `labels` (N,)."""
        made: Tensor = self.into(labels, *((source, z) if self.latent_dim else (source,)))
        return made


class TwoDiscriminators(Discriminator):
    """`of[label]` tells real images of that class from made ones."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.of = nn.ModuleList([first, second])

    def forward(self, x: Tensor, labels: Tensor) -> Any:
        """What the discriminators of the classes `labels` (N,) say of x (N, C, H, W)."""
        first, second = (judge(x) for judge in self.of)
        if isinstance(first, Tensor):
            return of_class(labels, first, second)
        return type(first)(*(of_class(labels, *both) for both in zip(first, second, strict=True)))


def of_class(labels: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Of each sample the row (N, ...) of the first where its label is 0, else that of the second."""
    return torch.where(labels.view(-1, *[1] * (first.ndim - 1)) == 0, first, second)


class Change(nn.Sequential):
    """Layers that say how an image is to be changed: what they give is added to it, and cut to [-1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] to the same."""
        return (x + super().forward(x)).clamp(-1, 1)


def residual_encoder(colours: int, width: int, blocks: int) -> list[nn.Module]:
    """c7s1-width, d(2 width), d(4 width), residual blocks: (N, colours, H, W) to (N, 4 width, H / 4, W / 4)."""
    down = partial(nn.Conv2d, kernel_size=3, stride=2, padding=1, bias=False)
    first = nn.Conv2d(colours, width, 7, padding=3, padding_mode="reflect", bias=False)
    layers = [first, down(width, 2 * width), down(2 * width, 4 * width)]
    return [
        *(part for layer in layers for part in (layer, instance_norm(layer.out_channels), nn.ReLU())),
        *(residual_block(4 * width, padding_mode="reflect") for _ in range(blocks)),
    ]


def residual_decoder(colours: int, width: int, norm: Norm = instance_norm) -> list[nn.Module]:
    """u(2 width), u(width), c7s1-colours: (N, 4 width, H / 4, W / 4) to (N, colours, H, W) in [-1, 1]."""
    up = partial(nn.ConvTranspose2d, kernel_size=3, stride=2, padding=1, output_padding=1, bias=False)
    return [
        *(up(4 * width, 2 * width), norm(2 * width), nn.ReLU(), up(2 * width, width), norm(width), nn.ReLU()),
        *(nn.Conv2d(width, colours, 7, padding=3, padding_mode="reflect"), nn.Tanh()),
    ]


def residual_translator(colours: int, width: int, blocks: int, *, changes: bool = False) -> nn.Sequential:
    """CycleGAN's generator (arXiv:1703.10593, section 7.2), (N, colours, H, W) to the same.

    c7s1-width, d(2 width), d(4 width), residual blocks, u(2 width), u(width), c7s1-colours: reflected borders,
    instance normalisation, ReLU. With `changes` it is a `Change`.
    """
    layers = [*residual_encoder(colours, width, blocks), *residual_decoder(colours, width)]
    return normal_weights((Change if changes else nn.Sequential)(*layers))


def encoder_decoder(colours: int, width: int, depth: int) -> nn.Sequential:
    """DiscoGAN's generator (arXiv:1703.05192, section 3): nothing joins the encoder's layers to the decoder's.

    `depth` convolutions 4x4 of stride 2 with LeakyReLU(0.2), as many transposed ones with ReLU, normalisation in all
    but the first and the last. Channels double on the way down, from `width` to 8 times that.
    """
    widths = [colours, *(width * min(2**number, 8) for number in range(depth))]
    layers: list[nn.Module] = []
    for number, (n_in, n_out) in enumerate(pairwise(widths)):
        layers += [nn.Conv2d(n_in, n_out, 4, stride=2, padding=1, bias=False)]
        layers += [nn.LeakyReLU(0.2)] if number == 0 else [instance_norm(n_out), nn.LeakyReLU(0.2)]
    for n_in, n_out in pairwise(widths[:0:-1]):
        layers += [
            nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1, bias=False),
            instance_norm(n_out),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.ConvTranspose2d(width, colours, 4, stride=2, padding=1), nn.Tanh())


class Verdict(NamedTuple):
    """`logits` (N,) of being real, and `features` (N, F) of all layers that are normalised."""

    logits: Tensor
    features: Tensor


class FeatureJudge(nn.Module):
    """DiscoGAN's discriminator: convolutions 4x4 of stride 2 as in the encoder, and one logit of what is left."""

    def __init__(self, shape: tuple[int, ...], width: int, depth: int) -> None:
        super().__init__()
        colours, height, w = shape
        widths = [width * min(2**number, 8) for number in range(depth)]
        self.first = nn.Sequential(nn.Conv2d(colours, width, 4, stride=2, padding=1, bias=False), nn.LeakyReLU(0.2))
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 4, stride=2, padding=1, bias=False), instance_norm(b), nn.LeakyReLU(0.2))
            for a, b in pairwise(widths)
        )
        self.last = nn.Conv2d(widths[-1], 1, (height >> depth, w >> depth))

    def forward(self, x: Tensor) -> Verdict:
        """Each layer's features are divided by the root of their number: squares of all add up to means of each."""
        x = self.first(x)
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x.flatten(1) / (x[0].numel() ** 0.5))
        return Verdict(self.last(x).flatten(), torch.cat(features, dim=1))
