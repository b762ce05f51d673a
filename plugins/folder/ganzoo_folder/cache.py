"""The cache of an image folder: every image decoded once, in parallel, to one file that is mapped, never read whole.

A cache is `folder-cache/<what was asked>-<what was found>/` with samples.u8, the pixels in a row, and index.json. It
is built under a lock in a folder of another name, which gets its own once all is on the disk: what bears the name of
a cache is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import mmap
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar

import platformdirs
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from ganzoo_core.errors import DataError
from ganzoo_core.storage.files import sync_folder
from ganzoo_core.storage.names import few, visible
from ganzoo_folder.decode import Look, Target, decode, look
from ganzoo_folder.depth import auto_span
from ganzoo_folder.notes import range_notes, size_notes

if TYPE_CHECKING:
    from ganzoo_folder.options import FolderOptions

_DECODER_VERSION = 3  # raise it where decoding changes: old caches are then made anew
_ROUND = 1024  # images handed to the pool at a time, or fewer large ones: neither work nor results pile up
_ROUND_BYTES = 2**26
_REPORT_EVERY_S = 5.0
_log = logging.getLogger("ganzoo")
T = TypeVar("T")
R = TypeVar("R")


class ImageFile(NamedTuple):
    """A file by its name below the folder, its label, and what tells that it has changed."""

    name: str
    label: int
    size: int
    mtime_ns: int


class Listing(NamedTuple):
    """What a folder holds; no classes where the images lie in it directly."""

    root: Path
    classes: tuple[str, ...]
    images: list[ImageFile]


class Cached(NamedTuple):
    """The readable images in the listing's order, (N, C, H, W) uint8, the reasons why others are not, by name, and what
    the user should know of how they were made.
    """

    samples: Tensor
    bad: dict[str, str]
    notes: list[str]


def cached(listing: Listing, options: FolderOptions, data_dir: Path) -> Cached:
    """The decoded images, from the cache; made first where there is none for these very files and options.

    Raises `DataError` where the cache can't be kept, where no image or none of a class can be read, and for the first
    bad image where on_bad_image is "stop".
    """
    pixels = {name: value for name, value in options.to_dict().items() if name != "on_bad_image"}
    asked = _digest([_DECODER_VERSION, os.fspath(listing.root), pixels])
    name = f"{asked}-{_digest(listing.images)}"
    homes = [data_dir / "folder-cache", Path(platformdirs.user_cache_dir("ganzoo")) / "folder-cache"]
    for home in homes:
        if found := _read(home / name, listing, options):
            break
    else:
        home = _writable(homes)
        try:
            with _alone(home / f".{asked}.lock", listing.root):
                found = _read(home / name, listing, options) or _make(home, asked, name, listing, options)
        except OSError as error:
            raise DataError(
                f"the decoded images can't be kept in {home} ({error.strerror}); name another place with --data-dir"
            ) from error
    for bad, reason in found.bad.items():
        _stop_at(listing.root / bad, reason, options)
    return found


def _digest(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=8).hexdigest()


def _writable(homes: list[Path]) -> Path:
    """The first of the folders that can be written to."""
    for home in homes:
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(home, os.W_OK | os.X_OK):
            return home
    raise DataError(
        f"the decoded images can't be kept: neither {homes[0]} nor {homes[1]} can be written; "
        f"name another place with --data-dir"
    )


@contextlib.contextmanager
def _alone(path: Path, root: Path) -> Iterator[None]:
    """One process builds, while others wait for what it makes. A crash releases the lock."""
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        _log.info("another process is decoding the images of %s; waiting for it", visible(root))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _make(home: Path, asked: str, name: str, listing: Listing, options: FolderOptions) -> Cached:
    """Build the cache and put it in place; whoever does holds the lock. What it stands in for goes."""
    scratch = home / f".{asked}.building"
    shutil.rmtree(scratch, ignore_errors=True)  # a killed process's
    for stale in home.glob(f"{asked}-*"):
        shutil.rmtree(stale, ignore_errors=True)  # whoever has it mapped keeps it
    scratch.mkdir()
    try:
        _build(scratch, listing, options)
        scratch.rename(home / name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    sync_folder(home)
    made = _read(home / name, listing, options)
    if made is None:
        raise OSError(None, "what was just written there can't be read")
    return made


def _build(folder: Path, listing: Listing, options: FolderOptions) -> None:
    """Write samples.u8 and index.json, and have them on the disk."""
    with (
        warnings.catch_warnings(action="ignore"),  # Pillow's, which name no file
        ThreadPoolExecutor() as pool,
        open(folder / "samples.u8", "xb") as samples,
        open(folder / "index.json", "xb") as index,
    ):
        paths = [listing.root / image.name for image in listing.images]
        looks = list(_in_rounds(pool, partial(look, measure=options.span is None), paths, _ROUND))
        target = _target(options, looks)
        bad, notes = _write_samples(samples, pool, listing, options, target)
        _check_labels(listing, bad)
        notes += range_notes(options, target, looks)
        index.write(json.dumps({"channels": target.channels, "bad": bad, "notes": notes}).encode())
        for file in (samples, index):
            file.flush()
            os.fsync(file.fileno())


def _target(options: FolderOptions, looks: list[Look]) -> Target:
    is_grey = all(found.is_grey for found in looks) and len(set(options.colour)) == 1
    span = options.span or auto_span(found.extremes for found in looks if found.extremes)
    channels = options.channels or (1 if is_grey else 3)
    return Target(*options.sides, channels, options.fit, options.colour, span, options.span)


def _write_samples(
    file: BinaryIO, pool: ThreadPoolExecutor, listing: Listing, options: FolderOptions, target: Target
) -> tuple[dict[str, str], list[str]]:
    """Write the pixels of the images that can be read; why others can't be, by name, and what to tell of sizes."""
    one = partial(decode, target=target)
    bad: dict[str, str] = {}
    enlarged = cut = 0
    said_s, where = time.monotonic(), visible(listing.root)
    paths = [listing.root / image.name for image in listing.images]
    at_once = min(_ROUND, max(1, _ROUND_BYTES // (target.channels * target.height * target.width)))
    results = _in_rounds(pool, one, paths, at_once)
    for done, (image, decoded) in enumerate(zip(listing.images, results, strict=True)):
        if time.monotonic() - said_s > _REPORT_EVERY_S:
            said_s = time.monotonic()
            _log.info("decoded %s of the %s images of %s, once for all", f"{done:,}", f"{len(paths):,}", where)
        if isinstance(decoded, str):
            _stop_at(listing.root / image.name, decoded, options)
            bad[image.name] = decoded
        else:
            file.write(decoded.pixels.tobytes())  # not mapped: a full disk is an error then, not the process's end
            enlarged, cut = enlarged + decoded.enlarged, cut + decoded.cut
    return bad, size_notes(options, len(paths), enlarged, cut)


def _in_rounds(pool: ThreadPoolExecutor, function: Callable[[T], R], items: Sequence[T], at_once: int) -> Iterator[R]:
    """As `pool.map`, which would take in a hundred thousand at once."""
    for start in range(0, len(items), at_once):
        yield from pool.map(function, items[start : start + at_once])


def _stop_at(path: Path, reason: str, options: FolderOptions) -> None:
    if options.on_bad_image == "stop":
        raise DataError(f"{path} can't be read as an image: {reason}; mend it, remove it, or set on_bad_image=skip")


def _check_labels(listing: Listing, bad: dict[str, str]) -> None:
    if len(bad) == len(listing.images):
        named = few(f"{name!r} ({reason})" for name, reason in bad.items())
        raise DataError(f"none of the {len(bad)} images in {listing.root} can be read: {named}")
    present = {image.label for image in listing.images if image.name not in bad}
    for label, name in enumerate(listing.classes):
        if label not in present:
            raise DataError(f"no image of the class folder {name!r} in {listing.root} can be read; mend or remove it")


def _read(cache: Path, listing: Listing, options: FolderOptions) -> Cached | None:
    """What a cache holds; None where it is not there or not whole."""
    try:
        index = json.loads((cache / "index.json").read_bytes())
        bad = {str(name): str(reason) for name, reason in index["bad"].items()}
        kept = len(listing.images) - len(bad)
        shape = (kept, int(index["channels"]), *options.sides)
        return Cached(_mapped(cache / "samples.u8", shape), bad, [str(note) for note in index["notes"]])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _mapped(path: Path, shape: tuple[int, ...]) -> Tensor:
    """The file as a tensor of that shape, uint8, on pages that the system reads on need and drops at will.

    Copy on write: nothing goes back to the file. Raises `OSError`, and `ValueError` where its size is another.
    """
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size != math.prod(shape):
            raise ValueError(f"{path} does not hold {shape}")
        if sys.platform == "win32":
            pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        else:
            # Without room set aside for copies, which are never made: a set may be larger than memory and swap.
            unreserved = getattr(mmap, "MAP_NORESERVE", 0x4000) if sys.platform == "linux" else 0
            protection = mmap.PROT_READ | mmap.PROT_WRITE
            pages = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE | unreserved, prot=protection)
            pages.madvise(mmap.MADV_RANDOM)  # a batch is spread: to read ahead would fill memory with what is not asked
    return torch.frombuffer(pages, dtype=torch.uint8).view(shape)
