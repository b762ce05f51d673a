"""The two stages of arXiv:1612.03242, and what reads their texts. Numbers in comments are those of 32x32 in colour."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_core import DataSpec, Discriminator, Generator
from ganzoo_core.blocks import halvings, normal_weights, residual_block
from ganzoo_core.interfaces import Part
from ganzoo_stackgan import StackganConfig


class Reader(nn.Module):
    """Texts (N, L) int64 as numbers (N, text_dim): a GRU (arXiv:1406.1078) over their words, in their order.

    It has the place of the char-CNN-RNN of arXiv:1605.05395, which was trained on millions of captions.
    """

    def __init__(self, config: StackganConfig, data: DataSpec) -> None:
        super().__init__()
        self.words = nn.Embedding(len(data.column("text").names) + 1, config.text_dim, padding_idx=0)
        self.gru = nn.GRU(config.text_dim, config.text_dim)

    def forward(self, text: Tensor) -> Tensor:
        """The state after the last word; after nothing, where there is none."""
        states, _ = self.gru(self.words(text.T))  # (L, N, text_dim)
        last = ((text > 0).sum(dim=1) - 1).clamp(min=0)  # (N,)
        return states.gather(0, last[None, :, None].expand(1, -1, states.shape[2])).squeeze(0)


class Eye(Part):
    """Pictures (N, C, H, W) as numbers (N, text_dim), near those of their texts; used while texts are learned."""

    def __init__(self, config: StackganConfig, data: DataSpec) -> None:
        super().__init__()
        layers, features = _halving(data.shape, config.discriminator_channels)
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, config.text_dim))

    def begin_phase(self, phase: str | None) -> None:
        """It is in play while texts are learned."""
        self.requires_grad_(phase == "reading")

    def forward(self, x: Tensor) -> Tensor:
        """The numbers of x."""
        return self.layers(x)


class Condition(nn.Module):
    """Conditioning augmentation (section 3.2): a text's numbers as a normal distribution, and a point of it."""

    def __init__(self, text_dim: int, condition_dim: int) -> None:
        super().__init__()
        self.layer = nn.Linear(text_dim, 2 * condition_dim)

    def distribution(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the standard deviation, (N, condition_dim) each."""
        mean, log_std = self.layer(embedding).chunk(2, dim=1)
        return mean, log_std

    def forward(self, embedding: Tensor, noise: Tensor) -> Tensor:
        """mean + std * noise, (N, condition_dim)."""
        mean, log_std = self.distribution(embedding)
        return mean + log_std.exp() * noise


class Stage1(nn.Module):
    """Stage I (section 3.3): a linear layer, then twice the sides and a convolution 3x3 until the picture is there."""

    def __init__(self, config: StackganConfig, shape: tuple[int, ...]) -> None:
        super().__init__()
        colours, height, width = shape
        doublings = halvings(height, width, least=4)  # 2
        channels = 2 * config.generator_channels  # figure 2: so many more than in the second stage
        wide = channels << doublings  # 128
        first = (wide, height >> doublings, width >> doublings)  # (128, 4, 4)
        self.condition = Condition(config.text_dim, config.condition_dim)
        self.layers = nn.Sequential(
            nn.Linear(config.latent_dim + config.condition_dim, first[0] * first[1] * first[2], bias=False),
            *(nn.Unflatten(1, first), nn.BatchNorm2d(wide), nn.ReLU()),
            *_doubling(wide, doublings),  # (64, 8, 8), (32, 16, 16)
            *(nn.Conv2d(channels, colours, 3, padding=1), nn.Tanh()),
        )

    def forward(self, z: Tensor, embedding: Tensor, noise: Tensor) -> Tensor:
        """Small pictures (N, C, h, w) in [-1, 1]."""
        return self.layers(torch.cat([z, self.condition(embedding, noise)], dim=1))


class Stage2(nn.Module):
    """Stage II (section 3.4): the small picture at half its sides, the text beside, residual blocks, and up again.

    What comes out is added to the small picture, enlarged, before the tanh, so that it begins where stage I ended; the
    paper's begins from nothing, and has 600 epochs.
    """

    def __init__(self, config: StackganConfig, colours: int) -> None:
        super().__init__()
        self.enlarge = config.enlarge
        doublings = config.enlarge.bit_length()  # 2: one more than from the small picture to the large one
        wide = config.generator_channels << doublings  # 64
        self.condition = Condition(config.text_dim, config.condition_dim)
        self.down = nn.Sequential(
            *(nn.Conv2d(colours, wide // 2, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(wide // 2, wide, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()),
        )  # (64, 8, 8)
        self.layers = nn.Sequential(
            *(nn.Conv2d(wide + config.condition_dim, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()),
            *(residual_block(wide, norm=nn.BatchNorm2d) for _ in range(config.blocks)),
            *_doubling(wide, doublings),  # (32, 16, 16), (16, 32, 32)
            normal_weights(nn.Conv2d(config.generator_channels, colours, 3, padding=1)),
        )

    def forward(self, picture: Tensor, embedding: Tensor, noise: Tensor) -> Tensor:
        """Large pictures (N, C, H, W) in [-1, 1] of small ones."""
        changes = self.layers(_beside(self.down(picture), self.condition(embedding, noise)))
        return (_enlarged(picture, self.enlarge).float().clamp(-0.99, 0.99).atanh() + changes).tanh()


class StackganGenerator(Generator):
    """Both stages; in the first a small picture, of which each pixel stands for several.

    The noise of the two conditionings is a part of the latent: z, then N_g for the first stage and N_g for the second.
    """

    def __init__(self, config: StackganConfig, data: DataSpec) -> None:
        super().__init__()
        self.parts = (config.latent_dim, config.condition_dim, config.condition_dim)
        self.latent_dim = sum(self.parts)
        self.enlarge, self.is_stage1 = config.enlarge, False
        self.text = Reader(config, data)
        self.stage1 = Stage1(config, _small(data.shape, config.enlarge))
        self.stage2 = Stage2(config, data.shape[0])

    def begin_phase(self, phase: str | None) -> None:
        """Of the reader and the two stages, one is in play at a time."""
        self.is_stage1 = phase in ("reading", "stage1")
        _in_play(phase, reading=self.text, stage1=self.stage1, stage2=self.stage2)

    @property
    def condition(self) -> Condition:
        """The conditioning of the stage in play."""
        return self.stage1.condition if self.is_stage1 else self.stage2.condition

    def forward(self, z: Tensor, labels: Tensor | None = None, *, text: Tensor) -> Tensor:
        """Pictures (N, C, H, W) in [-1, 1] of texts (N, L); labels are not used."""
        z, first, second = z.split(self.parts, dim=1)
        embedding = self.text(text)
        picture = self.stage1(z, embedding, first)
        if self.is_stage1:
            return _enlarged(picture, self.enlarge)
        return self.stage2(picture, embedding, second)


class Judge(nn.Module):
    """A stage's discriminator (section 3.3): convolutions of stride 2 to 4x4, the text beside, convolution 1x1, linear.

    Without BatchNorm, so that real and fake go through it together.
    """

    def __init__(self, config: StackganConfig, shape: tuple[int, ...]) -> None:
        super().__init__()
        layers, features = _halving(shape, config.discriminator_channels)
        last = config.discriminator_channels << (len(layers) // 2 - 1)
        self.layers = nn.Sequential(*layers)
        self.text = nn.Sequential(nn.Linear(config.text_dim, config.judged_dim), nn.LeakyReLU(0.2))
        self.last = nn.Sequential(
            nn.Conv2d(last + config.judged_dim, last, 1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(features, 1)
        )

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Logits (N,)."""
        return self.last(_beside(self.layers(x), self.text(embedding))).squeeze(1)


class StackganDiscriminator(Discriminator):
    """A judge for each stage, with a reader of its own; the first sees the means of its pixels."""

    def __init__(self, config: StackganConfig, data: DataSpec) -> None:
        super().__init__()
        self.enlarge, self.is_stage1 = config.enlarge, False
        self.text = Reader(config, data)
        self.stage1 = Judge(config, _small(data.shape, config.enlarge))
        self.stage2 = Judge(config, data.shape)

    def begin_phase(self, phase: str | None) -> None:
        """Of the reader and the two judges, one is in play at a time."""
        self.is_stage1 = phase in ("reading", "stage1")
        _in_play(phase, reading=self.text, stage1=self.stage1, stage2=self.stage2)

    def forward(self, x: Tensor, labels: Tensor | None = None, *, text: Tensor) -> Tensor:
        """Logits (N,) of pictures (N, C, H, W) beside texts (N, L); labels are not used."""
        embedding = self.text(text)
        if self.is_stage1:
            return self.stage1(F.avg_pool2d(x, self.enlarge), embedding)
        return self.stage2(x, embedding)


def _in_play(phase: str | None, **parts: nn.Module) -> None:
    """All parts without phases; else the one of the phase's name."""
    for name, part in parts.items():
        part.requires_grad_(phase in (None, name))


def _small(shape: tuple[int, ...], enlarge: int) -> tuple[int, ...]:
    return (shape[0], shape[1] // enlarge, shape[2] // enlarge)


def _enlarged(x: Tensor, times: int) -> Tensor:
    """Each pixel as a square of pixels."""
    return F.interpolate(x, scale_factor=times, mode="nearest")


def _beside(x: Tensor, numbers: Tensor) -> Tensor:
    """Feature maps (N, C, h, w) with numbers (N, D) at each place: (N, C + D, h, w)."""
    return torch.cat([x, numbers[:, :, None, None].expand(-1, -1, *x.shape[2:])], dim=1)


def _doubling(wide: int, times: int) -> list[nn.Module]:
    """Twice the sides and half the channels, so many times: the nearest pixel, convolution 3x3, BatchNorm, ReLU."""
    return [
        layer
        for n_in in (wide >> k for k in range(times))
        for layer in (
            *(nn.Upsample(scale_factor=2), nn.Conv2d(n_in, n_in // 2, 3, padding=1, bias=False)),
            *(nn.BatchNorm2d(n_in // 2), nn.ReLU()),
        )
    ]


def _halving(shape: tuple[int, ...], channels: int) -> tuple[list[nn.Module], int]:
    """Convolutions 4x4 of stride 2 and LeakyReLU while sides halve to 4 or more; how many numbers they leave."""
    n_in, height, width = shape
    layers: list[nn.Module] = []
    for k in range(max(1, times := halvings(height, width, least=4))):
        layers += [nn.Conv2d(n_in, channels << k, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        n_in = channels << k
    times = max(1, times)
    return layers, n_in * (height >> times) * (width >> times)
