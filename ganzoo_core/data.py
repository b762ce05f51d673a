"""Data sets in memory, and which samples each step uses."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from ganzoo_core.dataspec import DataSpec, Input
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.seeds import derive_seed

_MOST_DIGESTED = 2**28  # bytes of a column: a folder's samples are mapped, and never read whole


@dataclass(frozen=True)
class Dataset:
    """Samples in memory.

    `samples`: (N, *shape), uint8 0..255 for images and voxels, float32 in [-1, 1] otherwise. `labels`: (N,) int64 or
    None. `extra`: further columns (N, ...), which `spec.columns` describes: `batch` makes float32 in [-1, 1] of its
    images, uint8 here, and passes all others on unchanged. `exact_metrics`: computes metrics of
    generated samples (M, *shape) in natural units, for data with a known distribution; logged at each snapshot.
    `left_out`: why each skipped file was skipped, by file name. `notes`: sentences on how samples were made, for
    run.json. `contents`: a digest of all samples and image columns, from a source that knows one without reading them.
    `guard`: called before they are read; raises `DataError` where they can no longer be, as when the file that they are
    mapped from was cut short. `judge`: the old name of `exact_metrics`, deprecated.
    """

    spec: DataSpec
    samples: Tensor
    labels: Tensor | None = None
    extra: dict[str, Tensor] = field(default_factory=dict)
    exact_metrics: Callable[[Tensor], dict[str, float]] | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    judge: InitVar[Callable[[Tensor], dict[str, float]] | None] = None
    contents: str | None = field(default=None, kw_only=True)
    guard: Callable[[], None] | None = field(default=None, kw_only=True)

    def __post_init__(self, judge: Callable[[Tensor], dict[str, float]] | None) -> None:
        for column in self.spec.columns:
            _check_column(column, self.extra.get(column.name), self.spec.name, len(self.samples))
        if judge is not None:
            warnings.warn("Dataset's judge is called exact_metrics now", DeprecationWarning, stacklevel=3)
            object.__setattr__(self, "exact_metrics", self.exact_metrics or judge)

    def __len__(self) -> int:
        return len(self.samples)

    @cached_property
    def digest(self) -> str:
        """Identifies the data: 16 hexadecimal digits over all of it; of large columns, over evenly spaced rows.

        What a folder is called does not count, so that one that was moved is the same.
        """
        return self.digest_as(self.spec.name.partition(":")[0], self.contents)

    def digest_as(self, name: str, contents: str | None = None) -> str:
        """The digest under another name, and over these `contents` in place of all images, where given."""
        spec = self.spec.to_dict() | {"name": name}
        found = hashlib.sha256(json.dumps(spec, sort_keys=True).encode())
        if contents is not None:
            found.update(contents.encode())
        else:
            self._check_readable()
        columns = {"real": self.samples, "labels": self.labels} | self.extra
        for name, column in columns.items():
            if column is not None and (contents is None or name not in {"real", *self._images}):
                _digest_rows(found, column)
        return found.hexdigest()[:16]

    def to(self, device: torch.device) -> Self:
        """The same data set with its tensors on `device`.

        Samples that would fill more than half of a GPU's free memory stay where they are; `batch` then moves each
        batch.
        """
        labels = None if self.labels is None else self.labels.to(device)
        self._check_readable()
        samples = _moved(self.samples, device)
        extra = {name: _moved(column, device) for name, column in self.extra.items()}
        stays = samples is self.samples or any(extra[name] is self.extra[name] for name in self._images)
        guard = self.guard if stays else None
        return replace(self, samples=samples, labels=labels, extra=extra, guard=guard)

    def batch(self, indices: Tensor) -> dict[str, Tensor]:
        """The samples at `indices` (B,): "real" (B, *shape) float32 in [-1, 1], "labels" (B,), and the extras."""
        self._check_readable()
        columns = {"real": _rows(self.samples, indices, are_pixels=True)}
        for name, column in self.extra.items():
            columns[name] = _rows(column, indices, are_pixels=name in self._images)
        return columns if self.labels is None else columns | {"labels": self.labels[indices]}

    @cached_property
    def _images(self) -> frozenset[str]:
        """The names of the columns that are images."""
        return frozenset(column.name for column in self.spec.columns if column.kind == "image")

    def _check_readable(self) -> None:
        if self.guard is not None:
            self.guard()


def _digest_rows(digest: hashlib._Hash, column: Tensor) -> None:
    """Take in how many rows (N, ...) there are, and the rows, or so many of them as hold _MOST_DIGESTED bytes."""
    digest.update(f"{tuple(column.shape)}".encode())
    rows = column[:: max(1, math.ceil(column.nbytes / _MOST_DIGESTED))]
    for piece in rows.split(1024):
        digest.update(piece.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)


def _rows(column: Tensor, indices: Tensor, *, are_pixels: bool) -> Tensor:
    """A column's rows at `indices` (B,) and on their device; pixels 0..255 become float32 in [-1, 1]."""
    rows = column[indices.to(column.device)].to(indices.device)
    return rows.to(torch.float32).div_(127.5).sub_(1) if are_pixels and rows.dtype == torch.uint8 else rows


def _moved(column: Tensor, device: torch.device) -> Tensor:
    """The column on `device`, if it leaves half of a GPU's free memory to the networks."""
    fits = device.type != "cuda" or column.nbytes <= torch.cuda.mem_get_info(device)[0] // 2
    return column.to(device) if fits else column


_DTYPES = {"image": (torch.uint8, torch.float32), "text": (torch.int64,), "numbers": (torch.float32,)}


def _check_column(column: Input, values: Tensor | None, data: str, n: int) -> None:
    """Raise `DataError` for a column that is not there, or not as `spec.columns` says."""
    wanted = f"{(n, *column.shape)} of {' or '.join(str(d).removeprefix('torch.') for d in _DTYPES[column.kind])}"
    if values is None or tuple(values.shape) != (n, *column.shape) or values.dtype not in _DTYPES[column.kind]:
        found = (
            "is not there" if values is None else f"is {tuple(values.shape)} of {values.dtype}".replace("torch.", "")
        )
        raise DataError(f"the column {column.name} of {data} must be {wanted}, but {found}")


class BatchOrder:
    """Which samples batch number b holds: the b-th slice of an endless sequence of shuffled epochs.

    A pure function of (seed, b). Every sample comes once per epoch; a batch may span two. With `balance` an epoch holds
    each class equally often instead, and with `by_class` each batch does, in class order; `groups` then says of how
    many. `first`: how many samples other batches have taken before number 0. Raises `DataError` if the batch is larger
    than the data set, or for classes to be balanced that are not there, `SettingError` for a batch that can't hold
    equally many of each.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        seed: int,
        device: torch.device,
        *,
        balance: bool = False,
        by_class: bool = False,
        first: int = 0,
    ) -> None:
        self.first = first
        self.size = len(dataset)
        if batch_size > self.size:
            raise DataError(
                f"batch_size must be at most {self.size}, the size of {dataset.spec.name}, but is {batch_size}"
            )
        self.groups = 1
        self._labels: Tensor | None = None
        if balance or by_class:
            if dataset.labels is None:
                raise DataError(f"balance=true needs labels, but {dataset.spec.name} has none; leave it out")
            self._labels = dataset.labels.cpu()
            classes = len(self._labels.unique())
            self.size = math.ceil(self.size / classes) * classes
            self.groups = classes if by_class else 1
        if batch_size % self.groups:
            raise SettingError(
                f"batch_size must be a multiple of {self.groups}, the classes of {dataset.spec.name}, as a batch holds "
                f"equally many of each, but is {batch_size}"
            )
        self.batch_size = batch_size
        self.seed = seed
        self.device = device
        self._epochs: dict[int, Tensor] = {}

    def indices(self, batch_number: int) -> Tensor:
        """The indices (batch_size,) int64 of batch number b."""
        epoch, start = divmod(self.first + batch_number * self.batch_size, self.size)
        found = self._epoch(epoch)[start : start + self.batch_size]
        if missing := self.batch_size - len(found):
            found = torch.cat([found, self._epoch(epoch + 1)[:missing]])
        return found if self.groups == 1 else found.view(-1, self.groups).T.flatten()

    def _epoch(self, number: int) -> Tensor:
        if number not in self._epochs:
            rng = torch.Generator().manual_seed(derive_seed(self.seed, "order", number))
            self._epochs = {k: v for k, v in self._epochs.items() if k == number - 1}
            order = torch.randperm(
                self.size if self._labels is None else len(self._labels), generator=rng, device="cpu"
            )
            if self._labels is not None:
                rounds = _balanced(order, self._labels, self.size)
                order = (rounds if self.groups > 1 else _shuffled(rounds, rng)).flatten()
            self._epochs[number] = order.to(self.device)
        return self._epochs[number]


def _balanced(order: Tensor, labels: Tensor, size: int) -> Tensor:
    """Of shuffled samples (N,) so many that each class comes equally often: (size / classes, classes), one in a row.

    A large class gives some of its samples, others in each epoch, and a small one all of its own several times.
    """
    in_classes = order[labels[order].argsort(stable=True)]
    counts = labels.unique(return_counts=True)[1].tolist()
    rounds = size // len(counts)
    columns = [one.repeat(math.ceil(rounds / len(one)))[:rounds] for one in in_classes.split(counts)]
    return torch.stack(columns, dim=1)


def _shuffled(rows: Tensor, rng: torch.Generator) -> Tensor:
    """Each row in an order of its own."""
    return rows.gather(1, torch.rand(rows.shape, generator=rng, device="cpu").argsort(dim=1))
