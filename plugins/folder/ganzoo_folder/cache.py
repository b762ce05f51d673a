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
import math
import os
import shutil
import time
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from ganzoo_core.errors import DataError
from ganzoo_core.storage.files import sync_folder
from ganzoo_core.storage.names import few, visible
from ganzoo_folder.decode import Decoded, Look, Target, look
from ganzoo_folder.depth import auto_span
from ganzoo_folder.listing import Listing
from ganzoo_folder.notes import range_notes, shape_notes, size_notes
from ganzoo_folder.parallel import GROUP, Pool, in_order, new_pool
from ganzoo_folder.pixel_file import PixelFile
from ganzoo_folder.reading import Cached, cache_files, digest, found_digest, read
from ganzoo_folder.rows import read_row
from ganzoo_folder.stamps import Stamp
from ganzoo_folder.upkeep import alone, homes, tidy, writable

if TYPE_CHECKING:
    from ganzoo_folder.options import ImageOptions

_DECODER_VERSION = 5  # raise it where decoding changes: old caches are then made anew
_FIRST_LOOKS = 256
_GROUP_BYTES = 2**20  # of pixels that a thread gives back at a time
_AHEAD_BYTES = 2**26  # of pixels, decoded ahead of what is written: of large images fewer are under way
_LARGE_BYTES = 2**31  # take longer to digest than stamps to settle
_SETTLE_S = 2.5
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
        home = writable(data_dir)
        try:
            with alone(home / f".{asked}.lock", listing.root):
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
    _let_settle(home / f"{asked}-{found}", listing)
    made, why = read(home, asked, listing, by_part[0], just_made=True)
    if made is None:
        raise OSError(None, f"what was just written there can't be read: {why}")
    return made


def _let_settle(cache: Path, listing: Listing) -> None:
    """Wait until the stamps of large files can be trusted, as else the next to open them would digest all of it.

    A file system whose clock is ahead of this one's is waited for no longer.
    """
    stamps = [Stamp.of((cache / name).stat()) for name in cache_files(listing)]
    end_s = time.monotonic() + _SETTLE_S
    while sum(stamp.size for stamp in stamps) >= _LARGE_BYTES and time.monotonic() < end_s:
        if all(stamp.is_settled(time.time_ns()) for stamp in stamps):
            break
        time.sleep(0.05)


def _build(folder: Path, listing: Listing, by_part: Sequence[ImageOptions]) -> str:
    """Write the files of a cache, have them on the disk, and give a digest of what was found."""
    checked_ns = time.time_ns()
    measure = by_part[0].span is None
    with (
        warnings.catch_warnings(action="ignore"),  # Pillow's, which name no file
        new_pool(len(listing.images), math.prod(by_part[0].sides)) as pool,
    ):
        # A few tell what all are made to, nearly always. Else all are looked at, and what was made is made again.
        every = max(1, len(listing.images) // _FIRST_LOOKS)
        looks = _looked(pool, listing, measure, every)
        try:
            made = _write_samples(folder, pool, listing, by_part, _targets(listing, by_part, looks), measure)
        except _Misfit:
            looks = _looked(pool, listing, measure)
            made = _write_samples(folder, pool, listing, by_part, _targets(listing, by_part, looks), None)
        else:
            looks = made.looks
    _check_labels(listing, made.bad)
    targets, notes = _targets(listing, by_part, looks), made.notes
    for options, target, part in zip(by_part, targets, listing.parts, strict=True):
        notes += range_notes(options, target, [looks[image.name] for image in part.images])
    parts = [
        {"channels": target.channels, "span": target.span, "contents": contents, "stamp": None}
        for target, contents in zip(targets, made.contents, strict=True)
    ]
    files = listing.files
    rows = [[image.name, image.stamp, made.digests[image.name], made.bad.get(image.name)] for image in files]
    index = {"checked_ns": checked_ns, "notes": notes, "parts": parts, "files": rows}
    about = {"folder": os.fspath(listing.root), "split": listing.split, "images": len(files), **by_part[0].to_dict()}
    for name, values in {"index.json": index, "about.json": about}.items():
        with open(folder / name, "xb") as file:
            file.write(json.dumps(values).encode())
            _on_disk(file)
    return found_digest(index)


def _looked(pool: Pool, listing: Listing, measure: bool, every: int = 1) -> dict[str, Look]:
    """A look at each file of each so many samples, by name."""
    names = list(dict.fromkeys(image.name for part in listing.parts for image in part.images[::every]))
    paths = [listing.root / name for name in names]
    return dict(zip(names, in_order(pool, partial(look, measure=measure), paths), strict=True))


def _on_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _targets(listing: Listing, by_part: Sequence[ImageOptions], looks: dict[str, Look]) -> list[Target]:
    """What the pictures of each part are made to, by those that were looked at."""
    return [
        _target(options, [looks[image.name] for image in part.images if image.name in looks], part.half)
        for options, part in zip(by_part, listing.parts, strict=True)
    ]


def _target(options: ImageOptions, looks: list[Look], half: str) -> Target:
    is_grey = all(found.is_grey for found in looks) and len(set(options.colour)) == 1
    span = options.span or auto_span(found.extremes for found in looks if found.extremes)
    channels = options.channels or (1 if is_grey else 3)
    return Target(*options.sides, channels, options.fit, options.colour, span, options.span, half)


def _fits(seen: Look, target: Target, options: ImageOptions) -> bool:
    """Whether the target is the same with one file more looked at: colour and more bits can come, but never go."""
    if not seen.is_grey and target.channels == 1 and options.channels is None:
        return False
    if options.span or not seen.extremes:
        return True
    return target.span is not None and auto_span([seen.extremes, target.span]) == target.span


class _Misfit(Exception):
    """A file shows that the target is another than was guessed from some."""


class _Made(NamedTuple):
    """What was written, and found out on the way: digests and looks by name; why files can't be read, by name; what to
    tell of sizes; and a digest of each file of pixels."""

    digests: dict[str, str]
    looks: dict[str, Look]
    bad: dict[str, str]
    notes: list[str]
    contents: list[str]


def _write_samples(
    folder: Path,
    pool: Pool,
    listing: Listing,
    by_part: Sequence[ImageOptions],
    targets: list[Target],
    measure: bool | None,
) -> _Made:
    """Write the pixels of the samples that can be read. Raises `_Misfit` for a file that the targets are not right for,
    unless `measure` is None: none is looked at then.
    """
    made = _Made({}, {}, {}, [], [])
    differ: list[str] = []
    enlarged = cut = 0
    said_s, where = time.monotonic(), visible(listing.root)
    rows = [tuple(image.name for image in row) for row in zip(*(part.images for part in listing.parts), strict=True)]
    sample_bytes = sum(target.channels * target.height * target.width for target in targets)
    group = min(GROUP, max(1, _GROUP_BYTES // sample_bytes))
    most = max(1, _AHEAD_BYTES // (group * sample_bytes))
    work = partial(read_row, root=listing.root, targets=targets, measure=measure)
    with contextlib.ExitStack() as opened:
        files = [opened.enter_context(PixelFile(folder / name)) for name in cache_files(listing)]
        results = opened.enter_context(contextlib.closing(in_order(pool, work, rows, group, most)))
        for done, (row, found) in enumerate(zip(rows, results, strict=True)):
            if time.monotonic() - said_s > _REPORT_EVERY_S:
                said_s = time.monotonic()
                _log.info("decoded %s of the %s images of %s, once for all", f"{done:,}", f"{len(rows):,}", where)
            for name, of, target, options in zip(row, found, targets, by_part, strict=True):
                made.digests[name] = of.digest
                if of.seen is not None:
                    made.looks[name] = of.seen
                    if not _fits(of.seen, target, options):
                        raise _Misfit
            reasons = {name: of.made for name, of in zip(row, found, strict=True) if isinstance(of.made, str)}
            for name, reason in reasons.items():
                _stop_at(listing.root / name, reason, by_part[0])
            made.bad.update(reasons)
            images = [of.made for of in found if isinstance(of.made, Decoded)]
            if reasons:
                continue
            for file, image in zip(files, images, strict=True):
                file.add(image.pixels)
            enlarged, cut = enlarged + any(i.enlarged for i in images), cut + any(i.cut for i in images)
            if not _are_alike(images[0].size, images[-1].size):
                differ.append(row[0])
        made.contents.extend(file.finish() for file in files)
    made.notes.extend(size_notes(by_part[0], len(rows), enlarged, cut) + shape_notes(len(rows), differ))
    return made


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
