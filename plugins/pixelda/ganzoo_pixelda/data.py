"""Digits in two domains: white on black with labels, and blended with coloured textures, as MNIST-M is made."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, Input
from ganzoo_core.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

Split = Literal["train", "test"]
_SOURCE = Input(name="source", kind="image", shape=(1, 28, 28), doc="a digit, white on black")
_LABELS = Input(name="source_labels", kind="numbers", shape=(10,), names=tuple("0123456789"), doc="1: which digit")

_MNIST = (
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
)  # fmt: skip


class Textured(ganzoo.DataSource):
    """Digits on textures. Each row also has a `source`, another digit, white on black, and its `source_labels`.

    Half of the digits, drawn by lot, are sources; the others are blended with textures as MNIST-M is (arXiv:1409.7495,
    section 4): each pixel is how far the texture's is from the digit's. The labels are those of the blended digits.
    """

    shape, classes = (3, 28, 28), tuple("0123456789")
    columns: ClassVar[tuple[Input, ...]] = (_SOURCE, _LABELS)

    @abstractmethod
    def digits(self, data_dir: Path, split: Split) -> tuple[Tensor, Tensor]:
        """Pictures (M, 1, 28, 28) uint8 and which digits they are, (M,) int64."""

    def load(self, data_dir: Path, split: Split = "train") -> ganzoo.Dataset:
        """Both domains; in the split "test" are digits of neither in training."""
        import torch
        import torch.nn.functional as F

        from ganzoo_pixelda.textures import blended

        images, labels = self.digits(data_dir, split)
        n = len(images) // 2
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
        source, target = order[:n], order[n : 2 * n]
        extra = {"source": images[source], "source_labels": F.one_hot(labels[source], 10).float()}
        spec = DataSpec(self.name, self.shape, self.classes, columns=self.columns)
        return ganzoo.Dataset(spec, blended(images[target], seed=0 if split == "train" else 1), labels[target], extra)


class TexturedDigits(Textured):
    """Of scikit-learn's digits, which need no download."""

    name, title, size = "textured-digits", "Handwritten digits on textures, and others to adapt to them", 674
    origin = "made of scikit-learn's digits: UCI Optical Recognition of Handwritten Digits, CC BY 4.0"

    def digits(self, data_dir: Path, split: Split) -> tuple[Tensor, Tensor]:
        """Two of eight are held out."""
        import torch
        import torch.nn.functional as F
        from sklearn.datasets import load_digits

        found = load_digits()
        small = F.pad(torch.from_numpy(found.images)[:, None].float() / 16, (1, 1, 1, 1))
        images = F.interpolate(small, size=(28, 28), mode="bicubic").clamp(0, 1).mul(255).round().to(torch.uint8)
        rows = (torch.arange(len(images)) % 8 >= 6) == (split == "test")
        return images[rows], torch.from_numpy(found.target)[rows].long()


class TexturedMnist(Textured):
    """Of MNIST."""

    name, title, size = "textured-mnist", "MNIST on textures, and other digits to adapt to them", 30_000
    origin = "made of MNIST: LeCun, Cortes and Burges, CC BY-SA 3.0"

    def is_local(self, data_dir: Path) -> bool:
        """Whether MNIST's files are there, unpacked."""
        return all((data_dir / "MNIST/raw" / name).is_file() for name in _MNIST)

    def digits(self, data_dir: Path, split: Split) -> tuple[Tensor, Tensor]:
        """MNIST's own split."""
        if not self.is_local(data_dir):
            raise DataError(
                f"{self.name} is made of MNIST, whose files are not in {data_dir / 'MNIST/raw'}; "
                f"`ganzoo run conv --data mnist --steps 1` fetches them"
            )
        from torchvision.datasets import MNIST

        found = MNIST(data_dir, train=split == "train", download=False)
        return found.data[:, None], found.targets
