"""A folder of voxel files as a data set: what lies in it, read, made to fit one cube, labelled by subfolder."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo_core import Dataset, DataSpec
from ganzoo_core.errors import DataError, GanzooError
from ganzoo_core.storage.names import few, visible
from ganzoo_voxels.files import MOST_VOXELS, READERS, read_shapes

if TYPE_CHECKING:
    from ganzoo_voxels import VoxelOptions

_SPLITS = {"train", "test"}
_LINK = "it is a link out of the folder"
_EMPTY = "it holds an empty shape"
_log = logging.getLogger("ganzoo")


class _Found(NamedTuple):
    """The files of a split with their labels, and the classes; none where the files lie in it directly."""

    files: list[tuple[Path, int]]
    classes: tuple[str, ...]


def load(path: Path, options: VoxelOptions, split: Literal["train", "test"]) -> Dataset:
    """The shapes (N, 1, side, side, side) uint8, 0 or 255. Raises `DataError` where there are none."""
    try:
        root = path.resolve(strict=True)
        found = _listed(root, path, split)
    except OSError as error:
        raise DataError(
            f"no folder can be read at {path} ({error.strerror}); voxels:PATH takes a folder of voxel files, or of one "
            f"subfolder per class"
        ) from error
    samples, labels, left_out = [], [], {}
    for file, label in found.files:
        name = file.relative_to(root).as_posix()
        try:
            shapes = _fitted(root, file, options)
        except GanzooError as error:
            left_out[name] = str(error).replace(str(file), "it")
            continue
        samples.append(shapes)
        labels += [label] * len(shapes)
    if left_out:
        named = few(f"{name!r} ({reason})" for name, reason in left_out.items())
        _log.warning("%s: skipped %d of %d files: %s", visible(path), len(left_out), len(found.files), named)
    if not samples:
        raise DataError(f"no voxel file in {path} can be read: {few(left_out.values())}")
    spec = DataSpec(f"voxels:{root.name}", (1, *(options.side,) * 3), found.classes, "voxels")
    return Dataset(spec, torch.cat(samples), torch.tensor(labels) if found.classes else None, left_out=left_out)


def _fitted(root: Path, file: Path, options: VoxelOptions) -> Tensor:
    """A file's shapes (N, 1, side, side, side) uint8. Raises `GanzooError` for one that can't be used."""
    if not file.resolve().is_relative_to(root):
        raise DataError(_LINK)
    found = read_shapes(file, options.up)
    if len(found) * options.side**3 > MOST_VOXELS:
        raise DataError(f"it holds {len(found):,} shapes, which is too many with side={options.side}")
    shapes = [fit(shape, options.side) for shape in found]
    if not all(bool(shape.any()) for shape in shapes):
        raise DataError(_EMPTY)
    return torch.stack(shapes)[:, None].to(torch.uint8) * 255


def fit(shape: np.ndarray, side: int) -> Tensor:
    """A shape (D, H, W) bool in the middle of a cube (side, side, side), its proportions kept.

    A voxel of the result is filled where at least half of what it covers is.
    """
    longest = max(shape.shape)
    padding = [((longest - size) // 2, longest - size - (longest - size) // 2) for size in shape.shape]
    cube = torch.from_numpy(np.pad(shape, padding).astype(np.float32))
    return F.adaptive_avg_pool3d(cube[None], side)[0] >= 0.5


def _listed(root: Path, path: Path, split: str) -> _Found:
    """What a folder holds, or its part `split`. Raises `OSError`, and `DataError` where it is no such folder."""
    folders, _ = _inside(root)
    splits = {folder.name: folder for folder in folders} if {one.name for one in folders} <= _SPLITS else {}
    if "train" not in splits:
        splits = {}
    if split == "test" and "test" not in splits:
        raise DataError(
            f"voxels has no held-out part: its only split is 'train', but 'test' was asked for; put the files of "
            f"{path} into folders called train and test"
        )
    train = _in_folder(splits.get("train", root), path)
    if split == "train":
        return train
    test = _in_folder(splits["test"], path)
    if bool(train.classes) != bool(test.classes):
        raise DataError(f"of the splits of {path} one has classes and the other has none; make them alike")
    if unknown := [name for name in test.classes if name not in train.classes]:
        raise DataError(
            f"the held-out part of {path} has classes that the training part lacks ({few(map(repr, unknown))}); "
            f"remove them, or add them to both"
        )
    number = [train.classes.index(name) for name in test.classes] or [0]
    return _Found([(file, number[label]) for file, label in test.files], train.classes)


def _in_folder(folder: Path, path: Path) -> _Found:
    folders, files = _inside(folder)
    if files:
        if full := [one.name for one in folders if _inside(one)[1]]:
            raise DataError(f"{path} holds voxel files beside folders of them ({few(map(repr, full))}); keep one")
        return _Found([(file, 0) for file in files], ())
    classes = {one.name: _inside(one)[1] for one in folders}
    classes = {name: files for name, files in classes.items() if files}
    if not classes:
        raise DataError(f"{path} holds no voxels; files ending in {' '.join(READERS)} are read")
    labelled = [(file, label) for label, files in enumerate(classes.values()) for file in files]
    return _Found(labelled, tuple(visible(name) for name in classes))


def _inside(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folders and the voxel files right in a folder, in order, nothing hidden; 2 comes before 10."""
    entries = sorted((one for one in folder.iterdir() if not one.name.startswith(".")), key=_natural)
    return [one for one in entries if one.is_dir()], [one for one in entries if one.suffix.lower() in READERS]


def _natural(path: Path) -> tuple[list[str | int], str]:
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if k % 2 else part for k, part in enumerate(parts)], path.name
