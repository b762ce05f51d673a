"""The built-in data sets, offered as any plugin offers its own. Torch-free until one is loaded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.hookspecs import hookimpl
from ganzoo_core.settings import Settings, option
from ganzoo_core.variant import DataSource, Kind

if TYPE_CHECKING:
    from ganzoo_core.data import Dataset

GANZOO_API = 1

Split = Literal["train", "test"]


@hookimpl
def ganzoo_datasets() -> list[type[DataSource]]:
    """The default first."""
    return [Digits, Mnist, FashionMnist, Kmnist, Cifar10, Folder, Ring8, Grid25, Sine]


def data_folder(given: Path | None) -> Path:
    """The data folder: `given` (--data-dir), else the variable GANZOO_DATA, else a cache folder. Makes no folder."""
    named = given or os.environ.get("GANZOO_DATA")
    if named:
        return Path(os.path.expanduser(named))
    import platformdirs

    return Path(platformdirs.user_cache_dir("ganzoo"))


def _refuse_test(name: str, split: Split) -> None:
    if split == "test":
        raise DataError(
            f"{name} has no held-out part: its only split is 'train', but 'test' was asked for; "
            f"use 'train', or data that has both, such as mnist"
        )


class Digits(DataSource):
    """1,797 real handwritten digits of 8x8 pixels, enlarged to 28x28."""

    name = "digits"
    title = "Handwritten digits, 8x8 enlarged to 28x28"
    origin = "comes with scikit-learn: UCI Optical Recognition of Handwritten Digits, CC BY 4.0"
    shape = (1, 28, 28)
    classes = tuple("0123456789")
    size = 1797

    def load(self, data_dir: Path, split: Split = "train") -> Dataset:
        """All 1,797. Raises `DataError` for split "test"."""
        _refuse_test(self.name, split)
        from ganzoo_core.datasets.digits import load

        return load(self)


class Downloaded(DataSource):
    """A data set of published files below the data folder, fetched on first use.

    `folder` is where, `files` what, by split.
    """

    folder: ClassVar[str]
    files: ClassVar[dict[Split, tuple[str, ...]]]
    shape: ClassVar[tuple[int, ...]]
    classes: ClassVar[tuple[str, ...]]

    def archive(self, file: str) -> str:
        """The name of the published archive that `file` comes in."""
        return f"{file}.gz"

    def is_local(self, data_dir: Path) -> bool:
        """Whether both splits are there, unpacked or as the published archives."""
        folder = data_dir / self.folder
        names = [name for names in self.files.values() for name in names]
        return all((folder / name).is_file() or (folder / self.archive(name)).is_file() for name in names)

    def load(self, data_dir: Path, split: Split = "train") -> Dataset:
        """The split, fetched where its files are missing. Raises `DataError` where that fails or a file is damaged."""
        from ganzoo_core.datasets.downloads import load

        return load(self, data_dir, split)


class Mnist(Downloaded):
    """The files of MNIST, in the folders torchvision keeps them in."""

    name = "mnist"
    title = "MNIST handwritten digits"
    origin = "LeCun, Cortes and Burges, CC BY-SA 3.0; fetches 11 MB"
    shape = (1, 28, 28)
    classes = tuple("0123456789")
    size = 60_000
    folder = "MNIST/raw"
    files: ClassVar[dict[Split, tuple[str, ...]]] = {
        "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    }


class FashionMnist(Mnist):
    """Pictures of clothes (arXiv:1708.07747), in MNIST's format."""

    name = "fashion-mnist"
    title = "Fashion-MNIST clothes"
    origin = "Zalando Research (arXiv:1708.07747), MIT; fetches 31 MB"
    classes = (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    )  # fmt: skip
    folder = "FashionMNIST/raw"


class Kmnist(Mnist):
    """Cursive hiragana (arXiv:1812.01718), in MNIST's format."""

    name = "kmnist"
    title = "Kuzushiji-MNIST cursive hiragana"
    origin = "ROIS-DS Center for Open Data in the Humanities (arXiv:1812.01718), CC BY-SA 4.0; fetches 21 MB"
    classes = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
    folder = "KMNIST/raw"


class Cifar10(Downloaded):
    """CIFAR-10 in its binary version; the other version is pickled, and nothing here reads pickle."""

    name = "cifar10"
    title = "CIFAR-10 photographs"
    origin = "Krizhevsky, University of Toronto, 2009, no licence stated; fetches 170 MB"
    shape = (3, 32, 32)
    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    size = 50_000
    folder = "cifar-10-batches-bin"
    files: ClassVar[dict[Split, tuple[str, ...]]] = {
        "train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
        "test": ("test_batch.bin",),
    }

    def archive(self, file: str) -> str:
        """One archive holds them all."""
        return "cifar-10-binary.tar.gz"


@dataclass(frozen=True, kw_only=True)
class FolderOptions(Settings):
    """How a folder's images are read."""

    image_size: int = option(32, "pixels a side; images are shrunk to it and cropped to a square", minimum=4)
    channels: int | None = option(None, "1 grey, 3 colour; none: 1 where every file is stored as grey, else 3")
    on_bad_image: str = option("skip", "what to do about an image that can't be read", choices=("skip", "stop"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels not in (None, 1, 3):
            raise SettingError(f"channels must be 1, 3 or none, but is {self.channels}")


class Folder(DataSource):
    """The user's own images: in one folder (unlabelled), or in one subfolder per class."""

    name = "folder"
    title = "Your own images: one folder, or a subfolder per class"
    origin = "folder:PATH, on this machine"
    takes_path = True
    Options = FolderOptions

    def load(self, data_dir: Path, split: Split = "train") -> Dataset:
        """Every readable image, decoded once and kept in a cache. Raises `DataError`, also for split "test"."""
        _refuse_test(self.name, split)
        if self.path is None:
            raise DataError("the data set folder needs a path: --data folder:PATH")
        from ganzoo_core.datasets.folder import load

        return load(self.path, self.options, data_dir)


class Ring8(DataSource):
    """Eight Gaussians on a circle of radius 2, standard deviation 0.02 (arXiv:1611.02163, appendix)."""

    name = "ring8"
    title = "Eight Gaussians on a ring"
    origin = "made on the spot, after arXiv:1611.02163"
    kind: ClassVar[Kind] = "points"
    shape = (2,)
    classes = ("E", "NE", "N", "NW", "W", "SW", "S", "SE")
    size = 50_000

    def load(self, data_dir: Path, split: Split = "train") -> Dataset:
        """The same points every time, whatever the run's seed; other points for split "test"."""
        from ganzoo_core.datasets import toy

        return toy.gaussians(self.name, self.classes, toy.ring8_modes(), toy.RING8_STD, scale=2.5, split=split)


class Grid25(DataSource):
    """Twenty-five Gaussians on a grid from -4 to 4, standard deviation 0.05 (arXiv:1712.04086, section 4.1)."""

    name = "grid25"
    title = "Twenty-five Gaussians on a grid"
    origin = "made on the spot, after arXiv:1712.04086"
    kind: ClassVar[Kind] = "points"
    shape = (2,)
    classes = tuple(f"x={x} y={y}" for x in range(-4, 5, 2) for y in range(-4, 5, 2))
    size = 50_000

    def load(self, data_dir: Path, split: Split = "train") -> Dataset:
        """The same points every time, whatever the run's seed; other points for split "test"."""
        from ganzoo_core.datasets import toy

        return toy.gaussians(self.name, self.classes, toy.grid25_modes(), toy.GRID25_STD, scale=5.0, split=split)


class Sine(DataSource):
    """The parabolas y = a x^2 + (a - 1), a from 1 to 2, at 15 places: the "paintings" of small GAN demonstrations."""

    name = "sine"
    title = "Curves between two parabolas"
    origin = "made on the spot"
    kind: ClassVar[Kind] = "curves"
    shape = (15,)
    classes = ()
    size = 50_000

    def load(self, data_dir: Path, split: Split = "train") -> Dataset:
        """The same curves every time, whatever the run's seed; other curves for split "test"."""
        from ganzoo_core.datasets import toy

        return toy.parabolas(self.name, split)
