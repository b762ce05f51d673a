"""Generators that are encoders and decoders of two domains, with codes that either decoder takes."""

from __future__ import annotations

import torch
from ganzoo_cyclegan.networks import PerClass, residual_decoder, residual_encoder
from torch import Tensor, nn

from ganzoo_core import DataSpec, Generator
from ganzoo_core.blocks import instance_norm, normal_weights, residual_block
from ganzoo_unit import MunitConfig, UnitConfig


class SharedLatent(Generator):
    """UNIT's VAEs (arXiv:1703.00848, section 3): the last block of the encoders is one, as the first of the decoders.

    CycleGAN's layers in place of the paper's: instance normalisation, ReLU, narrower.
    """

    latent_dim = 0

    def __init__(self, config: UnitConfig, data: DataSpec) -> None:
        super().__init__()
        colours, width, blocks = data.shape[0], config.generator_channels, config.residual_blocks
        block = lambda: residual_block(4 * width, padding_mode="reflect")  # noqa: E731
        self.encoders = PerClass(nn.Sequential(*residual_encoder(colours, width, blocks)) for _ in range(2))
        self.last_encoder, self.first_decoder = block(), block()
        self.decoders = PerClass(
            nn.Sequential(*(block() for _ in range(blocks)), *residual_decoder(colours, width)) for _ in range(2)
        )
        normal_weights(self)

    def encode(self, labels: Tensor, x: Tensor, *, of_other: bool = False) -> Tensor:
        """The means (N, 4 width, H / 4, W / 4) of the codes of x (N, C, H, W), which is of the classes `labels` (N,).

        With `of_other` x is of the other class each.
        """
        mean: Tensor = self.last_encoder(self.encoders(labels, x, of_other=of_other))
        return mean

    def decode(self, labels: Tensor, code: Tensor, *, of_other: bool = False) -> Tensor:
        """Images of the classes `labels` of codes."""
        made: Tensor = self.decoders(labels, self.first_decoder(code), of_other=of_other)
        return made

    def forward(self, z: Tensor, labels: Tensor, *, source: Tensor, noise: Tensor | None = None) -> Tensor:
        """Images `source` (N, C, H, W) in [-1, 1] as ones of the classes `labels` (N,).

        Of codes from q(z|x) = N(mean, 1) where there is `noise` from N(0, 1), as in training; else of the means.
        """
        mean = self.encode(labels, source, of_other=True)
        return self.decode(labels, mean if noise is None else mean + noise)


class ContentAndStyle(Generator):
    """MUNIT's autoencoders (arXiv:1804.04732, section 3 and figure 3). The latent z is a style."""

    def __init__(self, config: MunitConfig, data: DataSpec) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        colours, width, blocks = data.shape[0], config.generator_channels, config.residual_blocks
        self.contents = PerClass(nn.Sequential(*residual_encoder(colours, width, blocks)) for _ in range(2))
        self.styles = PerClass(style_encoder(colours, width, config.style_layers, config.latent_dim) for _ in range(2))
        self.decoders = PerClass(StyledDecoder(colours, config) for _ in range(2))

    def forward(self, z: Tensor, labels: Tensor, *, source: Tensor) -> Tensor:
        """The content of `source` (N, C, H, W) in [-1, 1] in the styles z (N, latent_dim) of the classes `labels`."""
        made: Tensor = self.decoders(labels, self.contents(labels, source, of_other=True), z)
        return made


def style_encoder(colours: int, width: int, layers: int, style_dim: int) -> nn.Sequential:
    """(N, colours, H, W) to styles (N, style_dim): convolutions, the mean over all places, a linear layer.

    Without normalisation, which would take away what a style is.
    """
    parts: list[nn.Module] = [nn.Conv2d(colours, width, 7, padding=3, padding_mode="reflect"), nn.ReLU()]
    for number in range(layers):
        n_in, n_out = (width * min(2**level, 4) for level in (number, number + 1))
        parts += [nn.Conv2d(n_in, n_out, 4, stride=2, padding=1), nn.ReLU()]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n_out, style_dim))


class StyledDecoder(nn.Module):
    """Residual blocks with adaptive instance normalisation (arXiv:1703.06868), then CycleGAN's way up.

    A perceptron makes scales and shifts of the style, scales as what is added to 1. Layer normalisation on the way up:
    that of instances would take away the means that the style has set.
    """

    def __init__(self, colours: int, config: MunitConfig) -> None:
        super().__init__()
        channels, hidden = 4 * config.generator_channels, config.style_channels
        self.layers = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=False)
            for _ in range(2 * config.residual_blocks)
        )
        self.norm = instance_norm(channels)
        self.scales = nn.Sequential(
            *(nn.Linear(config.latent_dim, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()),
            *(nn.Linear(hidden, 2 * channels * len(self.layers)), nn.Unflatten(1, (len(self.layers), 2, channels))),
        )
        self.up = nn.Sequential(*residual_decoder(colours, config.generator_channels, lambda n: nn.GroupNorm(1, n)))

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        """(N, 4 width, H / 4, W / 4) and (N, style_dim) to (N, colours, H, W) in [-1, 1]."""
        scales = self.scales(style)[..., None, None]  # (N, layers, 2, channels, 1, 1)
        x = content
        for number in range(0, len(self.layers), 2):
            inner = torch.relu(self._styled(x, scales, number))
            x = x + self._styled(inner, scales, number + 1)
        made: Tensor = self.up(x)
        return made

    def _styled(self, x: Tensor, scales: Tensor, number: int) -> Tensor:
        scale, shift = scales[:, number].unbind(1)
        styled: Tensor = self.norm(self.layers[number](x)) * (1 + scale) + shift
        return styled
