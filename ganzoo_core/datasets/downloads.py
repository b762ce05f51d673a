"""Data sets of published files: found or fetched, checked against their digests, then parsed."""

from __future__ import annotations

import contextlib
import gzip
import math
import os
import re
import socket
import sys
import zlib
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torchvision import datasets as published
from torchvision.datasets.utils import check_integrity, download_and_extract_archive

from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError
from ganzoo_core.storage.fetching import reason
from ganzoo_core.storage.files import unfinished_folder

_TIMEOUT_S = 30.0
_LOOKED_AT = 512  # bytes, to tell what a file is
_GZIP = b"\x1f\x8b"
_CIFAR10_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
_CIFAR10_MIRRORS = ["https://www.cs.toronto.edu/~kriz/"]
_IDX = {"mnist": published.MNIST, "fashion-mnist": published.FashionMNIST, "kmnist": published.KMNIST}


class _Archive(NamedTuple):
    """A published file: its name, its digest, and where it is to be had."""

    name: str
    md5: str
    mirrors: list[str]


def load(spec: DataSpec, folder: Path, archives: dict[str, str]) -> Dataset:
    """A split in memory: samples (N, *shape) uint8, labels (N,) int64. Raises `DataError`.

    `archives` has the names of the split's files in `folder`, and of the published archives they come in.
    """
    paths = [folder / name for name in archives]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        _fetch(spec.name, missing, {archives[path.name] for path in missing})
    images, labels = (_read_idx_pair if spec.name in _IDX else _read_records)(paths, spec)
    return Dataset(spec, torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)))


def _fetch(name: str, missing: list[Path], wanted: set[str]) -> None:
    """Bring the missing files out of the archives `wanted`, each put in place whole, so that an interrupted or a
    second fetch does no harm. An archive that is there and not the published one is left as it is."""
    folder = missing[0].parent
    archives = _archives(name, wanted)
    wrong = {file: why for archive in archives if (why := _fault(file := folder / archive.name, archive.md5))}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with unfinished_folder(folder) as scratch, _polite_network():
            for archive in archives:
                _fetch_archive(archive, folder, scratch, is_there=folder / archive.name not in wrong)
            for path in scratch.rglob("*"):
                if path.name in {target.name for target in missing}:
                    os.replace(path, folder / path.name)
    except (OSError, RuntimeError, HTTPException) as error:
        said = f"{name} could not be fetched ({reason(error)})"
        if wrong:
            faults = ", ".join(f"{file} is not what was published: {why}" for file, why in wrong.items())
            raise DataError(f"{faults}; replace it, or delete it and see to a network: {said}") from error
        raise DataError(
            f"{said}; put {', '.join(sorted(wanted))} into {folder}, or use --data digits, which needs no network"
        ) from error


def _fault(path: Path, md5: str) -> str:
    """What is wrong with a published archive that the user has put there; nothing where it is right or not there."""
    if not path.is_file() or check_integrity(path, md5):
        return ""
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT)
    if start[:2] != _GZIP:
        return _kind(start) or "it is not packed by gzip; if it was unpacked, take .gz off its name"
    try:
        with gzip.open(path) as packed:
            while packed.read(2**20):
                pass
    except EOFError:
        return f"its end is missing, after {path.stat().st_size:,} bytes"
    except (OSError, zlib.error):
        return "it is damaged within"
    return "it is another archive, by its md5 digest"


def _kind(start: bytes) -> str:
    """What begins so and is no data; nothing where that is unknown."""
    if not start:
        return "it is empty"
    if re.match(rb"(\xef\xbb\xbf)?\s*<[!?a-z]", start, re.IGNORECASE):
        return "it is a web page, such as an error of the server"
    if start[:2] == _GZIP:
        return "it is packed by gzip still; add .gz to its name"
    return "it is a zip archive" if start[:4] == b"PK\3\4" else ""


def _archives(name: str, wanted: set[str]) -> list[_Archive]:
    """The archives of those names, as they are published."""
    if name in _IDX:
        listed = _IDX[name]
        return [_Archive(file, md5, listed.mirrors) for file, md5 in listed.resources if file in wanted]
    return [_Archive(file, _CIFAR10_MD5, _CIFAR10_MIRRORS) for file in wanted]


def _fetch_archive(archive: _Archive, folder: Path, scratch: Path, *, is_there: bool) -> None:
    """Unpack the archive into `scratch`, from `folder` where the user has put it there, else from the first mirror
    that answers."""
    root = folder if is_there and (folder / archive.name).is_file() else scratch
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


def _read_idx_pair(paths: list[Path], spec: DataSpec) -> tuple[np.ndarray, np.ndarray]:
    """MNIST's format: the pixels in one file, the labels in another."""
    images, labels = paths
    samples = _parsed(images, spec, lambda raw: _parse_idx(raw, 3))
    targets = _parsed(labels, spec, lambda raw: _parse_idx(raw, 1))
    if len(samples) != len(targets):
        raise _damaged(labels, spec, f"it labels {len(targets)} images, but there are {len(samples)}")
    if samples.shape[1:] != spec.shape[1:]:
        raise _damaged(images, spec, f"its images are of {samples.shape[1:]} pixels, not {spec.shape[1:]}")
    if targets.max() >= len(spec.classes):
        raise _damaged(labels, spec, f"it has the label {targets.max()}, but there are {len(spec.classes)} classes")
    return samples[:, None], targets


def _read_records(paths: list[Path], spec: DataSpec) -> tuple[np.ndarray, np.ndarray]:
    """CIFAR-10's binary version: a byte of label, then the pixels, plane by plane."""
    parts = [_parsed(path, spec, lambda raw: _parse_records(raw, spec)) for path in paths]
    records = np.concatenate(parts)
    return records[:, 1:].reshape(-1, *spec.shape), records[:, 0]


def _parsed(path: Path, spec: DataSpec, parse: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    try:
        raw = np.fromfile(path, dtype=np.uint8)
        if kind := _kind(raw[:_LOOKED_AT].tobytes()):
            raise ValueError(kind)
        return parse(raw)
    except (OSError, ValueError) as error:
        raise _damaged(path, spec, str(error)) from error


def _parse_idx(raw: np.ndarray, dimensions: int) -> np.ndarray:
    """The array of bytes that an idx file holds: two zeros, type 8, the dimensions, each size, the bytes."""
    start = 4 + 4 * dimensions
    if raw[:4].tolist() != [0, 0, 8, dimensions]:
        begins = raw[:4].tobytes().hex(" ")
        raise ValueError(
            f"it is no idx file of {dimensions} dimensions: it begins {begins}, not 00 00 08 {dimensions:02}"
        )
    sizes = np.frombuffer(raw[4:start].tobytes(), dtype=">u4").tolist()
    if len(raw) == start or len(raw) - start != math.prod(sizes):
        raise ValueError(f"it should hold {' x '.join(map(str, sizes))} bytes, but holds {max(0, len(raw) - start)}")
    return raw[start:].reshape(sizes)


def _parse_records(raw: np.ndarray, spec: DataSpec) -> np.ndarray:
    length = 1 + math.prod(spec.shape)
    if len(raw) == 0 or len(raw) % length:
        raise ValueError(f"it should hold records of {length} bytes, but holds {len(raw)} bytes")
    records = raw.reshape(-1, length)
    if records[:, 0].max() >= len(spec.classes):
        raise ValueError(f"it has the label {records[:, 0].max()}, but there are {len(spec.classes)} classes")
    return records


def _damaged(path: Path, spec: DataSpec, why: str) -> DataError:
    return DataError(f"{path} is damaged: {why}; delete it, and {spec.name} is fetched again")
