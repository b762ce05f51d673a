"""What a generator makes of the user's own pictures: a file for each, named after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo_core.dataspec import Input
from ganzoo_core.errors import DataError, FileError, SettingError
from ganzoo_core.registry import registry
from ganzoo_core.sampling.sample_files import class_folders
from ganzoo_core.sampling.samples import Samples
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_core.storage.names import visible


@dataclass(frozen=True)
class Made:
    """What was made of one file: `name`, without a suffix, tells it and the label; a folder's has subfolders."""

    name: str
    samples: Samples


def find_pictures(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """The image files that paths name, folders with all that is below them, each with a name of its own.

    Raises `FileError` for a path where nothing is, or no image.
    """
    source = _reader()
    found: list[tuple[Path, str]] = []
    for path in paths:
        if not path.exists():
            raise FileError(f"there is no file or folder {visible(path)}")
        files = source.pictures(path)
        if not files:
            raise FileError(f"{visible(path)} holds no images")
        base = path if path.is_dir() else path.parent
        found += [(file, str(file.relative_to(base).with_suffix(""))) for file in files]
    taken: dict[str, int] = {}
    named = []
    for file, name in found:
        taken[name.casefold()] = count = taken.get(name.casefold(), 0) + 1
        named.append((file, name if count == 1 else f"{name}-{count}"))
    return named


def translated(
    generator: TrainedGenerator,
    pictures: Sequence[tuple[Path, str]],
    *,
    labels: Sequence[str | int] | None = None,
    text: str | None = None,
    seed: int = 0,
    n: int = 1,
) -> Iterator[Made]:
    """What the generator makes of each picture, n times with each label: as large as it, or as many times as large.

    A generator that takes images of one size alone gets the middle of it, at that size; one of any size makes what is
    large in tiles. Raises `SettingError` for one that takes no image, or several.
    """
    one = image_input(generator)
    names = [""]
    if generator.variant.conditional:
        folders = class_folders(generator.spec)
        asked = labels or generator.spec.classes
        indices = [int(k) for k in generator.label_numbers(asked)]
        names = [f"-{folders[k]}" for k in indices] if len(indices) > 1 else [""]
    for file, name in pictures:
        pixels = _reader().picture(file, one.shape[0], None if one.any_size else (one.shape[1], one.shape[2]))
        image, size = _padded(torch.from_numpy(np.array(pixels)), one, generator.spec.shape)
        count, number = n * len(names), 0
        try:
            for samples in generator.batches(
                count, labels=labels, seed=seed, inputs={one.name: image[None]}, text=text
            ):
                for values in samples.values[:, :, : size[0], : size[1]]:
                    repeat, k = divmod(number, len(names))
                    drawn = Samples(values[None], samples.spec)
                    yield Made(f"{name}{names[k]}{f'-{repeat}' if n > 1 else ''}", drawn)
                    number += 1
        except RuntimeError as error:
            if not one.any_size:
                raise
            raise DataError(
                f"{generator.variant.name} can't take {visible(file)}, as large as it is: {error}"
            ) from error


def image_input(generator: TrainedGenerator) -> Input:
    """The one image that a generator takes. Raises `SettingError` for one that takes none, or several."""
    images = [one for one in generator.inputs if one.kind == "image"]
    if len(images) == 1:
        return images[0]
    if not images:
        raise SettingError(f"{generator.variant.name} takes no picture; leave out --input")
    names = ", ".join(one.name for one in images)
    raise SettingError(f"{generator.variant.name} takes several pictures ({names}): give them from Python, by name")


def _padded(pixels: Tensor, one: Input, made: tuple[int, ...]) -> tuple[Tensor, tuple[int, int]]:
    """The image (C, H, W) with its last rows and columns repeated until the network can take it; what to keep of what
    it makes (height, width).
    """
    sides = tuple(pixels.shape[-2:])
    wanted = [
        max(least, -(-side // one.multiple) * one.multiple) for side, least in zip(sides, one.shape[1:], strict=True)
    ]
    grown = F.pad(pixels[None].float(), (0, wanted[1] - sides[1], 0, wanted[0] - sides[0]), mode="replicate")[0]
    height, width = (side * new // old for side, new, old in zip(sides, made[-2:], one.shape[1:], strict=True))
    return grown.div(127.5).sub(1), (height, width)


def _reader() -> Any:
    """What reads image files: the folder data set, wherever it comes from."""
    return registry().dataset("folder")[0]
