"""DataSource: a data set that can be requested by name. Needs no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ganzoo_core.dataspec import Input, Kind
from ganzoo_core.errors import DataError
from ganzoo_core.settings import Settings

if TYPE_CHECKING:
    import numpy as np

    from ganzoo_core.data import Dataset


@dataclass(frozen=True, kw_only=True)
class NoOptions(Settings):
    """The options of a data set that has none."""


class DataSource(ABC):
    """A data set that can be requested by name. Torch-free until `load` is called.

    `shape`, `classes` and `size`: None if known only after loading. `columns`: what it gives beside samples and labels,
    where it states its shape. `origin`: where the data comes from. A source with `takes_path` is named as `NAME:PATH`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    origin: ClassVar[str]
    kind: ClassVar[Kind] = "images"
    shape: ClassVar[tuple[int, ...] | None] = None
    classes: ClassVar[tuple[str, ...] | None] = None
    size: ClassVar[int | None] = None
    columns: ClassVar[tuple[Input, ...]] = ()
    takes_path: ClassVar[bool] = False
    Options: ClassVar[type[Settings]] = NoOptions

    def __init__(self, options: Settings | None = None, path: Path | None = None) -> None:
        self.options: Any = self.Options() if options is None else options
        self.path = path

    def is_local(self, data_dir: Path) -> bool:
        """Whether loading works without a network."""
        return True

    @classmethod
    def caches(cls, data_dir: Path) -> Mapping[Path, str]:
        """The folders in which it keeps what makes loading faster, and what each is for: `ganzoo data` shows them."""
        return {}

    @classmethod
    def picture(cls, path: Path, channels: int, size: tuple[int, int] | None) -> np.ndarray:
        """One image file (C, H, W) uint8, for a generator that takes images: upright, of `size` (H, W) or as it is.

        Raises `DataError` for a file that is no image, and from a data set that reads none.
        """
        raise DataError(f"the data set {cls.name} reads no image files")

    @classmethod
    def pictures(cls, path: Path) -> list[Path]:
        """The image files below a folder, in order, or the one at `path`. Raises as `picture`."""
        raise DataError(f"the data set {cls.name} reads no image files")

    @abstractmethod
    def load(self, data_dir: Path, split: Literal["train", "test"] = "train") -> Dataset:
        """The data set in memory. Raises `DataError` if it is unavailable or has no such split."""
