"""Samples as files: an array, or a folder of images. Only a few batches are in memory at a time."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import sys
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from PIL import Image

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.drawing.pictures import png_bytes
from ganzoo_core.errors import DataError, FileError
from ganzoo_core.storage.files import (
    as_file_error,
    behind_link,
    remove_leftovers,
    replaced,
    sync_folder,
    unfinished_folder,
)
from ganzoo_core.storage.names import few, file_name

_LEAST_DIGITS = 6
_MOST_THREADS = 16


class SampleArrays(NamedTuple):
    """A batch as stored: `array`, uint8 pixels (N, C, H, W) or natural units (N, *shape); `labels` (N,) int64."""

    array: np.ndarray
    labels: np.ndarray | None


def is_folder(path: Path | str) -> bool:
    """Whether samples saved under that name go into a folder: it is one, ends like one, or has no suffix."""
    return str(path).endswith(("/", os.sep)) or os.path.isdir(path) or not Path(path).suffix


def is_picture(path: Path | str) -> bool:
    """Whether samples saved under that name become one picture."""
    return Path(path).suffix.lower() == ".png" and not is_folder(path)


def write_samples(path: Path | str, spec: DataSpec, batches: Iterable[SampleArrays], n: int) -> None:
    """Write n samples, given in batches, as `Samples.save` says, except a picture. Raises as it does."""
    if is_folder(path):
        _write_folder(Path(path), spec, batches, n)
    elif Path(path).suffix.lower() == ".npz":
        _write_npz(Path(path), iter(batches), n)
    else:
        raise FileError(
            f"samples are saved as .png (a picture), .npz (arrays) or a folder of images (a name that ends in / or has "
            f"no suffix), but the file is {Path(path).name!r}"
        )


def _write_npz(path: Path, batches: Iterator[SampleArrays], n: int) -> None:
    """What `np.savez` would write, byte for byte: it dates every entry 1980, so that equal samples give equal files."""
    first = next(batches)
    name = "images.npy" if first.array.dtype == np.uint8 else "samples.npy"
    labels = bytearray()
    with replaced(behind_link(path)) as file, zipfile.ZipFile(file, "w") as archive:
        with archive.open(name, "w", force_zip64=True) as entry:
            _write_header(entry, first.array.dtype, (n, *first.array.shape[1:]))
            for batch in itertools.chain([first], batches):
                entry.write(batch.array.tobytes())
                labels += b"" if batch.labels is None else batch.labels.tobytes()
        if first.labels is not None:
            with archive.open("labels.npy", "w", force_zip64=True) as entry:
                _write_header(entry, np.dtype(np.int64), (n,))
                entry.write(labels)


def _write_header(entry: IO[bytes], dtype: np.dtype, shape: tuple[int, ...]) -> None:
    descr = np.lib.format.dtype_to_descr(dtype)
    np.lib.format.write_array_header_1_0(entry, {"descr": descr, "fortran_order": False, "shape": shape})


def _write_folder(path: Path, spec: DataSpec, batches: Iterable[SampleArrays], n: int) -> None:
    """A PNG for each image, encoded in parallel while the next batch is made."""
    _check_images(spec)
    folders = class_folders(spec)
    digits = max(_LEAST_DIGITS, len(str(n - 1)))
    numbers = itertools.count()
    threads = min(os.cpu_count() or 1, _MOST_THREADS)
    with _filled(path) as folder, ThreadPoolExecutor(threads) as pool:
        at_work: list[Future[None]] = []
        for images, labels in batches:
            homes = [folder] * len(images)
            if labels is not None:
                homes = [folder / folders[label] for label in labels.tolist()]
                for home in set(homes):
                    home.mkdir(exist_ok=True)
            paths = [home / f"{next(numbers):0{digits}d}.png" for home in homes]
            begun = [pool.submit(_write_images, images[k::threads], paths[k::threads]) for k in range(threads)]
            for future in at_work:
                future.result()
            at_work = begun
        for future in at_work:
            future.result()


def _write_images(images: np.ndarray, paths: list[Path]) -> None:
    """Images (N, C, H, W) uint8, a PNG each. While Pillow encodes, other threads run."""
    for image, path in zip(images, paths, strict=True):
        pixels = image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
        with path.open("xb") as file:
            file.write(png_bytes(Image.fromarray(pixels)))


def _check_images(spec: DataSpec) -> None:
    if spec.kind != "images":
        raise DataError(
            f"{spec.name} holds {spec.kind}, and a folder takes images alone; save them as .npz (arrays) or .png (a "
            f"picture)"
        )
    if spec.shape[0] not in (1, 3, 4):
        raise DataError(
            f"an image in a folder must have 1, 3 or 4 channels, but those of {spec.name} have {spec.shape[0]}; save "
            f"them as .npz (arrays)"
        )


def class_folders(spec: DataSpec) -> list[str]:
    """A folder name per class. If two differ in case at most, all are prefixed by their index."""
    names = [file_name(name, "class") for name in spec.classes]
    if len({name.casefold() for name in names}) == len(names):
        return names
    digits = len(str(len(names) - 1))
    return [f"{index:0{digits}d}-{name}" for index, name in enumerate(names)]


@contextlib.contextmanager
def _filled(path: Path) -> Iterator[Path]:
    """A new folder which becomes `path` at the end, at once; it takes the place of an empty one.

    One whose place can't be taken, such as a disk of its own, gets the contents. Raises `FileError`.
    """
    with as_file_error(path):
        target = behind_link(path)
        is_new = not target.exists()
        (target.parent if is_new else target).mkdir(parents=True, exist_ok=True)
        for folder in (target, target.parent):
            remove_leftovers(folder)
        if not is_new and (found := sorted(name for name in os.listdir(target) if not name.startswith("."))):
            raise FileError(f"{path} is not empty: it holds {few(found)}; name a new or an empty folder")
        stays = not is_new and not _can_go(target)
        place = target if stays else target.parent
        with unfinished_folder(place) as folder:
            yield folder
            if stays:
                _move_contents(folder, target)
            else:
                _take_place(folder, target)
    sync_folder(place)


def _can_go(path: Path) -> bool:
    """Whether another folder can take the place of an empty one: not where the user stands, nor a disk of its own."""
    is_plain = path.stat().st_dev == path.parent.stat().st_dev and not path.samefile(os.curdir)
    return is_plain and os.access(path.parent, os.W_OK) and not os.listdir(path)


def _take_place(folder: Path, path: Path) -> None:
    """Let a folder be `path`, where there is none, or an empty one whose permissions it takes."""
    if path.exists():
        folder.chmod(stat.S_IMODE(path.stat().st_mode))
        if sys.platform == "win32":  # which replaces no folder
            path.rmdir()
    os.replace(folder, path)


def _move_contents(folder: Path, path: Path) -> None:
    """Move all or nothing, unless the process is killed meanwhile."""
    names = os.listdir(folder)
    try:
        for name in names:
            (folder / name).rename(path / name)
    except BaseException:
        for name in names:
            if (path / name).exists() and not (folder / name).exists():
                (path / name).rename(folder / name)
        raise
