"""The same latents under several values of one option of sampling, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ganzoo_core.drawing.pictures import (
    GUTTER,
    NAMED_ROWS,
    PAPER,
    captioned,
    cells,
    enlargement,
    lettered,
    montage,
    png_bytes,
)
from ganzoo_core.errors import FileError, SettingError
from ganzoo_core.sampling.generator_file import sampling_options
from ganzoo_core.sampling.samples import Samples
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_core.storage.files import behind_link, write_atomically

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.console import RenderableType

MOST_COLUMNS, MOST_SAMPLES = 20, 1000
ROWS = 8  # where there are no classes to show


@dataclass(frozen=True, eq=False, repr=False)
class Grid:
    """Samples under each of the values of the option `name`, those of one latent and label in a row.

    `columns`: the values as captions; `rows`: the names of the classes, or the numbers of the samples.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    samples: tuple[Samples, ...]

    def picture(self) -> Image:
        """A row for each latent, a column for each value; points and curves: a plot for each value."""
        spec = self.samples[0].spec
        if not spec.has_pixels:
            plots = zip(self.samples, self.columns, strict=True)
            return montage([[captioned(one.picture(), f"{self.name} = {value}") for one, value in plots]], 0, PAPER)
        factor = enlargement(spec, len(self.columns))
        columns = [cells(one.values, factor) for one in self.samples]
        table = montage([list(row) for row in zip(*columns, strict=True)], GUTTER, PAPER)
        return captioned(lettered(table, self.rows, self.columns), self.name)

    def terminal(self, width: int) -> RenderableType:
        """The grid for a rich console, at most `width` characters wide."""
        from ganzoo_core.drawing.terminal import Blocks, named_blocks

        if not self.samples[0].has_pixels:
            return Blocks(self.picture(), width)
        table = torch.stack([one.values for one in self.samples], dim=1)  # (rows, columns, *shape)
        return named_blocks(list(zip(self.rows, table, strict=True)), width)

    def save(self, path: Path | str) -> None:
        """Write the picture. Raises `FileError` for another suffix than .png, or if the file can't be written."""
        check_grid_file(path)
        write_atomically(behind_link(Path(path)), png_bytes(self.picture()))


def check_grid_file(path: Path | str) -> None:
    """Raise `FileError` for a name that is none of a picture."""
    if Path(path).suffix.lower() != ".png":
        raise FileError(f"a grid is saved as .png (a picture), but the file is {Path(path).name!r}")


def sampling_grid(
    generator: TrainedGenerator,
    name: str,
    texts: Sequence[str],
    n: int | None = None,
    *,
    others: Mapping[str, str] | None = None,
    **asked: Any,
) -> Grid:
    """n samples under each value of an option of sampling, given as on the command line, such as 0.3, 0.5 and 1.

    `others`: further options, as texts. `asked`: labels, seed and text as `TrainedGenerator.sample` takes them. By
    default a sample for each class, of at most 20, or eight of a variant that takes no labels. Raises
    `UnknownNameError` for an option that the variant lacks, `SettingError` for a bad value or too many, and what
    `sample` raises.
    """
    module, variant = generator.module, generator.variant
    if not 1 <= len(texts) <= MOST_COLUMNS:
        raise SettingError(f"a grid must have 1 to {MOST_COLUMNS} values of {name}, but {len(texts)} are given")
    options = [sampling_options(variant, {**(others or {}), name: text}) for text in texts]
    if isinstance(getattr(options[0], name), tuple):
        raise SettingError(f"{name} takes several numbers at once, so it can't be in a grid; give it with --set")
    n = n or _rows(generator, asked)
    most = MOST_SAMPLES if generator.spec.has_pixels else MOST_COLUMNS * MOST_SAMPLES
    if n * len(texts) > most:
        raise SettingError(f"a grid may show {most:,} samples, but {n:,} of {len(texts)} values are more")
    before, made = module.sampling, []
    try:
        for one in options:
            module.sampling = one
            made.append(generator.sample(n, **asked))
    finally:
        module.sampling = before
    return Grid(name, tuple(text.strip() for text in texts), _names(made[0]), tuple(made))


def _rows(generator: TrainedGenerator, asked: Mapping[str, Any]) -> int:
    if not generator.spec.has_pixels or generator.inputs:
        return len(generator.sample(**asked))
    if labels := asked.get("labels"):
        return len(labels)
    return min(generator.spec.num_classes, NAMED_ROWS) if generator.variant.conditional else ROWS


def _names(samples: Samples) -> tuple[str, ...]:
    """What stands beside each row."""
    if samples.labels is None:
        return tuple(map(str, range(len(samples))))
    return tuple(samples.spec.classes[k] for k in samples.labels.tolist())
