"""What a generator made, and ways to show and save it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ganzoo_core.dataspec import DataSpec, Input
from ganzoo_core.drawing.pictures import NAMED_ROWS, most_named, picture, png_bytes, to_uint8
from ganzoo_core.drawing.plots import natural_units
from ganzoo_core.drawing.translations import translations_picture
from ganzoo_core.errors import DataError, UnknownNameError
from ganzoo_core.sampling.sample_files import SampleArrays, is_picture, write_samples
from ganzoo_core.storage.files import behind_link, write_atomically

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.console import RenderableType

_NUMBER = r"\d{1,18}(?!\d)"  # longer ones name no class, and Python may refuse to read them


@dataclass(frozen=True, eq=False, repr=False)
class Samples:
    """Samples of a generator. `values`: (N, *shape) float32 in [-1, 1] on the CPU; `labels`: (N,) int64 or None.

    `real`: real samples (M, *shape) to draw beside points and curves, if available. `inputs`: what they were made of, a
    column (N, ...) for each; `target`: what should have become of it (N, *shape), where that is known.
    """

    values: Tensor
    spec: DataSpec
    labels: Tensor | None = None
    real: Tensor | None = None
    inputs: tuple[tuple[Input, Tensor], ...] = ()
    target: Tensor | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"Samples({len(self)} of {self.spec.name}, shape {self.spec.shape})"

    @property
    def images(self) -> np.ndarray:
        """Pixels (N, C, H, W), voxels (N, 1, D, H, W): uint8, 0..255. Raises `DataError` for points and curves."""
        if not self.has_pixels:
            raise DataError(f"{self.spec.name} holds {self.spec.kind}, which have no pixels; use `values` instead")
        return to_uint8(self.values).numpy()

    def arrays(self) -> SampleArrays:
        """The samples and their labels as stored in files."""
        array = self.images if self.has_pixels else natural_units(self.values, self.spec)
        return SampleArrays(array, None if self.labels is None else self.labels.numpy())

    def picture(self, columns: int | None = None) -> Image:
        """All samples as one picture, by class if labelled; see `ganzoo_core.drawing.pictures.picture`.

        Those made of inputs stand below them, and above their targets: `ganzoo_core.drawing.translations`.
        """
        if self.inputs and self.spec.kind == "images":
            return translations_picture(self.values, self.spec, self.inputs, self.labels, self.target)
        return picture(self.values, self.spec, self.labels, columns=columns, real=self.real)

    def terminal(self, width: int) -> RenderableType:
        """The samples for a rich console, at most `width` characters wide; large sets of images are cut."""
        from ganzoo_core.drawing.terminal import Blocks, image_blocks

        if self.has_pixels and not self.inputs:
            return image_blocks(self.values, self.spec, self.labels, width)
        return Blocks(self.picture(), width)

    def save(self, path: Path | str) -> None:
        """Write a picture (`.png`), the samples themselves (`.npz`), or a folder of images (a name without a suffix).

        The npz holds `images` uint8 (for points and curves `samples`, float32 in natural units), and `labels` int64 if
        there are any. An existing file is replaced atomically. A folder, which must be new or empty, gets one PNG per
        image, `000012.png` for number 12, in a subfolder per class. A path that ends in "/" is a folder too. Raises
        `FileError` for another suffix or if the file can't be written, `DataError` for samples that are not images.
        """
        if is_picture(path):
            write_atomically(behind_link(Path(path)), png_bytes(self.picture()))
        else:
            write_samples(path, self.spec, [self.arrays()], len(self))

    @property
    def has_pixels(self) -> bool:
        """Whether the samples are images or voxels, not points or curves."""
        return self.spec.has_pixels

    def _repr_png_(self) -> bytes:
        return png_bytes(self.picture())


def default_count(spec: DataSpec, conditional: bool) -> int:
    """How many samples make a good picture: 8 per class, 64 images or curves, 1,000 points.

    Of more than 20 classes fewer each; of more than fit on a screen the first ones, one each.
    """
    if spec.kind == "points":
        return 1000
    if not conditional:
        return 64
    if spec.num_classes <= NAMED_ROWS or not spec.has_pixels:
        return 8 * min(spec.num_classes, NAMED_ROWS)
    shown = min(spec.num_classes, max(NAMED_ROWS, most_named(spec)))
    return shown * max(1, 8 * NAMED_ROWS // spec.num_classes)


def default_labels(spec: DataSpec, n: int) -> Tensor:
    """Labels (n,) int64 that cycle through all classes."""
    return torch.arange(n, device="cpu") % spec.num_classes


def label_indices(spec: DataSpec, labels: Sequence[str | int]) -> list[int]:
    """Turn class names or indices into indices.

    Where names begin with numbers (01, 02; 7-up), a number is one of those and never an index: it would be off by one.
    Raises `UnknownNameError` for an unknown label.
    """
    numbers = [int(found[0]) if (found := re.match(_NUMBER, name)) else None for name in spec.classes]
    if not any(number is not None for number in numbers):
        numbers = [*range(spec.num_classes)]
    return [_label_index(spec, str(label), numbers) for label in labels]


def _label_index(spec: DataSpec, label: str, numbers: Sequence[int | None]) -> int:
    if label in spec.classes:
        return spec.classes.index(label)
    if re.fullmatch(_NUMBER, label) and numbers.count(int(label)) == 1:
        return numbers.index(int(label))
    raise UnknownNameError("label", label, spec.classes)
