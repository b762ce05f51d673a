"""Augmentation of all that a discriminator sees, real and fake alike, so that few pictures last longer."""

from __future__ import annotations

import logging
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
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

    def forward(self, x: Tensor, columns: Mapping[str, Tensor], copies: int = 1) -> tuple[Tensor, dict[str, Tensor]]:
        """Images x (N, C, H, W) changed, each in its own way, and the image columns of that size in the same way.

        `copies`: how many batches they are, one after another, such as real and fake.
        """
        names = [name for name, column in columns.items() if column.ndim == 4 and column.shape[2:] == x.shape[2:]]
        with torch.autocast(x.device.type, enabled=False):
            changed, *others = self.change([x, *(columns[name] for name in names)], copies)
        return changed, dict(columns) | dict(zip(names, others, strict=True))

    @abstractmethod
    def change(self, images: Sequence[Tensor], copies: int) -> list[Tensor]:
        """Images (N, C, H, W), `copies` batches of them, all changed alike."""


class Flip(Augment):
    """Every second image mirrored, left to right: what is generated will be mirrored as often."""

    def change(self, images: Sequence[Tensor], copies: int) -> list[Tensor]:
        """Every second image mirrored."""
        flipped = _rows(uniform, 1, images[0], copies).view(-1, 1, 1, 1) < 0.5
        return [torch.where(flipped, x.flip(3), x) for x in images]


class DiffAugment(Augment):
    """Colour, translation by up to an eighth and a cutout of half a side (arXiv:2006.10738, section 4)."""

    def change(self, images: Sequence[Tensor], copies: int) -> list[Tensor]:
        """Images with other colours, moved, and with a grey square."""
        height, width = images[0].shape[2:]
        brightness, saturation, contrast, *places = _rows(uniform, 7, images[0], copies)[:, :, None, None, None]
        found = []
        for image in images:
            x, rest = image.split([_colour_channels(image), image.shape[1] - _colour_channels(image)], dim=1)
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
    """Of N images: 1.0 where a change is made, else 0.0; numbers from 0 to 1; normal ones. Tuples of (N,).

    On a processor they are NumPy's, which takes a fifth of PyTorch's time for so few numbers.
    """

    on: tuple[Any, ...]
    u: tuple[Any, ...]
    z: tuple[Any, ...]

    @property
    def library(self) -> Any:
        """Whose they are: `numpy` or `torch`."""
        return torch if isinstance(self.on[0], Tensor) else np


class Ada(Augment):
    """Adaptive discriminator augmentation (arXiv:2006.06676), with its pixel blitting, geometry and colours.

    Each change is made with probability `p`, which grows while the discriminator knows the real images too well.
    Departures: images are sampled bilinearly, without the paper's low-pass filters; and see `observe`.
    """

    p: Tensor
    signs: Tensor
    steps: Tensor
    rotations: Tensor
    axes: Tensor

    def __init__(self, batch_size: int, boundary: float | None) -> None:
        super().__init__()
        self.boundary = boundary
        self.stride = _EVERY * batch_size / IMAGES
        for name in ("p", "signs", "steps"):
            self.register_buffer(name, torch.zeros(()))
        # Once on the device, as a CUDA graph can't record a copy of Python's numbers to it.
        rotations = torch.tensor([name in ("rotation", "second rotation") for name in _CHANGES])
        self.register_buffer("rotations", rotations[:, None], persistent=False)
        self.register_buffer("axes", _axes(), persistent=False)

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

    def change(self, images: Sequence[Tensor], copies: int) -> list[Tensor]:
        """Images as other matrices of places and of colours make them; on a processor, as they are while p is 0."""
        if images[0].device.type == "cpu" and not self.p.numpy():
            return list(images)
        draws = self._draw(images[0], copies)
        joined = torch.cat(list(images), dim=1) if len(images) > 1 else images[0]
        placed = _sampled(joined, _grid(images[0], draws))
        colours = self._colours(draws)
        return [_coloured(x, colours) for x in placed.split([x.shape[1] for x in images], dim=1)]

    def _draw(self, like: Tensor, copies: int) -> _Draws:
        """All random numbers of N images at once, as many small draws take longer than the changes."""
        gates, u, z = (
            _rows(draw, count, like, copies) for draw, count in ((uniform, len(_CHANGES)), (uniform, 8), (normal, 7))
        )
        # with two rotations, p that there is at least one
        on = gates < torch.where(self.rotations, 1 - (1 - self.p).sqrt(), self.p)
        return _Draws(*(tuple(_small(part)) for part in (on.float(), u, z)))

    def _colours(self, draws: _Draws) -> tuple[Tensor, Tensor, Tensor]:
        """How each image's colours change: factors (N,) of greys and what is added (N,), matrices (N, 3, 3) of colours.

        Brightness, contrast and the mirrored luma act along the axis of greys, hue and saturation across it.
        """
        (*_, brightness, contrast, luma, hue, saturation), u, z = draws
        lib = draws.library
        factor = lib.exp2(0.5 * z[5] * contrast)
        along = factor * (1 - 2 * luma * (u[6] < 0.5))
        across, angle = factor * lib.exp2(z[6] * saturation), (2 * math.pi * u[7] - math.pi) * hue
        matrices = _tensor(lib.stack([along, across * lib.cos(angle), across * lib.sin(angle)], 1)) @ self.axes
        added = 0.2 * z[4] * brightness * along
        return _tensor(along), _tensor(added), matrices.view(-1, 3, 3)


def _small(numbers: Tensor) -> Any:
    """NumPy's view of a few numbers on a processor; elsewhere the tensor itself."""
    return numbers.numpy() if numbers.device.type == "cpu" else numbers


def _tensor(numbers: Any) -> Tensor:
    return numbers if isinstance(numbers, Tensor) else torch.from_numpy(numbers)


def _rows(draw: Callable[..., Tensor], count: int, like: Tensor, copies: int) -> Tensor:
    """Numbers (count, N) for N images that are `copies` batches: which sample gets which, no microbatch changes."""
    n = len(like) // copies
    return draw(n, copies * count, like=like).view(n, copies, count).permute(2, 1, 0).reshape(count, -1)


def _axes() -> Tensor:
    """Rows (3, 9): onto the axis of greys (1, 1, 1), across it, and Rodrigues' turn about it, as matrices of 3 by 3."""
    eye, along = torch.eye(3), torch.full((3, 3), 1 / 3)
    return torch.stack([along, eye - along, (eye.roll(-1, 1) - eye.roll(1, 1)) * 3**-0.5]).flatten(1)


def _grid(like: Tensor, draws: _Draws) -> Tensor:
    """From where in each image (N, C, H, W) its pixels come: (N, H, W, 2), as `grid_sample` takes it.

    Its matrix is a product of inverses, so that the first change of the paper's list stands on the left. Rotation by f,
    stretch by k and q, rotation by e are together the rotation by f + e times (k + q) / 2, and, of the mirrored place,
    that by f - e times (k - q) / 2.
    """
    n, _, height, width = like.shape
    (flip, turn, move, scale, rotate, stretch, rotate_2, shift, *_), u, z = draws
    lib = draws.library
    first = turn * (lib.floor(u[1] * 4) if height == width else lib.floor(u[1] * 2) * 2) * (math.pi / 2)
    f, e = first + (2 * math.pi * u[4] - math.pi) * rotate, (2 * math.pi * u[5] - math.pi) * rotate_2
    angles = lib.stack([first, f + e, f - e])
    (c0, c, d), (s0, s, t) = lib.cos(angles), lib.sin(angles)
    size, long = lib.exp2(0.2 * z[0] * scale), lib.exp2(0.2 * z[1] * stretch)
    k, q = size * long / 2, size / long / 2
    plus, minus = k + q, k - q
    c, s, d, t = c * plus, s * plus, d * minus, t * minus
    a, b, g, h = c + d, t - s, t + s, c - d
    across, down = (lib.round((2 * v - 1) * (side / 8)) * move for v, side in ((u[2], width), (u[3], height)))
    later, lower = z[2] * shift * (width / 8), z[3] * shift * (height / 8)
    x, y = c0 * across - s0 * down + a * later + b * lower, s0 * across + c0 * down + g * later + h * lower
    mirror, ratio = 1 - 2 * flip * (u[0] < 0.5), height / width  # between pixels and [-1, 1]
    rows = lib.stack([a * mirror, b * mirror * ratio, x * mirror * (2 / width), g / ratio, h, y * (2 / height)], 1)
    places = [(torch.arange(side, device=like.device) * 2 + 1) / side - 1 for side in (width, height)]
    columns = torch.stack(
        [places[0].expand(height, -1), places[1][:, None].expand(-1, width), torch.ones_like(like[0, 0])]
    )
    return (_tensor(rows).view(2 * n, 3) @ columns.flatten(1)).view(n, 2, height, width).permute(0, 2, 3, 1)


def _colour_channels(x: Tensor) -> int:
    """How many channels of images (N, C, H, W) are colours: not the opacity."""
    return 3 if x.shape[1] >= 3 else 1


def _coloured(x: Tensor, colours: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Images (N, C, H, W) with their colours changed; grey ones as a grey colour would be."""
    along, added, matrices = colours
    k = _colour_channels(x)
    seen = x[:, :k]
    if k == 1:
        changed = torch.addcmul(added.view(-1, 1, 1, 1), seen, along.view(-1, 1, 1, 1))
    else:
        changed = torch.baddbmm(added.view(-1, 1, 1), matrices, seen.flatten(2)).view_as(seen)
    return changed if k == x.shape[1] else torch.cat([changed, x[:, k:]], dim=1)


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
