"""Data that a program has in memory, as a data set: arrays, tensors, torch's and Hugging Face's data sets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganzoo_core.data import Dataset
from ganzoo_core.datasource import DataSource
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError, shorten

_CHANNELS = (1, 3, 4)
# What a picture of that mode becomes, RGB if it is not here; None: it holds more than 8 bits.
_MODES = {"1": "L", "L": "L", "LA": "RGBA", "PA": "RGBA", "RGBA": "RGBA", "RGBa": "RGBA"} | dict.fromkeys(
    ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
)


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
    names: Any = None
    if isinstance(data, Mapping):
        raise DataError(f"data must be one of its parts, not all of them: it has {', '.join(map(str, data))}")
    if hasattr(data, "to_numpy"):  # a table of pandas
        data = data.to_numpy()
    if (isinstance(data, tuple) and len(data) == 2) or (
        isinstance(data, list) and len(data) == 2 and _is_many(data[0])
    ):
        samples, labels = (_stacked(data[0]) if isinstance(data[0], list | tuple) else data[0]), data[1]
    elif _is_many(data):
        samples, labels = data, None
    elif getattr(data, "features", None) and hasattr(data, "column_names") and hasattr(data, "__len__"):
        samples, labels, names = _of_hugging_face(data)
    elif hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, str | bytes):
        samples, labels = _of_items(data)
        names = getattr(data, "classes", None) or getattr(
            getattr(data, "dataset", None), "classes", None
        )  # of a Subset
    else:
        raise DataError(
            f"data must be a name, a DataSource, a Dataset, samples, (samples, labels), or a data set of torch or of "
            f"Hugging Face that has a length, but is {type(data).__name__}"
        )
    values, spec, note = _samples(samples, name)
    numbers, classes = (None, ()) if labels is None else _labels(labels, len(values), names)
    return Dataset(replace(spec, classes=classes), values, numbers, notes=(note,) if note else ())


def _is_many(data: Any) -> bool:
    return isinstance(data, np.ndarray | Tensor)


def _of_items(data: Any) -> tuple[Any, Any]:
    """The samples and labels of a data set whose items are samples, or tuples that begin with sample and label."""
    items = [data[number] for number in range(len(data))]
    if items and isinstance(items[0], Mapping):
        keys = list(items[0])
        image = next((key for key in keys if key in ("image", "img", "pixel_values")), keys[0])
        label = next((key for key in keys if key in ("label", "labels", "fine_label")), None)
        items = [(item[image], item[label]) if label else item[image] for item in items]
    if items and isinstance(items[0], tuple | list) and not isinstance(items[0][0], int | float):
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


def _stacked(items: Sequence[Any]) -> Tensor:
    """Samples as one tensor (N, ...). Raises `DataError` where they differ in size, or where there are none."""
    if not len(items):
        raise DataError("data must hold samples, but is empty")
    if all(isinstance(item, Image.Image) for item in items):
        items = _alike(items)
    tensors = [_tensor(item) for item in items]
    sizes = {tuple(tensor.shape) for tensor in tensors}
    if len(sizes) > 1:
        told = " and ".join("x".join(map(str, size)) or "a number" for size in sorted(sizes)[:2])
        raise DataError(f"samples must be of one size, but some are {told}; resize them, or use folder:PATH")
    return torch.stack(tensors)


def _alike(pictures: Sequence[Image.Image]) -> list[Image.Image]:
    """Pictures as grey, colour, or colour with opacity, all as the richest of them; depths of more bits stay."""
    modes = {_MODES.get(picture.mode, "RGB") for picture in pictures}
    if None in modes:
        return list(pictures)
    richest = max(filter(None, modes), key=len)
    return [picture.convert(richest) for picture in pictures]


def _tensor(given: Any) -> Tensor:
    """Numbers as a tensor that later code can count with. Raises `DataError` for what are none."""
    if isinstance(given, Tensor):
        if given.layout is not torch.strided or given.is_meta or given.is_quantized:
            raise DataError("samples must be dense tensors with values, but some are not")
        return given.detach().cpu()
    try:
        array = np.asarray(given)
    except ValueError as error:  # lists of several lengths
        raise DataError("samples must be of one size, but some are not; resize them") from error
    if array.dtype.kind not in "biufc":
        raise DataError(f"samples must be numbers or pictures, but are {type(given).__name__} of {array.dtype}")
    if array.dtype.kind in "iu" and array.dtype != np.uint8:
        array = array.astype(np.int64)  # torch has no minimum of the other unsigned ones
    elif array.dtype.kind == "f":
        array = array.astype(np.float32, copy=False)
    array = np.ascontiguousarray(array)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _samples(given: Any, name: str) -> tuple[Tensor, DataSpec, str]:
    """Samples as a data set holds them, what they are, and a note where their range was guessed."""
    x = _tensor(given)
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
        low, high = float(x.min()), float(x.max())
        offset, scale = (low + high) / 2, (high - low) / 2 or 1.0
        kind: Literal["points", "curves"] = "points" if x.shape[1] == 2 else "curves"
        within = ((x.double() - offset) / scale).float()
        return within, DataSpec(name, tuple(x.shape[1:]), kind=kind, scale=scale, offset=offset), ""
    pixels, note = _pixels(x)
    return pixels, DataSpec(name, tuple(x.shape[1:]), kind="images" if x.ndim == 4 else "voxels"), note


def _pixels(x: Tensor) -> tuple[Tensor, str]:
    """Pixels 0..255 uint8, and what was taken for black and white."""
    if x.dtype == torch.bool:
        return x.to(torch.uint8) * 255, "False is black and True white"
    low, high = float(x.min()), float(x.max())
    if not x.is_floating_point() and low == 0 and high == 1:
        return x.to(torch.uint8) * 255, "0 is black and 1 white"
    if not x.is_floating_point() and low >= 0 and high <= 255:
        return x.to(torch.uint8), ""
    if x.is_floating_point() and high <= 1 and low >= -1:
        black = -1 if low < 0 else 0
        scaled = (x.float() - black) * (255 / (1 - black))
        return scaled.round().clamp(0, 255).to(torch.uint8), f"{black} is black and 1 white"
    raise DataError(
        f"pixels must be whole numbers from 0 to 255, or fractions in [0, 1] or [-1, 1], but are {low:g} to {high:g}; "
        f"scale them first"
    )


def _labels(given: Any, n: int, names: Sequence[str] | None) -> tuple[Tensor, tuple[str, ...]]:
    """Labels (N,) int64 as numbers of classes, and the classes' names."""
    try:
        labels = np.asarray(given.cpu() if isinstance(given, Tensor) else given)
    except ValueError as error:  # lists of several lengths
        raise DataError("labels must be one number or name for each sample, but some are several") from error
    labels = labels[:, 0] if labels.shape == (n, 1) else labels
    if labels.shape != (n,):
        raise DataError(f"labels must be one number or name for each sample, ({n},), but are {labels.shape}")
    if labels.dtype.kind == "f" and np.array_equal(labels, np.floor(labels)):
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "iubUO" or (
        labels.dtype.kind == "O" and not all(isinstance(label, str | int | np.integer) for label in labels)
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
