"""An encoder and a decoder with a channel-wise fully connected layer between them (arXiv:1604.07379, section 3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganzoo_context_encoder import CcganConfig, ContextEncoderConfig
from ganzoo_context_encoder.holes import center_hole
from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_core.blocks import halvings, normal_weights
from ganzoo_core.errors import SettingError


class Verdict(NamedTuple):
    """What CC-GAN's discriminator says of each sample: `logits` (N,) of being real, `class_logits` (N, classes)."""

    logits: Tensor
    class_logits: Tensor


class ChannelWise(nn.Module):
    """A fully connected layer of each channel by itself (section 3.1), which carries what is known into the hole.

    (N, C, h, w) to the same, with C (h w)² weights in place of (C h w)².
    """

    def __init__(self, channels: int, pixels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, pixels, pixels) * pixels**-0.5)
        self.bias = nn.Parameter(torch.zeros(channels, 1, pixels))

    def forward(self, x: Tensor) -> Tensor:
        """Each channel's pixels, mixed."""
        mixed = torch.baddbmm(self.bias, x.flatten(2).transpose(0, 1), self.weight)  # (C, N, pixels)
        return mixed.transpose(0, 1).reshape(x.shape)


class HoleGenerator(Generator):
    """The picture with its hole filled; all that is known stays as it is, to the bit.

    Convolutions 4x4 of stride 2 with batch normalisation, down to 4 to 7 pixels; the channel-wise layer and a
    convolution 1x1 across channels (section 3.1); transposed convolutions back. It makes a picture of the whole size of
    which the hole is taken, where the paper makes the hole alone: so the hole may be anywhere. Its source has a fourth
    channel that says where.
    """

    latent_dim = 0

    def __init__(self, config: ContextEncoderConfig, data: DataSpec) -> None:
        super().__init__()
        self.shape = data.shape
        colours, height, width = data.shape
        depth = halvings(height, width, least=4)
        widths = [config.width * 2**number for number in range(depth)]
        down = [_down(n_in, n_out) for n_in, n_out in zip([colours + 1, *widths], widths, strict=False)]
        up = [_up(n_in, n_out) for n_in, n_out in zip(widths[:0:-1], widths[-2::-1], strict=True)]
        self.down = normal_weights(nn.Sequential(*down))
        self.across = nn.Sequential(
            ChannelWise(widths[-1], (height >> depth) * (width >> depth)), nn.ReLU(),
            nn.Conv2d(widths[-1], widths[-1], 1, bias=False), nn.BatchNorm2d(widths[-1]), nn.ReLU(),
        )  # fmt: skip
        last = nn.ConvTranspose2d(widths[0], colours, 4, stride=2, padding=1)
        self.up = normal_weights(nn.Sequential(*up, last, nn.Tanh()))

    def forward(self, z: Tensor, labels: Tensor | None = None, *, source: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [-1, 1] of `source` (N, 4, H, W); z and labels are not used."""
        is_hole = self.hole(source)
        red, green, blue = source[:, :3].split(1, dim=1)
        # The mean, of grey ones to the last bit what it was.
        colours = source[:, :3] if self.shape[0] == 3 else green + ((red - green) + (blue - green)) / 3
        known = colours.masked_fill(is_hole, 0.0)
        filled = self.up(self.across(self.down(torch.cat([known, is_hole.to(known.dtype)], dim=1))))
        return torch.where(is_hole, filled.to(known.dtype), known)

    def hole(self, source: Tensor) -> Tensor:
        """Whether each pixel is to be filled (N, 1, H, W): the rectangle asked for, and what is mostly transparent.

        A picture without any hole has one in the middle. Raises `SettingError` for a rectangle beside the picture.
        """
        is_hole = source[:, 3:] < 0
        if self.sampling is not None and self.sampling.rectangle:
            left, top, width, height = self.sampling.rectangle
            if left >= source.shape[3] or top >= source.shape[2]:
                raise SettingError(
                    f"the rectangle {left},{top},{width},{height} lies beside the picture, which is "
                    f"{source.shape[3]} pixels wide and {source.shape[2]} high"
                )
            rectangle = torch.zeros_like(is_hole)
            rectangle[:, :, top : top + height, left : left + width] = True
            return is_hole | rectangle
        return torch.where(is_hole.flatten(1).any(dim=1)[:, None, None, None], is_hole, center_hole(source))


class HoleDiscriminator(Discriminator):
    """Convolutions 4x4 of stride 2 with batch normalisation, and a logit (section 3.3).

    With `hole=center` it sees the hole alone, as the paper's does, else the whole picture.
    """

    def __init__(self, config: ContextEncoderConfig, data: DataSpec) -> None:
        super().__init__()
        self.is_cropped = config.hole == "center"
        colours, *sides = data.shape
        sides = [side // 2 for side in sides] if self.is_cropped else sides
        layers: list[nn.Module] = []
        n_in, n_out = colours, config.discriminator_width
        while min(sides) >= 8:
            layers.append(_down(n_in, n_out, norm=bool(layers)))
            sides = [side // 2 for side in sides]
            n_in, n_out = n_out, 2 * n_out
        self.features = n_in * sides[0] * sides[1]
        self.layers = normal_weights(nn.Sequential(*layers, nn.Flatten()))
        self.source = nn.Linear(self.features, 1)

    def seen(self, x: Tensor) -> Tensor:
        """Features (N, `features`) of what it looks at."""
        if self.is_cropped:
            height, width = x.shape[2:]
            x = x[:, :, height // 4 : height // 4 + height // 2, width // 4 : width // 4 + width // 2]
        return self.layers(x)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor | Verdict:
        """Logits (N,) of x (N, C, H, W); labels are not used."""
        return self.source(self.seen(x)).squeeze(1)


class ClassDiscriminator(HoleDiscriminator):
    """The same, and where the data has classes also which one it is (arXiv:1611.06430, section 3.1)."""

    def __init__(self, config: CcganConfig, data: DataSpec) -> None:
        super().__init__(config, data)
        self.classes = nn.Linear(self.features, data.num_classes) if data.classes else None

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor | Verdict:
        """Logits (N,) of x (N, C, H, W), and those of its class; labels are not used, as it must tell them."""
        features = self.seen(x)
        logits = self.source(features).squeeze(1)
        return logits if self.classes is None else Verdict(logits, self.classes(features))


def _down(n_in: int, n_out: int, norm: bool = True) -> nn.Sequential:
    """A convolution to half the sides, rounded down."""
    layer = nn.Conv2d(n_in, n_out, 4, stride=2, padding=1, bias=not norm)
    return nn.Sequential(layer, nn.BatchNorm2d(n_out) if norm else nn.Identity(), nn.LeakyReLU(0.2))


def _up(n_in: int, n_out: int) -> nn.Sequential:
    """A transposed convolution to twice the sides."""
    layer = nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(n_out), nn.ReLU())
