"""Voxels from files that may be a stranger's: .npy, .npz and .binvox, read in bounded memory, never by pickle."""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np

from ganzoo_core.errors import DataError, shorten
from ganzoo_core.storage.files import read_bounded

MOST_SIDE = 512  # voxels, of one shape
MOST_VOXELS = 2**29  # of a file, all its shapes together, also when they are made to fit
_MOST_BYTES = 2**30
_MOST_HEADER = 4096  # of a .binvox, in bytes
_MOST_MEMBERS = 100  # of an .npz
_MEMBERS = ("images", "voxels", "voxel", "arr_0")  # of an .npz, the one that counts

# What numpy, zipfile and zlib raise for files that were not written by them, or were damaged.
_UNREADABLE = (
    ValueError, TypeError, KeyError, EOFError, SyntaxError, RecursionError, MemoryError, OverflowError,
    NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def read_shapes(path: Path, up: str) -> list[np.ndarray]:
    """The shapes in a file, each (D, H, W) bool, the first row of H on top.

    `up`: see `VoxelOptions`. Raises `DataError` with a reason for a file that holds none, and `FileError` for one that
    can't be read.
    """
    read = READERS[path.suffix.lower()]
    data = read_bounded(path, _MOST_BYTES)
    try:
        found = read(data)
    except _UNREADABLE as error:
        raise DataError(f"it is damaged, or no {path.suffix} ({shorten(type(error).__name__)})") from error
    is_binvox = path.suffix.lower() == ".binvox"
    way = ("y" if is_binvox else "rows") if up == "auto" else up
    return [_upright(shape, way) for shape in filled(found)]


def filled(array: np.ndarray) -> np.ndarray:
    """One shape (D, H, W), many (N, D, H, W) or (N, 1, D, H, W), as (N, D, H, W) bool. Raises `DataError`.

    Filled is what is above the middle of the range: of 0 and 1, of [0, 1], of [-1, 1] or of 0..255.
    """
    array = array[None] if array.ndim == 3 else array
    array = array[:, 0] if array.ndim == 5 and array.shape[1] == 1 else array
    if array.ndim != 4 or not array.size:
        raise DataError(f"voxels must be (D, H, W), (N, D, H, W) or (N, 1, D, H, W), but are {array.shape}")
    if max(array.shape[1:]) > MOST_SIDE:
        raise DataError(f"a shape may have {MOST_SIDE} voxels a side, but has {max(array.shape[1:]):,}")
    if array.dtype.kind not in "biuf":
        raise DataError(f"voxels must be numbers, but are {array.dtype}")
    if array.dtype.kind == "b":
        return array
    low, high = float(array.min()), float(array.max())
    if not -1 <= low <= high <= 255 or (low < 0 and high > 1):  # what is not a number is in no range
        raise DataError(f"voxels must be in [0, 1], [-1, 1] or 0..255, but are {low:g} to {high:g}")
    return array > (0 if low < 0 else 0.5 if high <= 1 else 127.5)


def _upright(shape: np.ndarray, up: str) -> np.ndarray:
    """The shape as (D, H, W), the first row of H on top; depth is what is neither up nor x."""
    if up == "y":
        return shape.transpose(2, 1, 0)[:, ::-1]  # (x, y, z)
    if up == "z":
        return shape.transpose(1, 2, 0)[:, ::-1]  # the front is where y begins
    return shape


def _npy(data: bytes) -> np.ndarray:
    return _array(io.BytesIO(data), len(data))


def _npz(data: bytes) -> np.ndarray:
    """The array of shapes in an archive: by name, or the only one."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {one.filename.removesuffix(".npy"): one for one in archive.infolist()[:_MOST_MEMBERS]}
        name = next((name for name in _MEMBERS if name in members), None)
        if name is None and len(members) != 1:
            raise DataError(f"it must hold one array, or one called {' or '.join(_MEMBERS)}, but holds {len(members)}")
        member = members[name or next(iter(members))]
        if member.file_size > _MOST_BYTES:
            raise DataError(f"it may hold {_MOST_BYTES:,} bytes unpacked, but says it holds {member.file_size:,}")
        with archive.open(member) as file:
            return _array(file, member.file_size)


def _array(file: IO[bytes], size: int) -> np.ndarray:
    """The array in a .npy of that many bytes. Its header is believed only where the bytes are there."""
    major, _ = np.lib.format.read_magic(file)
    if major not in (1, 2):
        raise ValueError(f"version {major}")
    read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, fortran_order, dtype = read_header(file)
    if dtype.hasobject or dtype.kind not in "biuf":
        raise DataError(f"voxels must be numbers, but are {shorten(dtype)}")
    numbers = math.prod(shape)
    data = file.read(numbers * dtype.itemsize) if 0 < numbers * dtype.itemsize <= size else b""
    if not 0 < numbers <= MOST_VOXELS or len(data) < numbers * dtype.itemsize:
        raise DataError(f"its header says {shorten(shape)} of {dtype}, which is not what it holds, or too much")
    array = np.frombuffer(data, dtype)
    return array.reshape(shape, order="F" if fortran_order else "C")


def _binvox(data: bytes) -> np.ndarray:
    """binvox (Patrick Min): a text header, then pairs of bytes, a value and how often it comes; (x, y, z).

    Its order is x slowest, then z, y fastest.
    """
    head, found, body = data[:_MOST_HEADER].partition(b"\ndata\n")
    dim = re.search(rb"^dim ([0-9]{1,4}) ([0-9]{1,4}) ([0-9]{1,4})\s*$", head, re.MULTILINE)
    if not head.startswith(b"#binvox 1") or not found or dim is None:
        raise DataError("it is no .binvox of version 1, with dim and data")
    x, z, y = (int(number) for number in dim.groups())
    body = data[len(head) + len(found) :]
    runs = np.frombuffer(body[: len(body) // 2 * 2], np.uint8).reshape(-1, 2)
    counted = int(runs[:, 1].sum(dtype=np.int64))
    if not 0 < x * y * z <= MOST_VOXELS or counted != x * y * z:
        raise DataError(f"its header says {x}x{y}x{z} voxels, which is too much, or not the {counted:,} that it holds")
    return np.repeat(runs[:, 0] > 0, runs[:, 1]).reshape(x, z, y).transpose(0, 2, 1)


READERS: dict[str, Callable[[bytes], np.ndarray]] = {".npy": _npy, ".npz": _npz, ".binvox": _binvox}
