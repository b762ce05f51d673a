"""scikit-learn's 8x8 digits, enlarged smoothly so that they look handwritten; and each beside its outline."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec, Split
from ganzoo_core.storage.files import beside_package

_HELD_OUT = 6  # of so many digits one
_PENS = 4
_SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"  # of scikit-learn's digits.csv


def load(spec: DataSpec) -> Dataset:
    """All digits: samples (1797, 1, 28, 28) uint8, white on black."""
    return Dataset(spec, *_all())


def load_pairs(spec: DataSpec, split: Split) -> Dataset:
    """Digits (N, 1, 28, 28) uint8, and of each as `source` its outline: what its strokes gain when they grow a pixel.

    Every sixth is held out: N is 1498 for training, 299 of the split "test".
    """
    filled, labels = _all()
    rows = _rows(split)
    outline = _grown(filled) - filled
    return Dataset(spec, filled[rows], labels[rows], extra={"source": outline[rows]})


def load_pens(spec: DataSpec, split: Split) -> Dataset:
    """Digits (N, 1, 28, 28) uint8 drawn with a pen of four widths in turn, and as `source` each with the thinnest.

    The same are held out as of `load_pairs`.
    """
    thinnest, labels = _all()
    pen = torch.arange(len(thinnest)) // _HELD_OUT % _PENS
    drawn = wider = thinnest
    for width in range(1, _PENS):
        wider = _grown(wider)
        drawn = torch.where((pen >= width).view(-1, 1, 1, 1), wider, drawn)
    rows = _rows(split)
    return Dataset(spec, drawn[rows], labels[rows], extra={"source": thinnest[rows]})


def _rows(split: Split) -> Tensor:
    """Which of the 1,797 digits are in that split."""
    is_held_out = torch.arange(1797) % _HELD_OUT == _HELD_OUT - 1
    return is_held_out if split == "test" else ~is_held_out


def _grown(digits: Tensor) -> Tensor:
    """Their strokes a pixel wider on each side."""
    return F.max_pool2d(digits.float(), kernel_size=3, stride=1, padding=1).to(torch.uint8)


def _all() -> tuple[Tensor, Tensor]:
    images, labels = _published()
    bordered = np.pad(images / 16, ((0, 0), (1, 1), (1, 1))).astype(np.float32)
    return torch.from_numpy(_enlarged(bordered)).unsqueeze(1), torch.from_numpy(labels.astype(np.int64))


def _published() -> tuple[np.ndarray, np.ndarray]:
    """Images (1797, 8, 8) float64 of 0..16 and labels (1797,), as `sklearn.datasets.load_digits` has them.

    Its file is read without it, as importing scikit-learn takes about as long as importing PyTorch; where that is not
    the file we know, it is asked.
    """
    text = _text()
    if hashlib.sha256(text).hexdigest() != _SHA256:
        from sklearn.datasets import load_digits

        digits = load_digits()
        return digits.images, digits.target
    table = np.loadtxt(io.BytesIO(text), delimiter=",")
    return table[:, :-1].reshape(-1, 8, 8), table[:, -1]


def _text() -> bytes:
    """What scikit-learn's file says; nothing where it is not found."""
    file = beside_package("sklearn", "datasets/data/digits.csv.gz")
    try:
        return b"" if file is None else gzip.decompress(file.read_bytes())
    except (OSError, EOFError, zlib.error):
        return b""


def _enlarged(bordered: np.ndarray) -> np.ndarray:
    """Images (N, 10, 10) float32 of 0..1 to (N, 28, 28) uint8.

    Strokes run to the edge of the 8x8 picture, so a border of one pixel lets them end instead of being cut off. The
    Lanczos filter's ringing and its soft edges lie in the lowest and highest sixth of the range, which are cut away.
    """
    lanczos = Image.Resampling.LANCZOS
    large = np.stack([np.asarray(Image.fromarray(image).resize((28, 28), lanczos)) for image in bordered])
    return (np.clip((large - 1 / 6) * 1.5, 0, 1) * 255).round().astype(np.uint8)
