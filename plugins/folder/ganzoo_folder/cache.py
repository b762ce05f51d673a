"""The cache of an image folder: every image decoded once, in parallel, to a file that is mapped, never read whole.

A cache is `folder-cache/<what was asked>-<what was found>/` with samples.u8, the pixels in a row, for pairs also
source.u8, index.json, which tells what they were made from, and about.json for people. It is built under a lock in a
folder of another name, which gets its own once all is on the disk: what bears the name of a cache is whole. When one is
opened, its pixels and the images must still be what they were: see stamps.py.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from filelock import FileLock, Timeout

from ganzoo_core.errors import DataError
from ganzoo_core.storage.files import sync_folder
from ganzoo_core.storage.names import few, visible
from ganzoo_folder.decode import Decoded, Look, Target, decode, look
from ganzoo_folder.depth import auto_span
from ganzoo_folder.listing import Listing
from ganzoo_folder.notes import range_notes, shape_notes, size_notes
from ganzoo_folder.reading import ROUND, Cached, cache_files, digest, found_digest, in_rounds, read
from ganzoo_folder.stamps import content_digest
from ganzoo_folder.upkeep import homes, tidy

if TYPE_CHECKING:
    from ganzoo_folder.options import ImageOptions

_DECODER_VERSION = 4  # raise it where decoding changes: old caches are then made anew
_ROUND_BYTES = 2**26  # of pixels; of large images fewer are handed to the pool at a time
_REPORT_EVERY_S = 5.0
_log = logging.getLogger("ganzoo")


def cached(listing: Listing, by_part: Sequence[ImageOptions], data_dir: Path) -> Cached:
    """The decoded images, from the cache; made first where there is none for these very files and options of each part.

    Raises `DataError` where the cache can't be kept, where no image or none of a class can be read, and for the first
    bad image where on_bad_image is "stop".
    """
    options = by_part[0]
    asked = _asked(listing, by_part)
    found, why = None, ""
    for home in homes(data_dir):
        found, why = read(home, asked, listing, options)
        if found or why:
            break
    if found is None:
        home = _writable(data_dir)
        try:
            with _alone(home / f".{asked}.lock", listing.root):
                found, why = read(home, asked, listing, options)  # another process may have made it meanwhile
                if found is None:
                    if why:
                        _log.warning("%s: %s; the images are decoded anew", visible(listing.root), why)
                    found = _make(home, asked, listing, by_part)
        except OSError as error:
            raise DataError(
                f"the decoded images can't be kept in {home} ({error.strerror}); name another place with --data-dir"
            ) from error
    tidy(home)
    for bad, reason in found.bad.items():
        _stop_at(listing.root / bad, reason, options)
    return found


def _asked(listing: Listing, by_part: Sequence[ImageOptions]) -> str:
    parts = [[part.home, part.half, options.decoding()] for part, options in zip(listing.parts, by_part, strict=True)]
    share = [listing.held_out] if listing.held_out else []
    return digest([_DECODER_VERSION, os.fspath(listing.root), listing.split, parts, *share])


def _writable(data_dir: Path) -> Path:
    """The first of the folders that can be written to; a line says so where it is not the first."""
    reasons: list[str] = []
    for home in homes(data_dir):
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reasons.append(f"{home} ({error.strerror})")
            continue
        if os.access(home, os.W_OK | os.X_OK):
            if reasons:
                _log.warning("the decoded images can't be kept in %s; they are kept in %s", visible(reasons[0]), home)
            return home
        reasons.append(f"{home} (it can't be written to)")
    raise DataError(f"the decoded images can't be kept in {' or '.join(reasons)}; name another place with --data-dir")


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


def _make(home: Path, asked: str, listing: Listing, by_part: Sequence[ImageOptions]) -> Cached:
    """Build the cache and put it in place; whoever does holds the lock. What it stands in for goes."""
    scratch = home / f".{asked}.building"
    shutil.rmtree(scratch, ignore_errors=True)  # a killed process's
    for stale in home.glob(f"{asked}-*"):
        shutil.rmtree(stale, ignore_errors=True)  # whoever has it mapped keeps it
    scratch.mkdir()
    try:
        found = _build(scratch, listing, by_part)
        scratch.rename(home / f"{asked}-{found}")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    sync_folder(home)
    made, why = read(home, asked, listing, by_part[0])
    if made is None:
        raise OSError(None, f"what was just written there can't be read: {why}")
    return made


def _build(folder: Path, listing: Listing, by_part: Sequence[ImageOptions]) -> str:
    """Write the files of a cache, have them on the disk, and give a digest of what was found."""
    checked_ns = time.time_ns()
    files = listing.files
    paths = [listing.root / image.name for image in files]
    measure = by_part[0].span is None
    with (
        warnings.catch_warnings(action="ignore"),  # Pillow's, which name no file
        ThreadPoolExecutor() as pool,
    ):
        # Before they are decoded: of an image that changes meanwhile the digest is then the old one, and found wrong.
        digests = list(in_rounds(pool, content_digest, paths, ROUND))
        looks = dict(zip(files, in_rounds(pool, partial(look, measure=measure), paths, ROUND), strict=True))
        by_file = [[looks[image] for image in part.images] for part in listing.parts]
        targets = [_target(*of) for of in zip(by_part, by_file, (part.half for part in listing.parts), strict=True)]
        bad, notes = _write_samples(folder, pool, listing, by_part[0], targets)
    _check_labels(listing, bad)
    for options, target, found in zip(by_part, targets, by_file, strict=True):
        notes += range_notes(options, target, found)
    parts = []
    for name, target in zip(cache_files(listing), targets, strict=True):
        with open(folder / name, "rb") as samples:
            contents = content_digest(samples)
        parts.append({"channels": target.channels, "span": target.span, "contents": contents, "stamp": None})
    rows = [
        [image.name, image.stamp, digest, bad.get(image.name)] for image, digest in zip(files, digests, strict=True)
    ]
    index = {"checked_ns": checked_ns, "notes": notes, "parts": parts, "files": rows}
    about = {"folder": os.fspath(listing.root), "split": listing.split, "images": len(files), **by_part[0].to_dict()}
    for name, values in {"index.json": index, "about.json": about}.items():
        with open(folder / name, "xb") as file:
            file.write(json.dumps(values).encode())
            _on_disk(file)
    return found_digest(index)


def _on_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _target(options: ImageOptions, looks: list[Look], half: str) -> Target:
    is_grey = all(found.is_grey for found in looks) and len(set(options.colour)) == 1
    span = options.span or auto_span(found.extremes for found in looks if found.extremes)
    channels = options.channels or (1 if is_grey else 3)
    return Target(*options.sides, channels, options.fit, options.colour, span, options.span, half)


def _write_samples(
    folder: Path, pool: ThreadPoolExecutor, listing: Listing, options: ImageOptions, targets: list[Target]
) -> tuple[dict[str, str], list[str]]:
    """Write the pixels of the samples that can be read; why others can't be, by name, and what to tell of sizes."""
    bad: dict[str, str] = {}
    differ: list[str] = []
    enlarged = cut = 0
    said_s, where = time.monotonic(), visible(listing.root)
    rows = [tuple(image.name for image in row) for row in zip(*(part.images for part in listing.parts), strict=True)]
    at_once = min(
        ROUND, max(1, _ROUND_BYTES // sum(target.channels * target.height * target.width for target in targets))
    )
    results = in_rounds(pool, partial(_decoded, root=listing.root, targets=targets), rows, at_once)
    with contextlib.ExitStack() as opened:
        files = [opened.enter_context(open(folder / name, "xb")) for name in cache_files(listing)]
        for done, (row, decoded) in enumerate(zip(rows, results, strict=True)):
            if time.monotonic() - said_s > _REPORT_EVERY_S:
                said_s = time.monotonic()
                _log.info("decoded %s of the %s images of %s, once for all", f"{done:,}", f"{len(rows):,}", where)
            reasons = {name: found for name, found in zip(row, decoded, strict=True) if isinstance(found, str)}
            for name, reason in reasons.items():
                _stop_at(listing.root / name, reason, options)
            bad |= reasons
            images = [found for found in decoded if isinstance(found, Decoded)]
            if reasons:
                continue
            for file, image in zip(files, images, strict=True):
                file.write(image.pixels.tobytes())  # not mapped: a full disk is an error then, not the process's end
            enlarged, cut = enlarged + any(i.enlarged for i in images), cut + any(i.cut for i in images)
            if not _are_alike(images[0].size, images[-1].size):
                differ.append(row[0])
        for file in files:
            _on_disk(file)
    return bad, size_notes(options, len(rows), enlarged, cut) + shape_notes(len(rows), differ)


def _decoded(row: Sequence[str], root: Path, targets: Sequence[Target]) -> list[Decoded | str]:
    return [decode(root / name, target=target) for name, target in zip(row, targets, strict=True)]


def _are_alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes are of one shape, as far as whole pixels allow."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(*one, *other)


def _stop_at(path: Path, reason: str, options: ImageOptions) -> None:
    if options.on_bad_image == "stop":
        raise DataError(f"{path} can't be read as an image: {reason}; mend it, remove it, or set on_bad_image=skip")


def _check_labels(listing: Listing, bad: dict[str, str]) -> None:
    kept = listing.kept(bad)
    if not kept:
        named = few(f"{name!r} ({reason})" for name, reason in bad.items())
        what = "images" if len(listing.parts) == 1 else "pairs"
        raise DataError(f"none of the {len(listing.images)} {what} in {listing.root} can be read: {named}")
    present = {listing.images[k].label for k in kept}
    for label, name in enumerate(listing.classes):
        if label not in present and listing.split != "test":
            raise DataError(f"no image of the class {name!r} in {listing.root} can be read; mend or remove it")
