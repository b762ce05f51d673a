"""Opening the cache of an image folder: its pixels mapped, once it is sure that they are still these images."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import mmap
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import torch
from torch import Tensor

from ganzoo_core.errors import FileError
from ganzoo_core.storage.files import write_atomically
from ganzoo_core.storage.names import visible
from ganzoo_folder.listing import Listing
from ganzoo_folder.parallel import in_order, new_pool
from ganzoo_folder.stamps import Stamp, content_digest
from ganzoo_folder.upkeep import Guard, hold

if TYPE_CHECKING:
    from ganzoo_folder.options import ImageOptions


class Cached(NamedTuple):
    """The readable samples in the listing's order, (N, C, H, W) uint8 for each part, and the reasons why files are not,
    by name.

    `spans`: the values that are black and white in images of more than 8 bits, by part. `notes`: what the user should
    know of how they were made. `contents` is a digest of the pixels; `guard` raises `DataError` once a file that they
    are mapped from was changed.
    """

    parts: list[Tensor]
    bad: dict[str, str]
    spans: list[tuple[float, float] | None]
    notes: list[str]
    contents: str
    guard: Callable[[], None]


class _Unfit(Exception):
    """A cache that can't be used; the text says why."""


def read(
    home: Path, asked: str, listing: Listing, options: ImageOptions, *, just_made: bool = False
) -> tuple[Cached | None, str]:
    """What a cache holds; else why it is of no use, or nothing where none is there.

    Of one that was just made by this process, under its lock, the pixels are not read again.
    """
    why = ""
    for cache in sorted(home.glob(f"{asked}-*")):
        try:
            return _opened(cache, listing, options, just_made), ""
        except _Unfit as error:
            why = str(error)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
            why = f"the cache {cache} is damaged, or was changed"
    return None, visible(why)


def _opened(cache: Path, listing: Listing, options: ImageOptions, just_made: bool) -> Cached:
    """The cache, once it is found to be whole and made from these very images. Raises `_Unfit` and others."""
    index = json.loads((cache / "index.json").read_bytes())
    now_ns = time.time_ns()
    if cache.name.rpartition("-")[2] != found_digest(index):
        raise ValueError("index")
    read_anew = _check_images(index, listing)
    bad = {name: reason for name, _, _, reason in index["files"] if reason is not None}
    n, parts, guards, stamps = len(listing.kept(bad)), [], [], []
    for name, about in zip(cache_files(listing), index["parts"], strict=True):
        with (cache / name).open("rb") as file:
            hold(file)
            shape = (n, int(about["channels"]), *options.sides)
            stamp = Stamp.of(os.fstat(file.fileno()))
            if stamp != Stamp(*about["stamp"] or (0,) * 4) or not stamp.is_settled(index["checked_ns"]):
                if stamp.size != math.prod(shape) or not (just_made or content_digest(file) == about["contents"]):
                    raise ValueError("samples")
                read_anew = True
            parts.append(_mapped(file, shape))
            guards.append(Guard(cache / name, file))
            stamps.append(stamp)
    if read_anew:
        stamped = [about | {"stamp": stamp} for about, stamp in zip(index["parts"], stamps, strict=True)]
        _note(cache, index | {"checked_ns": now_ns, "parts": stamped}, listing)
    with contextlib.suppress(OSError):
        os.utime(cache / "about.json")  # which tells when it was last used
    spans = [tuple(about["span"]) if about["span"] else None for about in index["parts"]]
    contents = "".join(about["contents"] for about in index["parts"])
    return Cached(parts, bad, spans, index["notes"], contents, partial(_call_all, guards))


def _call_all(guards: list[Guard]) -> None:
    for guard in guards:
        guard()


def cache_files(listing: Listing) -> list[str]:
    """The names of the files of pixels, by part."""
    return ["samples.u8", "source.u8"][: len(listing.parts)]


def _check_images(index: dict[str, Any], listing: Listing) -> bool:
    """Raise `_Unfit` unless these are the images that were decoded; whether some had to be read to know it."""
    files = index["files"]
    if [name for name, *_ in files] != [image.name for image in listing.files]:
        raise _Unfit("images were added or removed since they were decoded")
    doubtful = [
        (listing.root / image.name, digest)
        for image, (_, stamp, digest, _) in zip(listing.files, files, strict=True)
        if image.stamp != Stamp(*stamp) or not image.stamp.is_settled(index["checked_ns"])
    ]
    if not doubtful:
        return False
    with new_pool() as pool:
        digests = list(in_order(pool, content_digest, [path for path, _ in doubtful]))
    changed = sum(new != old for new, (_, old) in zip(digests, doubtful, strict=True))
    if changed:
        raise _Unfit(f"{changed:,} of {len(files):,} images were changed since they were decoded")
    return True


def _note(cache: Path, index: dict[str, Any], listing: Listing) -> None:
    """Write down that all was found right by now, so that stamps can be trusted the next time."""
    index["files"] = [
        [name, image.stamp, digest, why]
        for image, (name, _, digest, why) in zip(listing.files, index["files"], strict=True)
    ]
    with contextlib.suppress(FileError):  # a folder that is only read from
        write_atomically(cache / "index.json", json.dumps(index).encode())


def _mapped(file: BinaryIO, shape: tuple[int, ...]) -> Tensor:
    """The file as a tensor of that shape, uint8, on pages that the system reads on need and drops at will.

    Copy on write: nothing goes back to the file. Raises `OSError`, and `ValueError` where its size is another.
    """
    if os.fstat(file.fileno()).st_size != math.prod(shape):
        raise ValueError(f"the file does not hold {shape}")
    if sys.platform == "win32":
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    else:
        # Without room set aside for copies, which are never made: a set may be larger than memory and swap.
        unreserved = getattr(mmap, "MAP_NORESERVE", 0x4000) if sys.platform == "linux" else 0
        protection = mmap.PROT_READ | mmap.PROT_WRITE
        pages = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE | unreserved, prot=protection)
        pages.madvise(mmap.MADV_RANDOM)  # a batch is spread: to read ahead would fill memory with what is not asked
    return torch.frombuffer(pages, dtype=torch.uint8).view(shape)


def digest(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=8).hexdigest()


def found_digest(index: dict[str, Any]) -> str:
    """A digest of what a cache was made from and holds. It is part of its name: an index that was changed differs."""
    files = [[name, digest, why] for name, _, digest, why in index["files"]]
    parts = [[part["channels"], part["span"], part["contents"]] for part in index["parts"]]
    return digest([parts, index["notes"], files])
