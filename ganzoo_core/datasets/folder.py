"""The user's own images: listed, decoded once in parallel, kept in a memory-mapped cache."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import platformdirs
import torch

from ganzoo_core.data import Dataset
from ganzoo_core.datasets.decode import decode, extensions, is_grey
from ganzoo_core.errors import DataError
from ganzoo_core.variant import DataSpec

if TYPE_CHECKING:
    from ganzoo_core.datasets import FolderOptions

_DECODER_VERSION = 1  # raise it where decoding changes: old caches are then made anew
_log = logging.getLogger("ganzoo")


class _Image(NamedTuple):
    """A file by its name below the folder, its label, and what tells that it has changed."""

    name: str
    label: int
    size: int
    mtime_ns: int


class _Listing(NamedTuple):
    """What a folder holds; no classes where the images lie in it directly."""

    root: Path
    classes: tuple[str, ...]
    images: list[_Image]


def load(path: Path, options: FolderOptions, data_dir: Path) -> Dataset:
    """The folder's images (N, C, S, S) uint8, mapped from the cache, copy on write; labels by subfolder.

    Raises `DataError` for a folder that can't be used, and for a bad image where on_bad_image is "stop".
    """
    try:
        listing = _list(path)
    except OSError as error:
        raise DataError(
            f"no folder can be read at {path} ({error.strerror}); folder:PATH takes a folder of images, "
            f"or of one subfolder per class"
        ) from error
    index, samples = _cached(listing, options, data_dir)
    if bad := index["bad"]:
        total = len(listing.images)
        _log.warning("%s: skipped %d of %d images that can't be read: %s", path, len(bad), total, _few(bad))
    labels = torch.tensor(index["labels"]) if listing.classes else None
    # The weights carry this name, and they carry no path.
    spec = DataSpec(f"folder:{listing.root.name}", samples.shape[1:], listing.classes)
    return Dataset(spec, torch.from_numpy(samples), labels)


def _list(path: Path) -> _Listing:
    root = Path(os.path.realpath(path))
    strays: list[str] = []
    folders, entries = _scan(root, root, strays)
    inside = {folder.name: _scan(folder, root, strays) for folder in folders}
    if strays:
        _log.warning("%s: left out %d links that lead out of it or nowhere: %s", path, len(strays), _few(strays))
    _check_layout(path, bool(entries), inside)
    _check_names(root.name, *inside)
    if entries:
        return _Listing(root, (), [_image(entry, root, 0) for entry in entries])
    images = [_image(e, root, label) for label, (_, found) in enumerate(inside.values()) for e in found]
    return _Listing(root, tuple(inside), images)


def _scan(folder: Path, root: Path, strays: list[str]) -> tuple[list[Path], list[os.DirEntry[str]]]:
    """The subfolders and the image files right below `folder`, sorted by name, nothing hidden; adds to `strays`."""
    known = extensions()
    folders, images = [], []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith("."):
                continue
            if entry.is_symlink() and not _leads_inside(entry, root):
                strays.append(entry.name)
            elif entry.is_dir():
                folders.append(Path(entry.path))
            elif os.path.splitext(entry.name)[1].lower() in known and entry.is_file():
                images.append(entry)
    return folders, images


def _leads_inside(link: os.DirEntry[str], root: Path) -> bool:
    target = Path(os.path.realpath(link.path))
    return target.is_relative_to(root) and target.exists()


def _image(entry: os.DirEntry[str], root: Path, label: int) -> _Image:
    stat = entry.stat()
    return _Image(os.path.relpath(entry.path, root), label, stat.st_size, stat.st_mtime_ns)


def _check_names(*names: str) -> None:
    """Raise `DataError` for bytes that are no text: weights carry these names as UTF-8."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"the folder name {name!r} is not valid UTF-8; rename the folder") from error


def _check_layout(path: Path, has_images: bool, inside: dict[str, tuple[list[Path], list[os.DirEntry[str]]]]) -> None:
    """Raise `DataError` unless there are images right here, or else in every subfolder."""
    if has_images:
        if full := [name for name, (_, images) in inside.items() if images]:
            raise DataError(f"{path} holds images beside folders of images ({_few(full)}); keep one or the other")
        return
    if not inside:
        raise DataError(f"{path} holds no images; files ending in {' '.join(sorted(extensions()))} are read")
    for name, (folders, images) in inside.items():
        if folders:
            raise DataError(
                f"the class folder {name!r} in {path} holds folders ({_few([f.name for f in folders])}), but must "
                f"hold images alone; name the folder right above the classes"
            )
        if not images:
            raise DataError(f"the class folder {name!r} in {path} holds no images; fill it, or remove it")


def _cached(listing: _Listing, options: FolderOptions, data_dir: Path) -> tuple[dict[str, Any], np.ndarray]:
    """The index and the samples, from the cache; made first where there is none for these very files and options."""
    settings = _digest([_DECODER_VERSION, os.fspath(listing.root), options.to_dict()])
    name = f"{settings}-{_digest(listing.images)}"
    homes = [data_dir / "folder-cache", Path(platformdirs.user_cache_dir("ganzoo")) / "folder-cache"]
    for home in homes:
        if _is_whole(home / name):
            return _read(home / name)
    scratch = _new_folder(homes)
    cache = scratch.parent / name
    try:
        _build(scratch, listing, options)
        _publish(scratch, cache)
        for stale in cache.parent.glob(f"{settings}-*"):
            if stale != cache:
                shutil.rmtree(stale, ignore_errors=True)
        return _read(cache)
    except OSError as error:
        raise DataError(
            f"the decoded images can't be kept in {cache.parent} ({error.strerror}); name another place with --data-dir"
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _digest(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=8).hexdigest()


def _new_folder(homes: list[Path]) -> Path:
    """An empty folder of this process's own, in the first home that can be written."""
    for home in homes:
        folder = home / f".building-{uuid.uuid4().hex}"
        try:
            folder.mkdir(parents=True)
        except OSError:
            continue
        return folder
    raise DataError(
        f"the decoded images can't be kept: neither {homes[0]} nor {homes[1]} can be written; "
        f"name another place with --data-dir"
    )


def _build(folder: Path, listing: _Listing, options: FolderOptions) -> None:
    """Write samples.u8, the pixels in a row, and index.json: their shape, their labels, and the bad files."""
    paths = [listing.root / image.name for image in listing.images]
    channels = options.channels or (1 if all(map(is_grey, paths)) else 3)
    decoded = partial(decode, size=options.image_size, channels=channels)
    labels, bad = [], []
    _log.info("decoding %d images of %s, once", len(paths), listing.root)
    # Written, not mapped: a full disk is then an error and not the end of the process.
    with open(folder / "samples.u8", "wb") as file, ThreadPoolExecutor() as pool:
        for image, pixels in zip(listing.images, pool.map(decoded, paths), strict=True):
            if pixels is not None:
                file.write(pixels.tobytes())
                labels.append(image.label)
            elif options.on_bad_image == "stop":
                raise DataError(
                    f"{listing.root / image.name} can't be read as an image; mend it, remove it, "
                    f"or set on_bad_image=skip"
                )
            else:
                bad.append(image.name)
    _check_labels(listing, labels)
    shape = (len(labels), channels, options.image_size, options.image_size)
    (folder / "index.json").write_text(json.dumps({"shape": shape, "labels": labels, "bad": bad}))


def _check_labels(listing: _Listing, labels: list[int]) -> None:
    if not labels:
        named = ", ".join(image.name for image in listing.images[:5])
        more = ", ..." if len(listing.images) > 5 else ""
        raise DataError(f"none of the {len(listing.images)} images in {listing.root} can be read: {named}{more}")
    present = set(labels)
    for label, name in enumerate(listing.classes):
        if label not in present:
            raise DataError(f"no image of the class folder {name!r} in {listing.root} can be read; mend or remove it")


def _publish(scratch: Path, cache: Path) -> None:
    """Put a finished cache in place at once; where another process was first, its cache stays, for it may be in use."""
    try:
        scratch.rename(cache)
    except OSError:
        if not _is_whole(cache):
            shutil.rmtree(cache)
            scratch.rename(cache)


def _is_whole(cache: Path) -> bool:
    try:
        _read(cache)
    except (OSError, ValueError, KeyError):
        return False
    return True


def _read(cache: Path) -> tuple[dict[str, Any], np.ndarray]:
    index = json.loads((cache / "index.json").read_text())
    # Copy on write: torch takes writable arrays only, and nothing writes back to the file.
    return index, np.memmap(cache / "samples.u8", dtype=np.uint8, mode="c", shape=tuple(index["shape"]))


def _few(names: list[str]) -> str:
    """The first three, quoted."""
    shown = ", ".join(map(repr, names[:3]))
    return f"{shown}, ..." if len(names) > 3 else shown
