"""Large pictures in bounded memory: one at a time, and in tiles where even one takes too much."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import torch
from torch import Tensor

from ganzoo_core.dataspec import Input
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Generator
from ganzoo_core.sampling.generate import _PIECE, decode
from ganzoo_core.sampling.tally import Tally

BUDGET = 2**29  # bytes that a network may have in use for what it makes at a time
OVERLAP = 48  # rows of the input that neighbouring tiles share
MARGIN = 16  # of these, how many at a tile's own border count for nothing: there it lacks what lies beyond

Span = tuple[int, int]


@dataclass(frozen=True)
class Tiling:
    """How pictures of any size are made one at a time: of tiles of the input called `name`, `side` large or less.

    `ratios`: the height and the width of what is made, as multiples of the input's. Tiles begin at multiples of `unit`.
    """

    name: str
    side: int
    ratios: tuple[Fraction, Fraction]
    unit: int

    @classmethod
    def of(
        cls,
        module: Generator,
        inputs: Sequence[Input],
        shape: tuple[int, ...],
        labels: Tensor | None,
        columns: Mapping[str, Tensor],
        device: torch.device,
    ) -> Self | None:
        """The tiling for inputs `columns` of a generator that was trained to make `shape`.

        None where there is not one image that may be of any size, and where 64 such fit into the budget, as do those of
        the size of training.
        """
        images = [one for one in inputs if one.kind == "image"]
        if len(images) != 1 or columns[images[0].name].shape[2:] == images[0].shape[1:]:
            return None
        (one,) = images
        pixels = math.prod(columns[one.name].shape[2:])
        need = _bytes_per_pixel(module, one, labels, columns, device)
        if _PIECE * need * pixels <= BUDGET:
            return None
        ratios = Fraction(shape[1], one.shape[1]), Fraction(shape[2], one.shape[2])
        unit = math.lcm(one.multiple, ratios[0].denominator, ratios[1].denominator)
        side = max(columns[one.name].shape[2:])
        if need * pixels > BUDGET:
            side = max(OVERLAP + max(OVERLAP, unit), math.isqrt(int(BUDGET / need)) - unit)
        return cls(one.name, -(-side // unit) * unit, ratios, unit)

    def decode(
        self, module: Generator, z: Tensor, labels: Tensor | None, columns: Mapping[str, Tensor], device: torch.device,
        seed: int, first: int,
    ) -> Tensor:  # fmt: skip
        """What `ganzoo_core.sampling.generate.decode` gives, one sample and one tile at a time."""
        made = [
            self._decode_one(
                module, z[row], None if labels is None else labels[row],
                {name: column[row] for name, column in columns.items()}, device, seed, first + row.start,
            )
            for row in (slice(number, number + 1) for number in range(len(z)))
        ]  # fmt: skip
        return torch.stack(made) if len(made) > 1 else made[0][None]  # which is not copied

    def _decode_one(
        self, module: Generator, z: Tensor, labels: Tensor | None, columns: Mapping[str, Tensor], device: torch.device,
        seed: int, first: int,
    ) -> Tensor:  # fmt: skip
        def make(tile: Tensor) -> Tensor:
            given = {**columns, self.name: tile[None]}
            return decode(module, z, labels, device, piece=1, columns=given, seed=seed, first=first)[0]

        return self.joined(make, columns[self.name][0])

    def joined(self, make: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
        """What `make` makes of the tiles of an image (C, H, W), blended where they overlap: (C', H', W')."""
        sides = image.shape[1:]
        rows, columns = (spans(side, self.side, self.unit) for side in sides)
        if len(rows) == len(columns) == 1:
            return make(image)
        down, across = (weights(found, ratio) for found, ratio in zip((rows, columns), self.ratios, strict=True))
        whole: Tensor | None = None
        for (top, bottom), (above, by_row) in zip(rows, down, strict=True):
            for (left, right), (before, by_column) in zip(columns, across, strict=True):
                tile = make(image[:, top:bottom, left:right])
                if tile.shape[1:] != (len(by_row), len(by_column)):
                    raise DataError(
                        f"of a part of {bottom - top}x{right - left} pixels {len(by_row)}x{len(by_column)} were to be "
                        f"made, but {tile.shape[1]}x{tile.shape[2]} were: such a generator makes no picture of parts"
                    )
                if whole is None:
                    whole = torch.zeros(len(tile), *(int(s * r) for s, r in zip(sides, self.ratios, strict=True)))
                place = whole[:, above : above + len(by_row), before : before + len(by_column)]
                place += tile * by_row[:, None] * by_column
        assert whole is not None  # there are spans
        return whole.clamp_(-1, 1)


def spans(length: int, side: int, unit: int) -> list[Span]:
    """Where the tiles of a side of `length` begin and end: `side` long, the last one up to a `unit` longer.

    They begin at multiples of `unit`, of which `side` is one, and share `OVERLAP` with the next, or more.
    """
    if length <= side:
        return [(0, length)]
    step = (side - OVERLAP) // unit * unit
    count = -(-(length - side) // step)
    starts = [number * (length - side) // count // unit * unit for number in range(count + 1)]
    return [(start, start + side) for start in starts[:-1]] + [(starts[-1], length)]


def weights(found: Sequence[Span], ratio: Fraction) -> list[tuple[int, Tensor]]:
    """Of each span of the input, where it begins in what is made, and how much each row of it counts there.

    Nothing at borders that have a neighbour, and more and more from `MARGIN` on; the weights of a row sum to 1.
    """
    begins = [(int(start * ratio), int(end * ratio)) for start, end in found]
    sums = torch.zeros(begins[-1][1])
    each = []
    for number, (start, end) in enumerate(begins):
        middles = torch.arange(end - start) + 0.5
        weight = torch.ones(end - start)
        if number:
            weight *= _rise(middles, ratio)
        if number < len(begins) - 1:
            weight *= _rise(end - start - middles, ratio)
        sums[start:end] += weight
        each.append(weight)
    return [(start, weight / sums[start:end]) for (start, end), weight in zip(begins, each, strict=True)]


def _rise(distance: Tensor, ratio: Fraction) -> Tensor:
    """From 0 to 1, by the distance from a border."""
    return ((distance / float(ratio) - MARGIN) / (OVERLAP - 2 * MARGIN)).clamp(0, 1)


def _bytes_per_pixel(
    module: Generator, one: Input, labels: Tensor | None, columns: Mapping[str, Tensor], device: torch.device
) -> float:
    """What a generator has in use for a pixel of its input, at most: as it makes a sample of the size of training."""
    blank = {name: column[:1] for name, column in columns.items()} | {one.name: torch.zeros(1, *one.shape)}
    z = module.latent(1, torch.Generator())
    with Tally() as tally:
        decode(module, z, None if labels is None else labels[:1], device, piece=1, columns=blank)
    return tally.most / math.prod(one.shape[1:])
