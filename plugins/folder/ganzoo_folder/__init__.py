"""Your own images as a data set: `--data folder:PATH`, and pairs of them: `--data pairs:PATH`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo_core import DataSource, hookimpl
from ganzoo_core.dataspec import Split
from ganzoo_core.errors import DataError
from ganzoo_folder.options import FolderOptions, PairsOptions

if TYPE_CHECKING:
    import numpy as np

    from ganzoo_core import Dataset

GANZOO_API = 2


class Folder(DataSource):
    """The user's own images: in one folder (unlabelled), or in one subfolder per class, with captions in a table."""

    name = "folder"
    title = "Your own images: one folder, or a subfolder per class"
    origin = "folder:PATH, on this machine"
    takes_path = True
    Options = FolderOptions

    @classmethod
    def caches(cls, data_dir: Path) -> dict[Path, str]:
        """A cache for each folder, split and size that was asked for."""
        from ganzoo_folder.upkeep import about_caches, homes

        found = {path: about for home in homes(data_dir) for path, about in about_caches(home).items()}
        return {path: _in_words(about) for path, about in found.items()}

    def load(self, data_dir: Path, split: Split = "train") -> Dataset:
        """Every readable image, decoded once and kept in a cache. Raises `DataError`, also for a missing split."""
        if self.path is None:
            raise DataError("the data set folder needs a path: --data folder:PATH")
        from ganzoo_folder.folder import load

        return load(self.path, self.options, data_dir, split)

    @classmethod
    def picture(cls, path: Path, channels: int, size: tuple[int, int] | None) -> np.ndarray:
        """One image file, as `load` would read it: see `DataSource.picture`."""
        from ganzoo_folder.picture import read_picture

        return read_picture(path, channels, size)

    @classmethod
    def pictures(cls, path: Path) -> list[Path]:
        """The images below a folder, or the file itself."""
        from ganzoo_folder.picture import pictures_in

        return pictures_in(path)


class Pairs(DataSource):
    """The user's own pairs of pictures: two folders of equal file names, or pictures that are two side by side."""

    name = "pairs"
    title = "Your own pairs of pictures: two folders of the same names, or two pictures side by side"
    origin = "pairs:PATH, on this machine"
    takes_path = True
    Options = PairsOptions

    def load(self, data_dir: Path, split: Split = "train") -> Dataset:
        """Every pair of which both can be read; raises as a folder does."""
        if self.path is None:
            raise DataError("the data set pairs needs a path: --data pairs:PATH")
        from ganzoo_folder.pairs import load

        return load(self.path, self.options, data_dir, split)


def _in_words(about: dict[str, object]) -> str:
    known = {"images", "folder", "split", "image_size"} <= about.keys()
    if not known:
        return "of an older ganzoo"
    return " ".join(str(part) for part in (
        f"{about['images']} images of {about['folder']}", about["split"], f"at {about['image_size']}",
    ) if part)  # fmt: skip


@hookimpl
def ganzoo_datasets() -> list[type[DataSource]]:
    """Folders, and pairs."""
    return [Folder, Pairs]
