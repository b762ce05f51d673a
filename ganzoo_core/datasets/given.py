"""Data that a program has in memory, as a data set: arrays, tensors, torch's and Hugging Face's data sets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ganzoo_core.data import Dataset
from ganzoo_core.datasource import DataSource
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError, shorten

_CHANNELS = (1, 3, 4)


def source_of(data: Any, name: str) -> type[DataSource]:
    """A data source, called `name`, of what a program gave. Raises `DataError` for what can be none."""
    found = data if isinstance(data, Dataset) else _dataset(data, name)
    dataset = replace(found, spec=replace(found.spec, name=name))

    class Given(DataSource):
        """Data in memory."""

        title, origin = "what a program gave", "in memory"
        kind, shape, classes, size = dataset.spec.kind, dataset.spec.shape, dataset.spec.classes, len(dataset)

        def load(self, data_dir: Path, split: Literal["train", "test"] = "train") -> Dataset:
            """What was given. Raises `DataError` for split "test"."""
            if split == "test":
                raise DataError(f"{name} has no held-out part")
            return dataset

    Given.name = name
    return Given


def _dataset(data: Any, name: str) -> Dataset:
    """What was given as samples and labels: (N, ...) and (N,) or None."""
    names: Sequence[str] | None = None
    if isinstance(data, tuple | list) and len(data) == 2 and _is_many(data[0]):
        samples, labels = data
    elif _is_many(data):
        samples, labels = data, None
    elif hasattr(data, "features") and hasattr(data, "column_names"):
        samples, labels, names = _of_hugging_face(data)
    elif hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        samples, labels = _of_items(data)
        names = getattr(data, "classes", None)
    else:
        raise DataError(
            f"data must be a name, a DataSource, a Dataset, samples, (samples, labels), or a data set of torch or of "
            f"Hugging Face, but is {type(data).__name__}"
        )
    values, spec, note = _samples(samples, name)
    numbers, classes = (None, ()) if labels is None else _labels(labels, len(values), names)
    return Dataset(replace(spec, classes=classes), values, numbers, notes=(note,) if note else ())


def _is_many(data: Any) -> bool:
    return isinstance(data, np.ndarray | Tensor)


def _of_items(data: Any) -> tuple[Any, Any]:
    """The samples and labels of a data set whose items are samples, or tuples that begin with sample and label."""
    if not len(data):
        raise DataError("data must hold samples, but is empty")
    items = [data[number] for number in range(len(data))]
    if isinstance(items[0], dict):
        keys = list(items[0])
        image = next((key for key in keys if key in ("image", "img", "pixel_values")), keys[0])
        label = next((key for key in keys if key in ("label", "labels", "fine_label")), None)
        items = [(item[image], item[label]) if label else item[image] for item in items]
    if isinstance(items[0], tuple | list):
        labels = [item[1] for item in items] if len(items[0]) > 1 else None
        return _stacked([item[0] for item in items]), labels
    return _stacked(items), None


def _of_hugging_face(data: Any) -> tuple[Any, Any, Sequence[str] | None]:
    """The first column of images and the first of class labels."""
    kinds = {name: type(feature).__name__ for name, feature in data.features.items()}
    image = next((name for name, kind in kinds.items() if kind == "Image"), None)
    if image is None:
        told = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
        raise DataError(f"data must have a column of images, but its columns are {told}")
    label = next((name for name, kind in kinds.items() if kind == "ClassLabel"), None)
    names = None if label is None else data.features[label].names
    return _stacked(list(data[image])), None if label is None else list(data[label]), names


def _stacked(items: list[Any]) -> Tensor:
    """Samples as one tensor (N, ...). Raises `DataError` where they differ in size."""
    arrays = [item if isinstance(item, Tensor) else torch.from_numpy(np.array(item)) for item in items]
    sizes = {tuple(array.shape) for array in arrays}
    if len(sizes) > 1:
        told = " and ".join("x".join(map(str, size)) for size in sorted(sizes)[:2])
        raise DataError(f"samples must be of one size, but some are {told}; resize them, or use folder:PATH")
    return torch.stack(arrays)


def _samples(given: Any, name: str) -> tuple[Tensor, DataSpec, str]:
    """Samples as a data set holds them, what they are, and a note where their range was guessed."""
    x = torch.as_tensor(given).detach().cpu()
    x = x.unsqueeze(1) if x.ndim == 3 else x
    if x.ndim == 4 and x.shape[1] not in _CHANNELS and x.shape[3] in _CHANNELS:
        x = x.permute(0, 3, 1, 2).contiguous()
    if (
        x.ndim not in (2, 4, 5)
        or not x.numel()
        or (x.ndim > 2 and x.shape[1] not in _CHANNELS[: 3 if x.ndim == 4 else 1])
    ):
        raise DataError(
            f"samples must be images (N, C, H, W) or (N, H, W, C) of 1, 3 or 4 channels, or (N, H, W), voxels "
            f"(N, 1, D, H, W), or points and curves (N, D), but are {tuple(x.shape)}"
        )
    if x.is_complex() or (x.is_floating_point() and not bool(x.isfinite().all())):
        raise DataError("samples must be finite real numbers, but some are not")
    if x.ndim == 2:
        scale = float(x.abs().max()) or 1.0
        kind: Literal["points", "curves"] = "points" if x.shape[1] == 2 else "curves"
        return x.float() / scale, DataSpec(name, tuple(x.shape[1:]), kind=kind, scale=scale), ""
    pixels, note = _pixels(x)
    return pixels, DataSpec(name, tuple(x.shape[1:]), kind="images" if x.ndim == 4 else "voxels"), note


def _pixels(x: Tensor) -> tuple[Tensor, str]:
    """Pixels 0..255 uint8, and what was taken for black and white."""
    if x.dtype == torch.uint8:
        return x, ""
    if x.dtype == torch.bool:
        return x.to(torch.uint8) * 255, "False is black and True white"
    low, high = float(x.min()), float(x.max())
    if not x.is_floating_point() and low >= 0 and high <= 255:
        return x.to(torch.uint8), ""
    if x.is_floating_point() and high <= 1 and low >= -1:
        black = -1 if low < 0 else 0
        scaled = (x.float() - black) * (255 / (1 - black))
        return scaled.round().clamp(0, 255).to(torch.uint8), f"{black} is black and 1 white"
    raise DataError(
        f"pixels must be whole numbers from 0 to 255, or fractions in [0, 1] or [-1, 1], but are {low:g} to {high:g}"
    )


def _labels(given: Any, n: int, names: Sequence[str] | None) -> tuple[Tensor, tuple[str, ...]]:
    """Labels (N,) int64 as numbers of classes, and the classes' names."""
    labels = np.asarray(given.cpu() if isinstance(given, Tensor) else given)
    if labels.shape != (n,):
        raise DataError(f"labels must be as many as samples, ({n},), but are {labels.shape}")
    if labels.dtype.kind == "f" and np.array_equal(labels, np.floor(labels)):
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "iubUO" or not all(
        isinstance(v, str | int | np.integer | np.bool_) for v in labels[:1]
    ):
        raise DataError(f"labels must be whole numbers or names, but are {shorten(labels.dtype)}")
    if labels.dtype.kind in "iu" and names is not None and labels.min() >= 0 and labels.max() < len(names):
        return torch.from_numpy(labels.astype(np.int64)), tuple(map(str, names))
    found, numbers = np.unique(labels.astype(str) if labels.dtype.kind in "OU" else labels, return_inverse=True)
    order = sorted(range(len(found)), key=lambda i: _natural(str(found[i])))
    place = np.empty(len(found), dtype=np.int64)
    place[order] = np.arange(len(found))
    return torch.from_numpy(place[numbers.reshape(-1)]), tuple(str(found[i]) for i in order)


def _natural(text: str) -> list[Any]:
    """A key that puts 10 behind 9."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]
