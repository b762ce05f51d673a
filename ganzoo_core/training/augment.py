"""Augmentation of all that a discriminator sees, real and fake alike, so that few pictures last longer."""

from __future__ import annotations

import logging
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.distributed.processes import Processes
from ganzoo_core.errors import SettingError
from ganzoo_core.seeds import normal, uniform
from ganzoo_core.storage.names import one_line
from ganzoo_core.turn import Turn
from ganzoo_core.variant import Config

TARGET = 0.6  # of the overfitting heuristic r_t (arXiv:2006.06676, section 3.1)
IMAGES = 100_000  # in which p may go from 0 to 1; the paper's 500,000 are for runs of 25 million
MOST = 0.6  # of p: beyond it which way is up can hardly be told (benchmarks/NOTES.md); the paper finds leaks from 0.8
_EVERY = 4  # steps between two adjustments of p, as in the paper

_log = logging.getLogger("ganzoo")


class Augment(nn.Module):
    """Changes images on their way to the discriminator; gradients pass through, and those of gradients."""

    def forward(self, x: Tensor, columns: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Images x (N, C, H, W) changed, each in its own way, and the image columns of that size in the same way."""
        names = [name for name, column in columns.items() if column.ndim == 4 and column.shape[2:] == x.shape[2:]]
        with torch.autocast(x.device.type, enabled=False):
            changed, *others = self.change([x, *(columns[name] for name in names)])
        return changed, dict(columns) | dict(zip(names, others, strict=True))

    @abstractmethod
    def change(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Images (N, C, H, W), all changed alike."""


class Flip(Augment):
    """Every second image mirrored, left to right: what is generated will be mirrored as often."""

    def change(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Every second image mirrored."""
        flipped = uniform(len(images[0]), 1, 1, 1, like=images[0]) < 0.5
        return [torch.where(flipped, x.flip(3), x) for x in images]


class DiffAugment(Augment):
    """Colour, translation by up to an eighth and a cutout of half a side (arXiv:2006.10738, section 4)."""

    def change(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Images with other colours, moved, and with a grey square."""
        n, like = len(images[0]), images[0]
        height, width = like.shape[2:]
        brightness, saturation, contrast, *places = (uniform(n, 1, 1, 1, like=like) for _ in range(7))
        found = []
        for image in images:
            x, rest = image.split([_colours(image), image.shape[1] - _colours(image)], dim=1)
            x = x + brightness - 0.5
            grey = x.mean(1, keepdim=True)
            x = grey + (x - grey) * 2 * saturation
            middle = x.mean((1, 2, 3), keepdim=True)
            found.append(torch.cat([middle + (x - middle) * (contrast + 0.5), rest], dim=1))
        moved = _moved(torch.cat(found, dim=1), places[0], places[1])
        kept = _outside(height, places[2])[:, :, :, None] | _outside(width, places[3])[:, :, None, :]
        return list((moved * kept).split([x.shape[1] for x in images], dim=1))


def _moved(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Images (N, C, H, W) moved by whole pixels, up to an eighth of a side; `down` and `right` are from 0 to 1."""
    n, _, height, width = x.shape
    padded = F.pad(x, (1, 1, 1, 1))  # a border of grey, from which comes all that lies outside
    rows, columns = (_indices(side, share.view(n, 1)) for side, share in ((height, down), (width, right)))
    batch = torch.arange(n, device=x.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _indices(side: int, share: Tensor) -> Tensor:
    """The places (N, side) in a padded side that come to be its places 0, 1, ..."""
    most = round(side / 8)
    shift = (share * (2 * most + 1)).floor().long() - most
    return (torch.arange(1, side + 1, device=share.device) - shift).clamp(0, side + 1)


def _outside(side: int, share: Tensor) -> Tensor:
    """Which places (N, 1, side) of a side lie outside a cut of half its length, somewhere on it."""
    cut = side // 2
    first = (share.view(-1, 1, 1) * (side + 1 - cut % 2)).floor() - cut // 2
    place = torch.arange(side, device=share.device)
    return (place < first) | (place >= first + cut)


# In the paper's order (appendix B).
_CHANGES = (
    "flip", "quarter turns", "whole pixels", "size", "rotation", "stretch", "second rotation", "parts of pixels",
    "brightness", "contrast", "luma", "hue", "saturation",
)  # fmt: skip


class _Draws(NamedTuple):
    """Of N images: 1.0 where a change is made, else 0.0; numbers from 0 to 1; normal ones. Tuples of (N,)."""

    on: tuple[Tensor, ...]
    u: tuple[Tensor, ...]
    z: tuple[Tensor, ...]


class Ada(Augment):
    """Adaptive discriminator augmentation (arXiv:2006.06676), with its pixel blitting, geometry and colours.

    Each change is made with probability `p`, which grows while the discriminator knows the real images too well.
    Departures: images are sampled bilinearly, without the paper's low-pass filters; and see `observe`.
    """

    p: Tensor
    signs: Tensor
    steps: Tensor

    def __init__(self, batch_size: int, boundary: float | None) -> None:
        super().__init__()
        self.boundary = boundary
        self.stride = _EVERY * batch_size / IMAGES
        for name in ("p", "signs", "steps"):
            self.register_buffer(name, torch.zeros(()))

    @torch.no_grad()
    def observe(self, turns: Sequence[Turn], processes: Processes) -> None:
        """Move p after the discriminator's turns on one mini-batch: up where it knows the real images too well.

        That is where r_t = E[sign(D(real) - boundary)], over four steps, is above its target. For a critic, whose
        scores have no boundary, it is the middle of its mean scores of real and fake.
        """
        signs = [self._sign(turn.real_logits, turn.fake_logits) for turn in turns if turn.has_logits]
        if not signs:
            return
        sign = torch.stack(signs).mean()
        processes.average([sign])
        self.signs += sign
        self.steps += 1
        due = self.steps >= _EVERY
        moved = (self.p + (self.signs / _EVERY - TARGET).sign() * self.stride).clamp(0, MOST)
        self.p.copy_(torch.where(due, moved, self.p))
        self.signs.mul_(~due)
        self.steps.mul_(~due)

    def _sign(self, real: Tensor, fake: Tensor) -> Tensor:
        return (real - ((real.mean() + fake.mean()) / 2 if self.boundary is None else self.boundary)).sign().mean()

    def change(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Images as other matrices of places and of colours make them."""
        draws = self._draw(images[0])
        grid, colours = self._grid(images[0], draws), self._colours(draws)
        placed = _sampled(torch.cat(list(images), dim=1), grid).split([x.shape[1] for x in images], dim=1)
        return [_coloured(x, colours) for x in placed]

    def _draw(self, like: Tensor) -> _Draws:
        """All random numbers of N images at once, as many small draws take longer than the changes."""
        gates = uniform(len(like), len(_CHANGES), like=like)  # (N, changes)
        rotated = 1 - (1 - self.p).sqrt()  # with two rotations, p that there is at least one
        on = torch.where(_is_rotation(gates), gates < rotated, gates < self.p).float()
        return _Draws(
            on.unbind(1), uniform(len(like), 8, like=like).unbind(1), normal(len(like), 7, like=like).unbind(1)
        )

    def _grid(self, like: Tensor, draws: _Draws) -> Tensor:
        """From where in each image (N, C, H, W) its pixels come: (N, H, W, 2), as `grid_sample` takes it.

        Its matrix is a product of inverses, so that the first change of the paper's list stands on the left. Nothing
        is copied from Python's numbers to the device, as a CUDA graph could not record that.
        """
        n, _, height, width = like.shape
        (flip, turn, move, scale, rotate, stretch, rotate_2, shift, *_), u, z = draws
        quarters = (u[1] * 4).floor() if height == width else (u[1] * 2).floor() * 2
        first = quarters * turn * (math.pi / 2)
        angles = torch.stack([first, first + (2 * u[4] - 1) * math.pi * rotate, (2 * u[5] - 1) * math.pi * rotate_2])
        (c0, c, e), (s0, d, f) = angles.cos(), angles.sin()
        size, long = (0.2 * z[0] * scale).exp2(), (0.2 * z[1] * stretch).exp2()
        k, q = size * long, size / long
        mirror = 1 - 2 * flip * (u[0] < 0.5)
        # mirror, then the rotation by `first` and on, the stretch and the other rotation: a matrix of 2 by 2
        a, b = mirror * (c * k * e - d * q * f), -mirror * (c * k * f + d * q * e)
        g, h = d * k * e + c * q * f, c * q * e - d * k * f
        across, down = (((2 * v - 1) * side / 8).round() * move for v, side in ((u[2], width), (u[3], height)))
        later, lower = z[2] * shift * width / 8, z[3] * shift * height / 8
        x = mirror * (c0 * across - s0 * down) + a * later + b * lower
        y = s0 * across + c0 * down + g * later + h * lower
        ratio = height / width  # between pixels and [-1, 1]
        rows = [a, b * ratio, x * (2 / width), g / ratio, h, y * (2 / height)]
        return F.affine_grid(torch.stack(rows, 1).view(n, 2, 3), [n, 1, height, width], align_corners=False)

    def _colours(self, draws: _Draws) -> Tensor:
        """How each image's colours change: (N, 3, 4), a matrix and what is added.

        Brightness, contrast and the mirrored luma act along the axis of greys, hue and saturation across it.
        """
        (*_, brightness, contrast, luma, hue, saturation), u, z = draws
        factor = (0.5 * z[5] * contrast).exp2()
        along = factor * (1 - 2 * luma * (u[6] < 0.5))
        across, angle = factor * (z[6] * saturation).exp2(), (2 * u[7] - 1) * math.pi * hue
        eye = torch.eye(3, device=along.device)
        cross = (eye.roll(-1, 1) - eye.roll(1, 1)) * 3**-0.5  # of Rodrigues' formula, about (1, 1, 1) / sqrt(3)
        around = (across * angle.cos())[:, None, None] * (eye - 1 / 3) + (across * angle.sin())[:, None, None] * cross
        matrix = around + along[:, None, None] / 3
        return torch.cat([matrix, (0.2 * z[4] * brightness * along)[:, None, None].expand(-1, 3, 1)], dim=2)


def _is_rotation(gates: Tensor) -> Tensor:
    """Which of the changes are one of the two rotations."""
    place = torch.arange(gates.shape[1], device=gates.device)
    return (place == _CHANGES.index("rotation")) | (place == _CHANGES.index("second rotation"))


def _colours(x: Tensor) -> int:
    """How many channels of images (N, C, H, W) are colours: not the opacity."""
    return 3 if x.shape[1] >= 3 else 1


def _coloured(x: Tensor, change: Tensor) -> Tensor:
    """Images (N, C, H, W) with their colours changed by matrices (N, 3, 4); grey ones as a grey colour would be."""
    k = _colours(x)
    if k == 1:
        factor, shift = change[:, :, :3].sum((1, 2)).view(-1, 1, 1), change[:, :, 3:].sum(1, keepdim=True)
        change = torch.cat([factor, shift], 2) / 3
    colours, rest = x.split([k, x.shape[1] - k], dim=1)
    flat = torch.baddbmm(change[:, :, -1:], change[:, :, :-1], colours.flatten(2))
    return torch.cat([flat.view_as(colours), rest], dim=1)


class _Sampled(torch.autograd.Function):
    """`grid_sample` as a linear function of the image: so its gradient has a gradient in every version of torch."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, grid: Tensor) -> Tensor:
        """x (N, C, H, W) at the places of `grid`, mirrored at the borders."""
        ctx.save_for_backward(grid)
        ctx.shape = x.shape
        return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Its transpose."""
        return _Spread.apply(gradients[0], ctx.saved_tensors[0], ctx.shape), None


class _Spread(torch.autograd.Function):
    """The transpose of `_Sampled`."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        """Each number of `gradient` given to the places that it was sampled from."""
        ctx.save_for_backward(grid)
        blank = torch.zeros(shape, device=gradient.device)
        found, _ = torch.ops.aten.grid_sampler_2d_backward(gradient, blank, grid, 0, 2, False, [True, False])
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Its transpose, which is the sampling."""
        return _Sampled.apply(gradients[0], ctx.saved_tensors[0]), None, None


def _sampled(x: Tensor, grid: Tensor) -> Tensor:
    found: Tensor = _Sampled.apply(x, grid)
    return found


def new_augment(config: Config, data: DataSpec, boundary: float | None, device: torch.device) -> Augment | None:
    """The augmentation that the config names; None for none. Raises `SettingError` for data that are no images."""
    if config.augment == "none":
        return None
    if data.kind != "images":
        raise SettingError(
            f"augment must be none for {data.name}, which holds {data.kind}, but is {config.augment}; it changes images"
        )
    if config.augment == "ada":
        return Ada(config.batch_size, boundary).to(device)
    if config.augment == "flip" and data.classes and all(len(label) == 1 for label in data.classes):
        _log.warning(
            "augment=flip mirrors what is generated too, and the classes of %s look like digits or letters, "
            "which mirrored are none", one_line(data.name),
        )  # fmt: skip
    return Flip() if config.augment == "flip" else DiffAugment()
