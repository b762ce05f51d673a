"""The built-in data sets as sources. Torch-free until one is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ganzoo_core.dataspec import DataSpec, Input, Kind, Split
from ganzoo_core.errors import DataError
from ganzoo_core.variant import DataSource

if TYPE_CHECKING:
    from ganzoo_core.data import Dataset


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

        return load(DataSpec(self.name, self.shape, self.classes))


class DigitPairs(Digits):
    """The same digits, each with its outline as `source`: pairs that need no download, every sixth of them held out."""

    name = "digit-pairs"
    title = "Handwritten digits, and the outline of each: pairs"
    origin = "made of scikit-learn's digits: UCI Optical Recognition of Handwritten Digits, CC BY 4.0"
    size = 1498
    columns = (Input(name="source", kind="image", shape=(1, 28, 28), doc="the outline of a digit"),)

    def load(self, data_dir: Path, split: Split = "train") -> Dataset:
        """The 1,498 pairs for training, or the 299 of split "test"."""
        from ganzoo_core.datasets.digits import load_pairs

        return load_pairs(DataSpec(self.name, self.shape, self.classes, columns=self.columns), split)


class DigitPens(DigitPairs):
    """The same digits, each drawn with one of four pens: a `source` has four answers, and its pair is one of them."""

    name = "digit-pens"
    title = "Handwritten digits, each drawn again with a pen of one of four widths: pairs"
    columns = (Input(name="source", kind="image", shape=(1, 28, 28), doc="a digit drawn with the thinnest pen"),)

    def load(self, data_dir: Path, split: Split = "train") -> Dataset:
        """The 1,498 pairs for training, or the 299 of split "test"."""
        from ganzoo_core.datasets.digits import load_pens

        return load_pens(DataSpec(self.name, self.shape, self.classes, columns=self.columns), split)


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

        spec = DataSpec(self.name, self.shape, self.classes)
        return load(spec, data_dir / self.folder, {name: self.archive(name) for name in self.files[split]})


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
        from ganzoo_core.datasets.toy import RING8_STD, gaussians, ring8_modes

        return gaussians(self.name, self.classes, ring8_modes(), RING8_STD, scale=2.5, split=split)


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
        from ganzoo_core.datasets.toy import GRID25_STD, gaussians, grid25_modes

        return gaussians(self.name, self.classes, grid25_modes(), GRID25_STD, scale=5.0, split=split)


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
        from ganzoo_core.datasets.toy import parabolas

        return parabolas(self.name, split)
