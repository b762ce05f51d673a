"""Data sets of published files: found, else fetched and checked against their digests, then parsed."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torchvision import datasets as published
from torchvision.datasets.utils import download_and_extract_archive

from ganzoo_core.data import Dataset
from ganzoo_core.errors import DataError
from ganzoo_core.variant import DataSpec

if TYPE_CHECKING:
    from ganzoo_core.datasets import Downloaded, Split

_TIMEOUT_S = 30.0
_CIFAR10_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
_CIFAR10_MIRRORS = ["https://www.cs.toronto.edu/~kriz/"]
_IDX = {"mnist": published.MNIST, "fashion-mnist": published.FashionMNIST, "kmnist": published.KMNIST}


class _Archive(NamedTuple):
    """A published file: its name, its digest, and where it is to be had."""

    name: str
    md5: str
    mirrors: list[str]


def load(source: Downloaded, data_dir: Path, split: Split) -> Dataset:
    """The split in memory: samples (N, *shape) uint8, labels (N,) int64. Raises `DataError`."""
    paths = [data_dir / source.folder / name for name in source.files[split]]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        _fetch(source, missing)
    images, labels = (_read_idx_pair if source.name in _IDX else _read_records)(paths, source)
    spec = DataSpec(source.name, source.shape, source.classes)
    return Dataset(spec, torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)))


def _fetch(source: Downloaded, missing: list[Path]) -> None:
    """Bring the missing files, each put in place whole, so that an interrupted or a second fetch does no harm."""
    folder = missing[0].parent
    wanted = {source.archive(path.name) for path in missing}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-") as scratch, _polite_network():
            for archive in _archives(source):
                if archive.name in wanted:
                    _fetch_archive(archive, folder, scratch)
            for path in Path(scratch).rglob("*"):
                if path.name in {target.name for target in missing}:
                    os.replace(path, folder / path.name)
    except (OSError, RuntimeError, HTTPException) as error:
        raise DataError(
            f"{source.name} could not be fetched ({_reason(error)}); put {', '.join(sorted(wanted))} into {folder}, "
            f"or use --data digits, which needs no network"
        ) from error


def _archives(source: Downloaded) -> list[_Archive]:
    if source.name in _IDX:
        listed = _IDX[source.name]
        return [_Archive(name, md5, listed.mirrors) for name, md5 in listed.resources]
    return [_Archive(source.archive(""), _CIFAR10_MD5, _CIFAR10_MIRRORS)]


def _fetch_archive(archive: _Archive, folder: Path, scratch: str) -> None:
    """Unpack the archive into `scratch`, from `folder` where the user has put it there, else from the first mirror
    that answers."""
    root = folder if (folder / archive.name).is_file() else scratch
    for mirror in archive.mirrors:
        try:
            download_and_extract_archive(mirror + archive.name, root, scratch, archive.name, archive.md5)
            return
        except (OSError, RuntimeError, HTTPException):
            if mirror == archive.mirrors[-1]:
                raise


@contextlib.contextmanager
def _polite_network() -> Iterator[None]:
    """What torchvision prints goes to stderr, and a silent network is given up, which it has no setting for."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(before)


def _reason(error: Exception) -> str:
    """The error in one line; urllib wraps the one that tells."""
    return " ".join(str(getattr(error, "reason", error)).split())


def _read_idx_pair(paths: list[Path], source: Downloaded) -> tuple[np.ndarray, np.ndarray]:
    """MNIST's format: the pixels in one file, the labels in another."""
    images, labels = paths
    samples = _parsed(images, source, lambda raw: _parse_idx(raw, 3))
    targets = _parsed(labels, source, lambda raw: _parse_idx(raw, 1))
    if len(samples) != len(targets):
        raise _damaged(labels, source, f"it labels {len(targets)} images, but there are {len(samples)}")
    if samples.shape[1:] != source.shape[1:]:
        raise _damaged(images, source, f"its images are of {samples.shape[1:]} pixels, not {source.shape[1:]}")
    if targets.max() >= len(source.classes):
        raise _damaged(labels, source, f"it has the label {targets.max()}, but there are {len(source.classes)} classes")
    return samples[:, None], targets


def _read_records(paths: list[Path], source: Downloaded) -> tuple[np.ndarray, np.ndarray]:
    """CIFAR-10's binary version: a byte of label, then the pixels, plane by plane."""
    parts = [_parsed(path, source, lambda raw: _parse_records(raw, source)) for path in paths]
    records = np.concatenate(parts)
    return records[:, 1:].reshape(-1, *source.shape), records[:, 0]


def _parsed(path: Path, source: Downloaded, parse: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    try:
        return parse(np.fromfile(path, dtype=np.uint8))
    except (OSError, ValueError) as error:
        raise _damaged(path, source, str(error)) from error


def _parse_idx(raw: np.ndarray, dimensions: int) -> np.ndarray:
    """The array of bytes that an idx file holds: two zeros, type 8, the dimensions, each size, the bytes."""
    start = 4 + 4 * dimensions
    if raw[:4].tolist() != [0, 0, 8, dimensions]:
        raise ValueError(f"it is no idx file of {dimensions} dimensions")
    sizes = np.frombuffer(raw[4:start].tobytes(), dtype=">u4").tolist()
    if len(raw) == start or len(raw) - start != math.prod(sizes):
        raise ValueError(f"it should hold {' x '.join(map(str, sizes))} bytes, but holds {max(0, len(raw) - start)}")
    return raw[start:].reshape(sizes)


def _parse_records(raw: np.ndarray, source: Downloaded) -> np.ndarray:
    length = 1 + math.prod(source.shape)
    if len(raw) == 0 or len(raw) % length:
        raise ValueError(f"it should hold records of {length} bytes, but holds {len(raw)} bytes")
    records = raw.reshape(-1, length)
    if records[:, 0].max() >= len(source.classes):
        raise ValueError(f"it has the label {records[:, 0].max()}, but there are {len(source.classes)} classes")
    return records


def _damaged(path: Path, source: Downloaded, why: str) -> DataError:
    return DataError(f"{path} is damaged: {why}; delete it, and {source.name} is fetched again")
