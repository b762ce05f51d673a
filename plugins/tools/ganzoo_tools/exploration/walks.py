"""Walks through a generator's latents: coordinates changed, two latents interpolated, one latent under all labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo_core.drawing.films import check_film, film_bytes, is_film
from ganzoo_core.drawing.pictures import captioned, png_bytes
from ganzoo_core.errors import DataError, FileError, SettingError, shorten
from ganzoo_core.sampling.generate import decode, latents
from ganzoo_core.sampling.samples import Samples, label_indices
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_core.storage.files import behind_link, write_atomically
from ganzoo_tools.exploration.table import table_picture

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.console import RenderableType

VALUES = 5  # how many values of a coordinate are shown when none is given
POSITIONS = 5  # how many coordinates are moved when none is named
FRAME_CELL = 168  # an image in a film is enlarged to at least this, in pixels
CROWD, CROWD_CELL = 8, 84  # more rows than this are shown smaller there
FPS = 25  # pictures a second of a film that has no end
MOST_PICTURES = 1000  # of a loop
_STRAIGHT_BELOW = 1e-6  # the sine of an angle so small, or so near 180 degrees, that it leaves the arc open


@dataclass(frozen=True, eq=False, repr=False)
class Exploration:
    """A table of samples from a walk through the latents.

    `samples`: the unchanged sample first, if there is one; then, row by row, one for each of `rows` and `columns`,
    which are captions. `is_closed`: the first column follows on the last.
    """

    samples: Samples
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    is_closed: bool = False

    def picture(self) -> Image:
        """The table as one picture, with the unchanged sample at the left of each row; points and curves as a plot."""
        untouched, table = self._parts()
        return table_picture(table, self.samples.spec, self.rows, self.columns, untouched)

    def frames(self) -> list[Image]:
        """One picture per column, captioned; the rows stand side by side."""
        untouched, table = self._parts()
        columns = table.transpose(0, 1)[:, None]  # (C, 1, R, *shape)
        spec, least = self.samples.spec, FRAME_CELL if len(self.rows) <= CROWD else CROWD_CELL
        pictures = [table_picture(c, spec, ("",), self.rows, untouched, least_cell=least) for c in columns]
        return [captioned(picture, caption) for picture, caption in zip(pictures, self.columns, strict=True)]

    def terminal(self, width: int) -> RenderableType:
        """The table for a rich console, at most `width` characters wide."""
        from ganzoo_core.drawing.terminal import Blocks, named_blocks

        if not self.samples.has_pixels:
            return Blocks(self.picture(), width)
        untouched, table = self._parts()
        return named_blocks(
            [(name, torch.cat([untouched, row])) for name, row in zip(self.rows, table, strict=True)], width
        )

    def save(self, path: Path | str, fps: int | None = None) -> None:
        """Write a picture (`.png`), a film over the columns (`.gif`, `.mp4`) or the samples (`.npz`).

        `fps`: pictures a second of a film; by default 25 where it has no end, and else what takes some 2.5 s. Raises
        `FileError` for another suffix, for an `.mp4` without the package that encodes it, or if the file can't be
        written.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix == ".png":
            write_atomically(behind_link(path), png_bytes(self.picture()))
        elif is_film(path):
            check_film(path)
            data = film_bytes(self.frames(), path, fps or (FPS if self.is_closed else None))
            write_atomically(behind_link(path), data)
        elif suffix == ".npz":
            self.samples.save(path)
        else:
            raise FileError(
                f"an exploration is saved as .png (a picture), .gif or .mp4 (a film) or .npz (arrays), "
                f"but the file is {path.name!r}"
            )

    def _parts(self) -> tuple[Tensor, Tensor]:
        """The untouched sample (0 or 1, *shape), and the table (R, C, *shape)."""
        size = len(self.rows), len(self.columns)
        first = len(self.samples) - math.prod(size)
        return self.samples.values[:first], self.samples.values[first:].unflatten(0, size)

    def _repr_png_(self) -> bytes:
        return png_bytes(self.picture())


def coordinates(
    generator: TrainedGenerator,
    positions: Sequence[int] | None = None,
    values: Sequence[float] | None = None,
    *,
    label: str | int | None = None,
    seed: int = 0,
    start: Tensor | None = None,
) -> Exploration:
    """The effect of single coordinates: the first latent of `seed`, one of its `positions` (from 0) set to each value.

    `start`: a latent (latent_dim,) in place of that of the seed.

    One row per position, one column per value (by default five, evenly over the generator's `latent_range`).
    `positions` default to the five that change this sample most. A conditional variant shows `label`, by default its
    first class. Raises `SettingError` for an invalid position or value, `DataError` if latents are no vectors or can't
    be moved, and what `sample` raises for a label.
    """
    z = first_latent(generator, seed) if start is None else start
    low, high = latent_range(generator)
    values = [low + (high - low) * k / (VALUES - 1) for k in range(VALUES)] if values is None else values
    for value in values:
        if not abs(value) <= torch.finfo(z.dtype).max:  # nor is NaN
            raise SettingError(f"values must be finite numbers, but one is {shorten(value, 40)}")
    if positions is None:
        positions = _telling_positions(generator, z, label)
    for position in positions:
        if not 0 <= position < len(z):
            raise SettingError(
                f"positions must be from 0 to {len(z) - 1}, as a latent of this {generator.variant.name} has "
                f"{len(z)} coordinates, but one is {position}"
            )
    if not (positions and values):
        raise SettingError("give at least one position and one value, such as positions 18,28 and values -2,1,4")
    table = moved(z, positions, values)
    samples = _made(generator, torch.cat([z[None], table.flatten(0, 1)]), label)
    return Exploration(samples, tuple(f"position {k}" for k in positions), tuple(f"{value:g}" for value in values))


def interpolation(
    generator: TrainedGenerator,
    steps: int = 10,
    *,
    spherical: bool = True,
    label: str | int | None = None,
    seed: int = 0,
    start: Tensor | None = None,
) -> Exploration:
    """Interpolates from the first latent of `seed` to that of `seed + 1`, in `steps` steps, both ends included.

    `start`: a latent (latent_dim,) in place of that of the seed. Raises `SettingError` for fewer than two steps;
    otherwise as `coordinates`.
    """
    if steps < 2:
        raise SettingError(f"an interpolation must have at least 2 steps, its ends, but has {steps}")
    begin = first_latent(generator, seed) if start is None else start
    way = between(begin, first_latent(generator, seed + 1), steps, spherical)
    return Exploration(_made(generator, way, label), ("",), tuple(f"{k / (steps - 1):.3g}" for k in range(steps)))


def loop(
    generator: TrainedGenerator,
    seeds: int = 5,
    frames: int = 30,
    *,
    n: int = 1,
    spherical: bool = True,
    label: str | int | None = None,
    all_labels: bool = False,
    seed: int = 0,
    start: Tensor | None = None,
) -> Exploration:
    """A closed way through the latents of so many seeds, from `seed` on, with `frames` steps from each to the next.

    It shows the first `n` latents of each seed, a row each, those that `sample` begins with; or the first one under
    every label. `start`: a latent (latent_dim,) in place of the first one of `seed`. A column's caption is the seed
    and, behind the point, the share of the way to the next one. Raises `SettingError` for less than two seeds, a frame
    and a sample, or more than 1,000 pictures; otherwise as `interpolation`, and as `across_labels`.
    """
    if seeds < 2 or frames < 1 or n < 1:
        raise SettingError(
            f"a loop must have at least 2 seeds, 1 frame and 1 sample, but has {seeds}, {frames} and {n}"
        )
    if all_labels and n > 1:
        raise SettingError(f"a loop under every label shows one latent, so n must be 1, but is {n}")
    if seeds * frames > MOST_PICTURES:
        raise SettingError(
            f"a loop may have at most {MOST_PICTURES:,} pictures, but {seeds} seeds with {frames} frames each are "
            f"{seeds * frames:,}"
        )
    first_latent(generator, seed)
    ends = [latents(generator.module, n, seed + k) for k in range(seeds)]  # (n, latent_dim) each
    if start is not None:
        ends[0] = torch.cat([start[None], ends[0][1:]])
    shares = torch.arange(frames, dtype=torch.float64) / frames
    ways = [
        torch.cat([along(a[i], b[i], shares, spherical) for a, b in zip(ends, [*ends[1:], ends[0]], strict=True)])
        for i in range(n)
    ]  # (seeds * frames, latent_dim) each
    columns = tuple(f"seed {seed + k + share:.2f}" for k in range(seeds) for share in shares.tolist())
    if not all_labels:
        return Exploration(_made(generator, torch.cat(ways), label), ("",) * n, columns, is_closed=True)
    generator.check_conditional()
    classes = generator.spec.classes
    labels = torch.arange(len(classes)).repeat_interleave(len(columns))
    values = decoded(generator, ways[0].repeat(len(classes), 1), labels)
    return Exploration(Samples(values, generator.spec, labels), classes, columns, is_closed=True)


def across_labels(generator: TrainedGenerator, *, seed: int = 0, start: Tensor | None = None) -> Exploration:
    """The first latent of `seed`, or `start`, under every label. Raises `SettingError` if the variant takes none."""
    generator.check_conditional()
    classes = generator.spec.classes
    labels = torch.arange(len(classes))
    z = (first_latent(generator, seed) if start is None else start).expand(len(classes), -1)
    return Exploration(Samples(decoded(generator, z, labels), generator.spec, labels), ("",), classes)


def moved(z: Tensor, positions: Sequence[int], values: Sequence[float]) -> Tensor:
    """Copies (R, C, latent_dim) of z (latent_dim,): in row r the coordinate `positions[r]` is set to each value."""
    table = z.repeat(len(positions), len(values), 1)
    for row, position in zip(table, positions, strict=True):
        row[:, position] = torch.tensor(values, dtype=z.dtype)
    return table


def between(start: Tensor, end: Tensor, steps: int, spherical: bool) -> Tensor:
    """The path (steps, latent_dim) from `start` to `end` (latent_dim,), both included exactly.

    Spherical: along the arc, sin((1 - t) w) / sin(w) start + sin(t w) / sin(w) end, w the angle between the two
    (arXiv:1609.04468, section 2.1). Normal latents lie near a sphere; a straight path leads through its inside, where
    the generator was not trained. Vectors that span no arc are joined straight.
    """
    return along(start, end, torch.linspace(0, 1, steps, dtype=torch.float64), spherical)


def along(start: Tensor, end: Tensor, shares: Tensor, spherical: bool) -> Tensor:
    """The latents (N, latent_dim) at fractions `shares` (N,), in [0, 1], of the path of `between`."""
    t = shares[:, None]
    a, b = start.double(), end.double()
    cosine = torch.dot(a, b) / (a.norm() * b.norm())
    angle = torch.acos(cosine.nan_to_num(1.0).clamp(-1, 1))
    if not spherical or torch.sin(angle) < _STRAIGHT_BELOW:
        way = (1 - t) * a + t * b
    else:
        way = (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)
    return way.to(start.dtype)  # (N, latent_dim)


def _telling_positions(generator: TrainedGenerator, z: Tensor, label: str | int | None) -> list[int]:
    """The coordinates that change the sample most between the ends of their range, strongest first."""
    copies = len(z), 1
    low, high = (_made(generator, z.repeat(copies).fill_diagonal_(x), label).values for x in latent_range(generator))
    change = (high - low).flatten(1).abs().mean(dim=1)  # (latent_dim,)
    return change.topk(min(POSITIONS, len(z))).indices.tolist()


def latent_range(generator: TrainedGenerator) -> tuple[float, float]:
    """The lowest and highest value that the generator states for a coordinate of its latent.

    Raises `DataError` where it states that there is nothing between them, or no two numbers.
    """
    stated = generator.module.latent_range
    if stated is None:
        raise DataError(
            f"explore moves a latent, and that of {generator.variant.name} has nothing between the values that are "
            f"drawn; `ganzoo sample` shows what it makes"
        )
    try:
        low, high = map(float, stated)
    except (TypeError, ValueError):
        low = high = math.nan
    if not -math.inf < low < high < math.inf:
        raise DataError(
            f"the latent_range of {generator.variant.name} must be two numbers, the lower first, but is "
            f"{shorten(repr(stated))}"
        )
    return low, high


def first_latent(generator: TrainedGenerator, seed: int) -> Tensor:
    """The latent (latent_dim,) of the first sample that `sample` makes from this seed.

    Raises `DataError` if latents are not vectors, or have no coordinates.
    """
    z = latents(generator.module, 1, seed)
    if z.ndim != 2 or not z.is_floating_point():
        raise DataError(
            f"explore needs latents that are vectors of numbers, but one of {generator.variant.name} is {z.dtype} of "
            f"shape {tuple(z.shape[1:])}; `ganzoo sample` shows what it makes"
        )
    if not z.shape[1]:
        raise DataError(
            f"explore moves a latent, and {generator.variant.name} has none; `ganzoo sample` shows what it makes"
        )
    return z[0]


def _made(generator: TrainedGenerator, z: Tensor, label: str | int | None) -> Samples:
    """The samples of latents z (N, latent_dim), all under one label if the generator takes labels."""
    labels = None
    if label is not None:
        generator.check_conditional()
    if generator.variant.conditional:
        (index,) = label_indices(generator.spec, [generator.spec.classes[0] if label is None else label])
        labels = torch.full((len(z),), index)
    return Samples(decoded(generator, z, labels), generator.spec, labels)


def decoded(
    generator: TrainedGenerator,
    z: Tensor,
    labels: Tensor | None,
    given: Mapping[str, Tensor] | None = None,
    **options: Any,
) -> Tensor:
    """What a generator makes of latents z (N, latent_dim), labels (N,) and one row of each input (1, ...) throughout.

    That is what is `given`, by default the first example of its run. `options`: those of `decode`. Raises
    `SettingError` where the generator takes an input and there is no example, `DataError` where it overflows.
    """
    if generator.inputs and not generator.examples:
        raise SettingError(
            f"{generator.variant.name} makes samples of an input, which it does not carry along; explore the folder of "
            f"its run, which keeps examples"
        )
    rows = {one.name: (given or generator.examples)[one.name][:1] for one in generator.inputs}
    columns = {name: row.expand(len(z), *row.shape[1:]) for name, row in rows.items()}
    made = decode(generator.module, z, labels, generator.device, columns=columns, **options)
    if not bool(made.isfinite().all()):
        raise DataError(f"{generator.variant.name} gives numbers that are not finite there; take a nearer latent")
    return made
