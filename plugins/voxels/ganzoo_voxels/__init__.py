"""Voxel shapes as data sets: `shapes3d`, made by parameters, and your own files, `--data voxels:PATH`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ganzoo_core import DataSource, hookimpl, option
from ganzoo_core.errors import DataError
from ganzoo_core.settings import Settings

if TYPE_CHECKING:
    from ganzoo_core import Dataset

GANZOO_API = 2


class Shapes3d(DataSource):
    """Six kinds of things, each of simple parts of random sizes, made anew in seconds."""

    name = "shapes3d"
    title = "Chairs, tables, lamps, planes, cars and beds of voxels, made by parameters"
    origin = "made on this machine, nothing is fetched"
    kind = "voxels"
    shape = (1, 32, 32, 32)
    classes = ("chair", "table", "lamp", "plane", "car", "bed")
    size = 3000

    def load(self, data_dir: Path, split: Literal["train", "test"] = "train") -> Dataset:
        """3,000 shapes, as many of each class; 600 others are held out."""
        from ganzoo_voxels.shapes import load

        return load(self, split)


@dataclass(frozen=True, kw_only=True)
class VoxelOptions(Settings):
    """How a folder's voxel files are read."""

    side: int = option(32, "voxels a side that every shape is made to fit", minimum=8, maximum=128)
    up: str = option(
        "auto",
        "which way is up in an array: rows (D, H, W), the first of H on top; y or z of (x, y, z), growing upwards; "
        "auto: y in .binvox, rows in others",
        choices=("auto", "rows", "y", "z"),
    )


class Voxels(DataSource):
    """The user's own voxel files: in one folder (unlabelled), or in one subfolder per class."""

    name = "voxels"
    title = "Your own voxels (.npy, .npz, .binvox): one folder, or a subfolder per class"
    origin = "voxels:PATH, on this machine"
    kind = "voxels"
    takes_path = True
    Options = VoxelOptions

    def load(self, data_dir: Path, split: Literal["train", "test"] = "train") -> Dataset:
        """Every readable file. Raises `DataError`, also for a missing split."""
        if self.path is None:
            raise DataError("the data set voxels needs a path: --data voxels:PATH")
        from ganzoo_voxels.folder import load

        return load(self.path, self.options, split)


@hookimpl
def ganzoo_datasets() -> list[type[DataSource]]:
    """The made one, and the user's."""
    return [Shapes3d, Voxels]
